package web_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/tenancy/tenancytest"
	"github.com/emcy/gateway/web"
)

// TestSlowBodies holds that nobody keeps a connection with a body that never comes,
// whether a handler wants to read it or the request is refused before.
func TestSlowBodies(t *testing.T) {
	t.Parallel()
	b := setup(t, tenancytest.SQLite(t))
	p := b.person(t, "Ana")
	web.SetBodyTime(b.console, 50*time.Millisecond)
	host := strings.TrimPrefix(b.server.URL, "http://")
	cookies := []string{}
	for _, c := range p.Browser.Cookies(b.server.URL) {
		cookies = append(cookies, c.Name+"="+c.Value)
	}
	signedIn := "Cookie: " + strings.Join(cookies, "; ") + "\r\n"
	for _, c := range []struct {
		name, line, host, header string
		status                   int
	}{
		{"a guest's form", "POST /sign-in", host, "Content-Length: 10\r\n", 408},
		{"in chunks", "POST /sign-up", host, "Transfer-Encoding: chunked\r\n", 408},
		{"a person's form", "POST /workspaces/new", host, signedIn + "Content-Length: 10\r\n", 408},
		{"of nobody", "POST /workspaces/new", host, "Content-Length: 10\r\n", 303},
		{"for another host", "POST /sign-in", "evil.example", "Content-Length: 10\r\n", 421},
		{"from another site", "POST /sign-in", host, "Sec-Fetch-Site: cross-site\r\nContent-Length: 10\r\n", 403},
		{"for no page", "POST /nothing/here/at/all", host, "Content-Length: 10\r\n", 404},
		{"too large", "POST /sign-in", host, "Content-Length: 100000\r\n", 413},
		{"a report", "POST /csp-report", host, "Content-Length: 10\r\n", 204},
		{"nobody asked for it", "GET /sign-in", host, "Content-Length: 10\r\n", 200},
	} {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", host)
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
		_, err = io.WriteString(conn, c.line+" HTTP/1.1\r\nHost: "+c.host+"\r\nOrigin: "+b.server.URL+"\r\nContent-Type: application/x-www-form-urlencoded\r\n"+c.header+"\r\n")
		require.NoError(t, err)
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err, c.name)
		require.Equal(t, c.status, res.StatusCode, c.name)
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err, c.name)
		if c.status == http.StatusRequestTimeout {
			require.Contains(t, string(body), "did not arrive in time", c.name)
		}
		_, err = conn.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF, "%s: the connection ends", c.name)
	}
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

// TestTheWorkBehindABodyHasNoDeadline: one that stayed would cancel a probe.
func TestTheWorkBehindABodyHasNoDeadline(t *testing.T) {
	t.Parallel()
	b := setup(t, tenancytest.SQLite(t))
	serve := func(method, body string) []time.Time {
		w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
		r := httptest.NewRequest(method, b.server.URL+"/sign-in", strings.NewReader(body))
		r.Header.Set("Origin", b.server.URL)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		b.console.ServeHTTP(w, r)
		return w.set
	}
	set := serve("POST", "email=x")
	require.Len(t, set, 3)
	require.False(t, set[1].IsZero())
	require.True(t, set[2].IsZero())
	require.Empty(t, serve("GET", ""), "without a body there is nothing to bound")
}
