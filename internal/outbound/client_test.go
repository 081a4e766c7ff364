package outbound

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func request(t *testing.T, u *url.URL) *http.Request {
	t.Helper()
	return (&http.Request{Method: http.MethodGet, URL: u, Header: http.Header{}, Host: u.Host}).WithContext(t.Context())
}

func TestDoFetchesOverTLS(t *testing.T) {
	t.Parallel()
	srv, c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "%s %s %q %q", r.Proto, r.Host, r.Header["Accept-Encoding"], r.Header["User-Agent"])
	}, nil)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL, nil)
	require.NoError(t, err)
	req.Host = "elsewhere.example"
	resp, err := c.Do(req)
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, fmt.Sprintf(`HTTP/2.0 %s ["identity"] ["Emcy-Gateway"]`, strings.TrimPrefix(srv.URL, "https://")), string(body))
}

func TestDoReportsRedirectsAndFollowsNone(t *testing.T) {
	t.Parallel()
	var second atomic.Int32
	srv, c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/second" {
			second.Add(1)
			return
		}
		var status int
		_, _ = fmt.Sscan(r.URL.Query().Get("status"), &status)
		w.Header().Set("Location", r.URL.Query().Get("to"))
		w.Header().Set("Set-Cookie", "canary=1")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "canary")
	}, nil)
	targets := map[string]string{
		"/second":                                 srv.URL,
		srv.URL + "/second?canary":                srv.URL,
		"https://Example.com:443/a/b?canary#c":    "",
		"https://Example.com:443/a/b?canary":      "https://example.com",
		"http://example.com:8080/":                "http://example.com:8080",
		"http://169.254.169.254/latest/meta-data": "",
		"file:///etc/passwd":                      "",
		"gopher://example.com/":                   "",
		"https://canary@example.com/":             "",
		"//2130706433/":                           "",
		"":                                        "",
	}
	for status := 300; status <= 308; status++ {
		if status == http.StatusNotModified {
			continue
		}
		for to, origin := range targets {
			_, err := get(t, c, srv.URL+"/?"+url.Values{"to": {to}, "status": {fmt.Sprint(status)}}.Encode())
			var own *Error
			require.ErrorAs(t, err, &own)
			require.Equal(t, KindRedirect, own.Kind)
			require.Equal(t, status, own.Status)
			require.Equal(t, origin, own.Origin, to)
			require.NotContains(t, own.Public(), "canary")
		}
	}
	require.Zero(t, second.Load())
}

func TestDoBoundsTheBody(t *testing.T) {
	t.Parallel()
	srv, c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/exact":
			_, _ = w.Write(make([]byte, 4096))
		case "/announced":
			w.Header().Set("Content-Length", "4097")
			_, _ = w.Write(make([]byte, 4097))
		default:
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 1024)); err != nil {
					return
				}
			}
		}
	}, func(cfg *Config) { cfg.MaxBody = 4096 })
	resp, err := get(t, c, srv.URL+"/exact")
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Len(t, body, 4096)

	_, err = get(t, c, srv.URL+"/announced")
	require.Equal(t, KindTooLarge, KindOf(err))

	resp, err = get(t, c, srv.URL+"/endless")
	require.NoError(t, err)
	body, err = io.ReadAll(resp.Body)
	require.Equal(t, KindTooLarge, KindOf(err))
	require.Len(t, body, 4096)
	_, err = resp.Body.Read(make([]byte, 1))
	require.Equal(t, KindTooLarge, KindOf(err))
}

func TestDoBoundsTheHeader(t *testing.T) {
	t.Parallel()
	handler := func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Big", strings.Repeat("canary", 2000)) }
	srv, c := serve(t, handler, func(cfg *Config) { cfg.MaxHeader = 8 << 10 })
	_, err := get(t, c, srv.URL)
	require.Equal(t, KindTooLarge, KindOf(err), "HTTP/2: %v", errors.Unwrap(err))
	requireShown(t, err)

	many, c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		for i := range 200 {
			w.Header().Set(fmt.Sprintf("X-Small-%d", i), strings.Repeat("canary", 10))
		}
	}, func(cfg *Config) { cfg.MaxHeader = 8 << 10 })
	_, err = get(t, c, many.URL)
	require.Equal(t, KindTooLarge, KindOf(err), "HTTP/2, many fields: %v", errors.Unwrap(err))

	old := httptest.NewServer(http.HandlerFunc(handler))
	t.Cleanup(old.Close)
	_, err = get(t, c, old.URL)
	require.Equal(t, KindTooLarge, KindOf(err), "HTTP/1.1: %v", errors.Unwrap(err))
	requireShown(t, err)
}

