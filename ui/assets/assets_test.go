package assets_test

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/ui/assets"
	"github.com/emcy/gateway/ui/assets/sources"
)

// Budgets, in bytes; style sheets and scripts compressed.
const (
	styleBudget  = 14 * 1024
	scriptBudget = 22 * 1024
	fontBudget   = 60 * 1024
)

func manifest(t *testing.T) assets.Manifest {
	t.Helper()
	raw, err := os.ReadFile("dist/manifest.json")
	require.NoError(t, err)
	var loaded assets.Manifest
	require.NoError(t, json.Unmarshal(raw, &loaded))
	return loaded
}

func ask(method, address string, header map[string]string) *http.Response {
	request := httptest.NewRequest(method, address, nil)
	for name, value := range header {
		request.Header.Set(name, value)
	}
	recorder := httptest.NewRecorder()
	assets.Handler().ServeHTTP(recorder, request)
	return recorder.Result()
}

func body(t *testing.T, response *http.Response) []byte {
	t.Helper()
	content, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return content
}

func TestDistBelongsToItsSources(t *testing.T) {
	t.Parallel()
	sum, err := sources.Sum(".")
	require.NoError(t, err)
	require.Equal(t, sum, manifest(t).Sources, "the bundles are stale: run go generate ./ui/...")
}

func TestVendoredFilesAreTheOnesInTheLock(t *testing.T) {
	t.Parallel()
	require.NoError(t, sources.Verify("."))
}

func TestVerifyFindsAnAlteredFile(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	require.NoError(t, os.CopyFS(root+"/vendor", os.DirFS("vendor")))
	require.NoError(t, sources.Verify(root))

	require.NoError(t, os.WriteFile(root+"/vendor/new.js", []byte("1"), 0o600))
	require.ErrorContains(t, sources.Verify(root), "new.js is not in vendor.lock")
	require.NoError(t, os.Remove(root+"/vendor/new.js"))

	require.NoError(t, os.WriteFile(root+"/vendor/hx-sse.min.js", []byte("1"), 0o600))
	require.ErrorContains(t, sources.Verify(root), "hx-sse.min.js is not the file")
}

func TestBudgets(t *testing.T) {
	t.Parallel()
	fonts := 0
	for name := range manifest(t).Files {
		content := body(t, ask(http.MethodGet, assets.Path(name), map[string]string{"Accept-Encoding": "gzip"}))
		switch path.Ext(name) {
		case ".css":
			require.LessOrEqual(t, len(content), styleBudget, name)
		case ".js":
			require.LessOrEqual(t, len(content), scriptBudget, name)
		case ".woff2":
			fonts += len(content)
		default:
			require.Fail(t, "an asset without a budget", name)
		}
	}
	require.LessOrEqual(t, fonts, fontBudget)
}

func TestStyleSheetsNeedNothingFromElsewhere(t *testing.T) {
	t.Parallel()
	address := regexp.MustCompile(`url\(([^)]*)\)`)
	for _, name := range []string{"app.css", "enduser.css"} {
		content := string(body(t, ask(http.MethodGet, assets.Path(name), nil)))
		require.NotContains(t, content, "@import")
		found := address.FindAllStringSubmatch(content, -1)
		require.NotEmpty(t, found)
		for _, match := range found {
			file := strings.TrimPrefix(strings.Trim(match[1], `"'`), "./")
			require.Equal(t, http.StatusOK, ask(http.MethodGet, assets.Prefix+file, nil).StatusCode, file)
		}
	}
}

func TestServe(t *testing.T) {
	t.Parallel()
	types := map[string]string{
		"app.css": "text/css; charset=utf-8", "app.js": "text/javascript; charset=utf-8", "geist-latin-wght-normal.woff2": "font/woff2",
	}
	for name, contentType := range types {
		plain := ask(http.MethodGet, assets.Path(name), nil)
		require.Equal(t, http.StatusOK, plain.StatusCode)
		require.Equal(t, contentType, plain.Header.Get("Content-Type"))
		require.Equal(t, "public, max-age=31536000, immutable", plain.Header.Get("Cache-Control"))
		require.Equal(t, "nosniff", plain.Header.Get("X-Content-Type-Options"))
		require.Empty(t, plain.Header.Get("Content-Encoding"))
		content := body(t, plain)
		require.EqualValues(t, len(content), plain.ContentLength)

		head := ask(http.MethodHead, assets.Path(name), nil)
		require.Equal(t, http.StatusOK, head.StatusCode)
		require.Equal(t, plain.Header.Get("Content-Length"), head.Header.Get("Content-Length"))
		require.Empty(t, body(t, head))

		again := ask(http.MethodGet, assets.Path(name), map[string]string{"If-None-Match": `"other", W/` + plain.Header.Get("ETag")})
		require.Equal(t, http.StatusNotModified, again.StatusCode)
		require.Empty(t, body(t, again))

		packed := ask(http.MethodGet, assets.Path(name), map[string]string{"Accept-Encoding": "br, gzip;q=0.8"})
		if contentType == "font/woff2" {
			require.Empty(t, packed.Header.Get("Content-Encoding"))
			continue
		}
		require.Equal(t, "gzip", packed.Header.Get("Content-Encoding"))
		require.Equal(t, "Accept-Encoding", packed.Header.Get("Vary"))
		require.NotEqual(t, plain.Header.Get("ETag"), packed.Header.Get("ETag"))
		reader, err := gzip.NewReader(packed.Body)
		require.NoError(t, err)
		unpacked, err := io.ReadAll(reader)
		require.NoError(t, err)
		require.Equal(t, content, unpacked)

		refused := ask(http.MethodGet, assets.Path(name), map[string]string{"Accept-Encoding": "gzip;q=0"})
		require.Empty(t, refused.Header.Get("Content-Encoding"))
	}
}

func TestServeRefuses(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"/assets/", "/assets/manifest.json", "/assets/app.css", "/assets/../assets.go", "/assets/dist/app.css"} {
		require.Equal(t, http.StatusNotFound, ask(http.MethodGet, address, nil).StatusCode, address)
	}
	posted := ask(http.MethodPost, assets.Path("app.css"), nil)
	require.Equal(t, http.StatusMethodNotAllowed, posted.StatusCode)
	require.Equal(t, "GET, HEAD", posted.Header.Get("Allow"))
	require.Panics(t, func() { assets.Path("nothing.css") })
}
