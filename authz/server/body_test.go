package server_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server"
	"github.com/emcy/gateway/tenancy/tenancytest"
)

// TestSlowBodies holds that nobody keeps a connection with a body that never comes,
// read or not, and that a body which came ends no deadline of its handler.
func TestSlowBodies(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		server.SetBodyTime(b.server, 50*time.Millisecond)
		const form, doc = "application/x-www-form-urlencoded", "application/json"
		for _, c := range []struct {
			method, path, media, length string
			status                      int
			answers                     string
		}{
			{"POST", "/token", form, "Content-Length: 10", 408, doc},
			{"POST", "/token", form, "Transfer-Encoding: chunked", 408, doc},
			{"POST", "/revoke", form, "Content-Length: 10", 408, doc},
			{"POST", "/register", doc, "Content-Length: 10", 408, doc},
			{"POST", "/sign-in", form, "Content-Length: 10", 408, "text/html; charset=utf-8"},
			{"POST", "/consent", form, "Content-Length: 10", 408, "text/html; charset=utf-8"},
			{"POST", "/authorize", form, "Content-Length: 10", 408, "text/html; charset=utf-8"},
			{"POST", "/nothing", form, "Content-Length: 10", 404, doc},
			{"POST", "/jwks", form, "Content-Length: 10", 405, doc},
			{"GET", "/jwks", form, "Content-Length: 10", 200, doc},
		} {
			name := c.method + " " + c.path + " " + c.length
			conn := tn.dial()
			_, err := io.WriteString(conn, c.method+" "+c.path+" HTTP/1.1\r\nHost: acme.mcp.test\r\nContent-Type: "+c.media+"\r\n"+c.length+"\r\n\r\n")
			require.NoError(b.t, err)
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			require.NoError(b.t, err, name)
			require.Equal(b.t, c.status, res.StatusCode, name)
			require.Equal(b.t, c.answers, res.Header.Get("Content-Type"), name)
			_, err = io.Copy(io.Discard, res.Body)
			require.NoError(b.t, err, name)
			_, err = conn.Read(make([]byte, 1))
			require.ErrorIs(b.t, err, io.EOF, "%s: the connection ends", name)
		}

		server.SetBodyTime(b.server, time.Minute)
		conn := tn.dial()
		reader := bufio.NewReader(conn)
		const body = `{"redirect_uris":["http://localhost/"]}`
		for range 2 {
			head := "POST /register HTTP/1.1\r\nHost: acme.mcp.test\r\nContent-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n"
			_, err := io.Copy(conn, strings.NewReader(head+body))
			require.NoError(b.t, err)
			res, err := http.ReadResponse(reader, nil)
			require.NoError(b.t, err)
			require.Equal(b.t, 201, res.StatusCode)
			_, err = io.Copy(io.Discard, res.Body)
			require.NoError(b.t, err)
		}
	})
}

// dial opens a connection to the tenant's origin.
func (tn *tenant) dial() net.Conn {
	tn.b.t.Helper()
	conn, err := (&tls.Dialer{Config: tn.b.transport.TLSClientConfig}).DialContext(tn.b.t.Context(), "tcp", tn.b.addr)
	require.NoError(tn.b.t, err)
	tn.b.t.Cleanup(func() { _ = conn.Close() })
	require.NoError(tn.b.t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	return conn
}

// deadlines is an answer that notes its connection's read deadlines.
type deadlines struct {
	*httptest.ResponseRecorder
	set []time.Time
}

func (d *deadlines) SetReadDeadline(t time.Time) error {
	d.set = append(d.set, t)
	return nil
}

// TestTheWorkBehindABodyHasNoDeadline: one that stayed would cancel it.
func TestTheWorkBehindABodyHasNoDeadline(t *testing.T) {
	t.Parallel()
	b := setup(t, tenancytest.SQLite(t))
	tn := b.tenant("acme")
	serve := func(method, path, media, body string) []time.Time {
		w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
		r := httptest.NewRequest(method, tn.issuer+path, strings.NewReader(body))
		r.Header.Set("Content-Type", media)
		b.server.Serve(w, r, tn.issuer)
		return w.set
	}
	for path, media := range map[string]string{"/token": "application/x-www-form-urlencoded", "/register": "application/json", "/consent": "application/x-www-form-urlencoded"} {
		set := serve("POST", path, media, "{}")
		require.GreaterOrEqual(t, len(set), 3, path)
		require.False(t, set[1].IsZero(), path)
		require.True(t, set[len(set)-1].IsZero(), path)
	}
	require.Empty(t, serve("GET", "/jwks", "", ""), "without a body there is nothing to bound")
}