func TestDoRefusesCompressedAnswersUnread(t *testing.T) {
	t.Parallel()
	var bomb bytes.Buffer
	zip := gzip.NewWriter(&bomb)
	_, err := zip.Write(make([]byte, 8<<20))
	require.NoError(t, err)
	require.NoError(t, zip.Close())
	srv, c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(bomb.Bytes())
	}, nil)
	_, err = get(t, c, srv.URL)
	require.Equal(t, KindEncoding, KindOf(err))

	u, err := url.Parse(srv.URL)
	require.NoError(t, err)
	resp, err := c.Transport(TransportOptions{}).RoundTrip(request(t, u))
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, bomb.Len(), len(body), "the proxy's transport hands the bytes on as they are")
}

func TestDoBoundsTheTime(t *testing.T) {
	t.Parallel()
	srv, c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			_, _ = io.WriteString(w, "canary")
			w.(http.Flusher).Flush()
		}
		<-r.Context().Done()
	}, func(cfg *Config) { cfg.Timeout = 150 * time.Millisecond })
	_, err := get(t, c, srv.URL+"/header")
	require.Equal(t, KindTimeout, KindOf(err))
	requireShown(t, err)

	resp, err := get(t, c, srv.URL+"/body")
	require.NoError(t, err)
	_, err = io.ReadAll(resp.Body)
	require.Equal(t, KindTimeout, KindOf(err))

	u, err := url.Parse(srv.URL + "/header")
	require.NoError(t, err)
	_, err = c.Transport(TransportOptions{ResponseHeaderTimeout: 50 * time.Millisecond}).RoundTrip(request(t, u))
	require.Equal(t, KindTimeout, Classify(err).Kind)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL, nil)
	require.NoError(t, err)
	_, err = c.Do(req)
	require.Equal(t, KindCanceled, KindOf(err))
	require.ErrorIs(t, err, context.Canceled)
}

func TestDoExplainsDeadAndOddServers(t *testing.T) {
	t.Parallel()
	dead := newTrap(t, "127.0.0.1:0")
	require.NoError(t, dead.listener.Close())
	_, c := serve(t, func(http.ResponseWriter, *http.Request) {}, nil)
	_, err := get(t, c, "https://127.0.0.1:"+dead.port)
	require.Equal(t, KindConnect, KindOf(err))
	requireShown(t, err)

	plainServer := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plainServer.Close)
	_, err = get(t, c, "https"+strings.TrimPrefix(plainServer.URL, "http"))
	require.Equal(t, KindTLS, KindOf(err))
	require.Contains(t, err.Error(), "without TLS")

	unknown, _ := serve(t, func(http.ResponseWriter, *http.Request) {}, nil)
	_, err = get(t, New(Config{AllowPrivate: true}), unknown.URL)
	require.Equal(t, KindTLS, KindOf(err))
	require.Contains(t, err.Error(), "authority")
	_, resolver := newNameServer(t, func(int) []string { return []string{"127.0.0.1"} })
	byName := New(Config{AllowPrivate: true, RootCAs: authority(unknown), Resolver: resolver})
	_, port, err := net.SplitHostPort(strings.TrimPrefix(unknown.URL, "https://"))
	require.NoError(t, err)
	_, err = get(t, byName, "https://other.test:"+port)
	require.Equal(t, KindTLS, KindOf(err))
	require.Contains(t, err.Error(), "another host name")

	for reply, kind := range map[string]Kind{"": KindProtocol, "canary\r\n\r\n": KindProtocol, "HTTP/1.1 200 OK\r\nContent-Le": KindProtocol} {
		_, err = get(t, c, "http://"+rawServer(t, reply))
		require.Equal(t, kind, KindOf(err), "%q: %v", reply, errors.Unwrap(err))
		requireShown(t, err)
	}
	resp, err := get(t, c, "http://"+rawServer(t, "HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\nshort"))
	require.NoError(t, err)
	_, err = io.ReadAll(resp.Body)
	require.Equal(t, KindProtocol, KindOf(err))
}

