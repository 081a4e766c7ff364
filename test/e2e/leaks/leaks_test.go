package leaks

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

// TestEveryFormIsSeen: whatever stands before the mark.
func TestEveryFormIsSeen(t *testing.T) {
	t.Parallel()
	look := For(Mark)
	secret := Mark + "at_0123456789"
	for before := range 7 {
		text := strings.Repeat("x", before) + secret
		for name, written := range map[string]string{
			"plain": text, "hex": hex.EncodeToString([]byte(text)), "base64": base64.StdEncoding.EncodeToString([]byte(text)), "base64 of a URL": base64.RawURLEncoding.EncodeToString([]byte(text)),
		} {
			require.NotEmpty(t, look.Bytes("here", []byte(written)), "%s after %d bytes", name, before)
		}
	}
	require.Empty(t, look.Bytes("here", []byte("nothing of the kind: canary, canar_y")))
}

// TestAcrossPieces: a mark that lies across two readings is seen, and so is one at the
// very end.
func TestAcrossPieces(t *testing.T) {
	t.Parallel()
	look := For(Mark)
	for _, at := range []int{0, 1<<20 - 3, 1<<20 - 1, 1 << 20, 3 << 20} {
		text := append(bytes.Repeat([]byte("."), at), Mark...)
		found, err := look.Reader("here", bytes.NewReader(text))
		require.NoError(t, err)
		require.Len(t, found, 1, "after %d bytes", at)
	}
	found, err := look.Reader("here", strings.NewReader("nothing"))
	require.NoError(t, err)
	require.Empty(t, found)
}

// TestFilesAndAnswers: a planted secret is found in a file of any folder and in an
// answer, and a clean place is clean.
func TestFilesAndAnswers(t *testing.T) {
	t.Parallel()
	look := For(Planted)
	dir := t.TempDir()
	found, err := look.Files(dir)
	require.NoError(t, err)
	require.Empty(t, found)
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "a/b"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a/b/file"), []byte("x "+Planted+"y"), 0o600))
	found, err = look.Files(dir)
	require.NoError(t, err)
	require.Len(t, found, 1)

	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/header" {
			w.Header().Set("X-Odd", Planted)
		}
		if r.URL.Path == "/body" {
			_, _ = io.WriteString(w, "{\"token\":\""+Planted+"1\"}") // the client is the test
		}
	}))
	t.Cleanup(server.Close)
	for path, places := range map[string]int{"/clean": 0, "/header": 1, "/body": 1} {
		var told []Found
		client := http.Client{Transport: &Transport{Next: oneByte{http.DefaultTransport}, Look: look, Tell: func(f Found) { told = append(told, f) }}}
		res, err := client.Get(server.URL + path)
		require.NoError(t, err)
		_, err = io.ReadAll(res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Len(t, told, places, path)
	}
}

// oneByte hands bodies on in the smallest pieces.
type oneByte struct{ next http.RoundTripper }

func (o oneByte) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := o.next.RoundTrip(req)
	if err == nil {
		res.Body = struct {
			io.Reader
			io.Closer
		}{iotest.OneByteReader(res.Body), res.Body}
	}
	return res, err
}