// rawServer answers the first request on a connection with the given bytes and closes it.
func rawServer(t *testing.T, reply string) string {
	t.Helper()
	tr := newTrap(t, "127.0.0.1:0")
	go func() {
		for {
			conn, err := tr.listener.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 4096))
			_, _ = io.WriteString(conn, reply)
			_ = conn.Close()
		}
	}()
	return tr.listener.Addr().String()
}

func TestStrictClientRefusesPlainHTTP(t *testing.T) {
	t.Parallel()
	tr := newTrap(t, "127.0.0.1:0")
	c := New(Config{})
	open(c)
	u := &url.URL{Scheme: "http", Host: "127.0.0.1:" + tr.port, Path: "/"}
	_, err := c.Do(request(t, u))
	require.Equal(t, KindURL, KindOf(err))
	_, err = c.Transport(TransportOptions{}).RoundTrip(request(t, u))
	require.Equal(t, KindURL, Classify(err).Kind)
	tr.requireUntouched(t)
}

func TestDialRefusesRebinding(t *testing.T) {
	t.Parallel()
	tr := newTrap(t, "127.0.0.1:0")
	// The first look-up is judged, the dialer's own gets the private address.
	ns, resolver := newNameServer(t, func(n int) []string {
		if n == 0 {
			return []string{"93.184.216.34"}
		}
		return []string{"127.0.0.1"}
	})
	_, err := get(t, New(Config{Resolver: resolver}), "https://rebind.example:"+tr.port+"/")
	require.Equal(t, KindAddress, KindOf(err), "%v", errors.Unwrap(err))
	requireShown(t, err)
	require.GreaterOrEqual(t, ns.questions(), 2)
	tr.requireUntouched(t)
}

func TestDialRefusesMixedAnswers(t *testing.T) {
	t.Parallel()
	tr := newTrap(t, "127.0.0.1:0")
	for _, set := range [][]string{{"93.184.216.34", "127.0.0.1"}, {"127.0.0.1", "93.184.216.34"}, {"169.254.169.254", "93.184.216.34"}, {"10.1.2.3"}} {
		ns, resolver := newNameServer(t, func(int) []string { return set })
		_, err := get(t, New(Config{Resolver: resolver}), "https://mixed.example:"+tr.port+"/")
		require.Equal(t, KindAddress, KindOf(err))
		requireShown(t, err)
		require.Equal(t, 1, ns.questions(), "no dial is attempted")
	}
	tr.requireUntouched(t)
	// A laptop's gateway reaches private names, but no cloud's metadata service.
	_, resolver := newNameServer(t, func(int) []string { return []string{"169.254.169.254"} })
	_, err := get(t, New(Config{AllowPrivate: true, Resolver: resolver}), "http://metadata.test:"+tr.port+"/")
	require.Equal(t, KindAddress, KindOf(err))
}

func TestDialExplainsUnknownNames(t *testing.T) {
	t.Parallel()
	_, resolver := newNameServer(t, func(int) []string { return nil })
	_, err := get(t, New(Config{Resolver: resolver}), "https://nowhere.example/")
	require.Equal(t, KindDNS, KindOf(err))
	require.Contains(t, err.Error(), "does not exist")
}

func TestNoCallWhileATransactionIsOpen(t *testing.T) {
	t.Parallel()
	tr := newTrap(t, "127.0.0.1:0")
	c := New(Config{AllowPrivate: true})
	ctx := ContextWithTx(t.Context())
	require.True(t, InTx(ctx))
	require.False(t, InTx(t.Context()))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:"+tr.port, nil)
	require.NoError(t, err)
	_, err = c.Do(req)
	require.Equal(t, KindInternal, KindOf(err))
	_, err = c.Transport(TransportOptions{}).RoundTrip(req)
	require.Equal(t, KindInternal, Classify(err).Kind)
	_, err = c.GetJSON(ctx, "http://127.0.0.1:"+tr.port, 0, new(any))
	require.Equal(t, KindInternal, KindOf(err))
	tr.requireUntouched(t)
}

func TestGetJSONIsStrict(t *testing.T) {
	t.Parallel()
	srv, c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", r.URL.Query().Get("type"))
		w.Header().Set("Cache-Control", "max-age=60")
		if r.URL.Query().Has("missing") {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = io.WriteString(w, r.URL.Query().Get("body"))
	}, nil)
	type document struct {
		Name string `json:"name"`
	}
	fetch := func(contentType, body, more string, limit int64) (document, http.Header, error) {
		var d document
		h, err := c.GetJSON(t.Context(), srv.URL+"/?"+url.Values{"type": {contentType}, "body": {body}}.Encode()+more, limit, &d)
		return d, h, err
	}
	for _, contentType := range []string{"application/json", "application/json; charset=utf-8", "application/oauth-client+json"} {
		d, h, err := fetch(contentType, `{"name":"x","extra":[1]}`, "", 0)
		require.NoError(t, err)
		require.Equal(t, "x", d.Name)
		require.Equal(t, "max-age=60", h.Get("Cache-Control"))
	}
	for _, body := range []string{`{"name":"canary","name":"y"}`, `{"name":1}`, `canary`, `{"name":"canary"}x`, "", "{\"name\":\"\xff\"}"} {
		_, _, err := fetch("application/json", body, "", 0)
		require.Equal(t, KindContent, KindOf(err), body)
		requireShown(t, err)
	}
	d, _, err := fetch("application/json", `{"NAME":"x"}`, "", 0)
	require.NoError(t, err)
	require.Empty(t, d.Name)
	_, _, err = fetch("text/html", `{}`, "", 0)
	require.Equal(t, KindContent, KindOf(err))
	_, _, err = fetch("application/json", `{"name":"0123456789"}`, "", 20)
	require.Equal(t, KindTooLarge, KindOf(err))
	_, _, err = fetch("application/json", `{}`, "&missing", 0)
	var own *Error
	require.ErrorAs(t, err, &own)
	require.Equal(t, KindStatus, own.Kind)
	require.Equal(t, http.StatusNotFound, own.Status)
	_, err = c.GetJSON(t.Context(), "https://a@b/", 0, &d)
	require.Equal(t, KindURL, KindOf(err))
}

func TestClientsKeepNoCookiesAndNoProxy(t *testing.T) {
	t.Parallel()
	srv, c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Set-Cookie", "a=b; Path=/")
		w.Header().Set("WWW-Authenticate", "Basic")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, r.Header.Get("Cookie")+r.Header.Get("Authorization"))
	}, func(cfg *Config) { cfg.KeepConnections = true })
	t.Cleanup(c.CloseIdleConnections)
	for range 3 {
		resp, err := get(t, c, srv.URL)
		require.NoError(t, err)
		require.Equal(t, http.StatusUnauthorized, resp.StatusCode)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Empty(t, body)
	}
	require.Nil(t, c.Transport(TransportOptions{}).Proxy)
	require.True(t, c.Transport(TransportOptions{}).DisableCompression)
	require.Equal(t, DefaultIdlePerHost, c.Transport(TransportOptions{}).MaxIdleConnsPerHost)
}

func TestTransportStreamsWithoutATimeout(t *testing.T) {
	t.Parallel()
	srv, c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 3 {
			_, _ = fmt.Fprintf(w, "data: %d\n\n", i)
			w.(http.Flusher).Flush()
		}
		<-r.Context().Done()
	}, func(cfg *Config) { cfg.Timeout = time.Nanosecond })
	u, err := url.Parse(srv.URL)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	resp, err := c.Transport(TransportOptions{}).RoundTrip(request(t, u).WithContext(ctx))
	require.NoError(t, err)
	want := "data: 0\n\ndata: 1\n\ndata: 2\n\n"
	got := make([]byte, len(want))
	_, err = io.ReadFull(resp.Body, got)
	require.NoError(t, err)
	require.Equal(t, want, string(got))
	cancel()
	_, err = resp.Body.Read(got)
	require.Error(t, err)
	require.NoError(t, resp.Body.Close())
}

func TestLogsGetTheCause(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	slog.New(slog.NewTextHandler(&out, nil)).Info("fetch", "err", Classify(fmt.Errorf("dial tcp 10.1.2.3:443: %w", errAddress)))
	require.Contains(t, out.String(), "10.1.2.3")
	require.Contains(t, out.String(), "refused_address")
	require.Nil(t, Classify(nil))
	require.Empty(t, KindOf(errors.New("other")))
}
