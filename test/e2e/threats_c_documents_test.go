//go:build e2e

package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/test/e2e/httpflow"
)

// documents is a web server of a client's makers that says what it is told to.
type documents struct {
	*httptest.Server
	mu     sync.Mutex
	at     map[string]http.HandlerFunc
	asked  map[string]int
	copied atomic.Int64 // bytes that were taken of what is endless
}

func newDocuments(t *testing.T) *documents {
	t.Helper()
	d := &documents{at: map[string]http.HandlerFunc{}, asked: map[string]int{}}
	d.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.mu.Lock()
		d.asked[r.URL.Path]++
		handle := d.at[r.URL.Path]
		d.mu.Unlock()
		if handle == nil {
			http.NotFound(w, r)
			return
		}
		handle(w, r)
	}))
	t.Cleanup(d.Close)
	return d
}

func (d *documents) serve(path string, handle http.HandlerFunc) (address string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.at[path] = handle
	return d.URL + path
}

func (d *documents) requests(path string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.asked[path]
}

// answer is a handler that says one thing.
func answer(status int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body) // who asked may have heard enough
	}
}

// document is a client's, changed by the test; nil takes a member out.
func document(id string, change map[string]any) string {
	members := map[string]any{"client_id": id, "client_name": "Documented", "redirect_uris": []string{"http://127.0.0.1:33418/callback"}, "token_endpoint_auth_method": "none"}
	for name, value := range change {
		if members[name] = value; value == nil {
			delete(members, name)
		}
	}
	raw, err := json.Marshal(members)
	if err != nil {
		panic(err) // the test's own members
	}
	return string(raw)
}

func (h *house) documented(id string) *httpflow.Client {
	client := httpflow.NewClient(h.runtime.MCPURL, nil)
	client.ClientID = id
	return client
}

// TestC7NoRedirectIsFollowed: neither for a client's document nor for keys, a runtime or
// a provider, whatever the status and wherever it leads.
func TestC7NoRedirectIsFollowed(t *testing.T) {
	t.Parallel()
	row(t, "c7", func(h *house) {
		web, inside := newDocuments(h.t), newDocuments(h.t)
		inside.serve("/second", answer(http.StatusOK, "{}"))
		n := 0
		redirect := func(status int, to string) (id string) {
			n++
			path := fmt.Sprintf("/from-%d", n)
			handle := answer(status, document(web.URL+path, nil), "Location", to)
			for _, under := range []string{"/.well-known/openid-configuration", ""} {
				web.serve(path+under, handle)
			}
			return web.URL + path
		}
		var from []string
		for _, status := range []int{300, 301, 302, 303, 305, 307, 308} {
			from = append(from, redirect(status, inside.URL+"/second"))
		}
		for _, to := range []string{"/second", "http://169.254.169.254/latest/meta-data", "file:///etc/passwd", "gopher://127.0.0.1:1/x", "ftp://127.0.0.1/x", "//127.0.0.1/x"} {
			from = append(from, redirect(http.StatusFound, to))
		}
		web.serve("/second", answer(http.StatusOK, "{}"))
		for i, got := range atOnce(len(from), func(i int) said { return h.authorize(h.documented(from[i])) }) {
			requireLocal(h.t, got, "invalid_client", from[i])
			require.Equal(h.t, 1, web.requests(strings.TrimPrefix(from[i], web.URL)), "it was asked, once")
		}
		for _, address := range from[:7] {
			s := newSigner(h.t, h.origin)
			s.register(h, map[string]any{"jwks_uri": address})
			got := h.form("/par", s.proof(h, s.assertion("1", nil)))
			require.Equal(h.t, http.StatusUnauthorized, got.status, got.body)
		}
		for i, address := range []string{from[0], from[3], from[6]} {
			form, err := h.open(h.owner, h.gateway.Console+"/"+h.slug+"/sign-in/new").Form("issuer", "client_id")
			require.NoError(h.t, err)
			page := h.post(h.owner, form.Set("name", "Away").Set("issuer", address).Set("client_id", "x"))
			require.Equal(h.t, http.StatusUnprocessableEntity, page.Status, "a provider that is elsewhere")
			slug := fmt.Sprintf("away-%d", i)
			runtime, err := h.owner.PostRuntime(h.t.Context(), h.slug, httpflow.RuntimeForm{Name: "Away", Slug: slug, URL: address})
			require.NoError(h.t, err)
			require.NoError(h.t, h.owner.ReadSecret(h.t.Context(), runtime))
			require.NoError(h.t, h.owner.StoredSecret(h.t.Context(), runtime))
		}
		require.Zero(h.t, inside.requests("/second"))
		require.Zero(h.t, web.requests("/second"))
	})
}

var changing = regexp.MustCompile(`req_[0-9a-z]+|localhost:[0-9]+|127\.0\.0\.1:[0-9]+|/c9-[a-z]+-[0-9]+|c9-[a-z]+-[0-9]+\.invalid`)

// TestC9ARefusalTellsNothingOfWhatIsThere: closed, silent, cut off, wrong and not there
// give the same page after the same time, and no address is in it.
func TestC9ARefusalTellsNothingOfWhatIsThere(t *testing.T) {
	t.Parallel()
	row(t, "c9", func(h *house) {
		const samples = 9
		done := make(chan struct{})
		web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case strings.HasPrefix(r.URL.Path, "/c9-silent"):
				select {
				case <-done:
				case <-r.Context().Done():
				}
			case strings.HasPrefix(r.URL.Path, "/c9-cut"):
				panic(http.ErrAbortHandler)
			default:
				_, _ = io.WriteString(w, "<html>the inner page, canary</html>")
			}
		}))
		h.t.Cleanup(func() { close(done); web.Close() })
		states := map[string]string{
			"closed port": fmt.Sprintf("http://127.0.0.1:%d/c9-closed", freePorts(h.t, 1)[0]), "silent": web.URL + "/c9-silent", "cut off": web.URL + "/c9-cut",
			"another page": web.URL + "/c9-page", "closed address": "https://169.254.169.254/c9-meta",
		}
		type sample struct {
			state, body string
			took        time.Duration
		}
		var mu sync.Mutex
		var all sync.WaitGroup
		var seen []sample
		pace := time.NewTicker(80 * time.Millisecond) // so that they do not wait for each other
		defer pace.Stop()
		for i := range samples {
			for state, address := range states {
				<-pace.C
				all.Go(func() {
					began := time.Now()
					got := h.authorize(h.documented(fmt.Sprintf("%s-%d", address, i)))
					took := time.Since(began)
					mu.Lock()
					defer mu.Unlock()
					seen = append(seen, sample{state, fmt.Sprint(got.status, changing.ReplaceAllString(got.body, "")), took})
				})
			}
		}
		all.Wait()
		times := map[string][]time.Duration{}
		for _, s := range seen {
			require.Equal(h.t, seen[0].body, s.body, s.state)
			require.NotContains(h.t, s.body, "canary")
			require.NotContains(h.t, s.body, "169.254")
			times[s.state] = append(times[s.state], s.took)
		}
		// The third of nine: a slower one has waited for the machine.
		var typical []time.Duration
		for state, took := range times {
			slices.Sort(took)
			typical = append(typical, took[samples/3-1])
			h.t.Logf("%s: %s", state, took)
		}
		require.Less(h.t, slices.Max(typical)-slices.Min(typical), 50*time.Millisecond)
		require.Contains(h.t, seen[0].body, "cannot be checked")
	})
}

// TestC11ADocumentIsTheClient: only a plain and valid document under its own URL is one,
// errors are not kept as answers, and one that became another ends what was given.
func TestC11ADocumentIsTheClient(t *testing.T) {
	t.Parallel()
	row(t, "c11", func(h *house) {
		web := newDocuments(h.t)
		id := func(path string) string { return web.URL + path }
		good := func(path string) string { return document(id(path), nil) }
		key := map[string]any{"keys": []any{map[string]any{"kty": "oct", "k": "c2VjcmV0"}}}
		bad := map[string]http.HandlerFunc{
			"/304":       answer(http.StatusNotModified, ""),
			"/304-etag":  answer(http.StatusNotModified, "", "ETag", `"v1"`),
			"/206":       answer(http.StatusPartialContent, good("/206")),
			"/201":       answer(http.StatusCreated, good("/201")),
			"/500":       answer(http.StatusInternalServerError, good("/500")),
			"/other":     answer(http.StatusOK, good("/another")),
			"/slash":     answer(http.StatusOK, good("/slash/")),
			"/upper":     answer(http.StatusOK, document(strings.ToUpper(id("/upper")), nil)),
			"/twice":     answer(http.StatusOK, `{"client_id":"`+id("/evil")+`",`+good("/twice")[1:]),
			"/large":     answer(http.StatusOK, good("/large")+strings.Repeat(" ", 64<<10)),
			"/bomb":      answer(http.StatusOK, good("/bomb"), "Content-Encoding", "gzip"),
			"/html":      answer(http.StatusOK, good("/html"), "Content-Type", "text/html"),
			"/basic":     answer(http.StatusOK, document(id("/basic"), map[string]any{"token_endpoint_auth_method": "client_secret_basic"})),
			"/post":      answer(http.StatusOK, document(id("/post"), map[string]any{"token_endpoint_auth_method": "client_secret_post"})),
			"/jwt":       answer(http.StatusOK, document(id("/jwt"), map[string]any{"token_endpoint_auth_method": "client_secret_jwt"})),
			"/secret":    answer(http.StatusOK, document(id("/secret"), map[string]any{"client_secret": "s"})),
			"/symmetric": answer(http.StatusOK, document(id("/symmetric"), map[string]any{"token_endpoint_auth_method": "private_key_jwt", "jwks": key})),
			"/endless": func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				for range 100 {
					n, err := w.Write(make([]byte, 1<<20))
					if web.copied.Add(int64(n)); err != nil {
						return
					}
				}
			},
		}
		var paths []string
		for path, handle := range bad {
			web.serve(path, handle)
			paths = append(paths, path)
		}
		for i, got := range atOnce(len(paths), func(i int) said { return h.authorize(h.documented(id(paths[i]))) }) {
			requireLocal(h.t, got, "invalid_client", paths[i])
			require.Equal(h.t, 1, web.requests(paths[i]), paths[i])
		}
		require.Less(h.t, web.copied.Load(), int64(16<<20), "100 MB are not taken")
		for _, unknown := range paths { // nor does the token endpoint know it, or ask for it
			require.Equal(h.t, http.StatusUnauthorized, h.redeem(h.documented(id(unknown)), "x").status)
		}

		// A good one is kept for a minute at least, and asked for again with its validator.
		const path = "/client"
		var asked atomic.Value
		asked.Store("")
		publish := func(change map[string]any) {
			body := document(id(path), change)
			web.serve(path, func(w http.ResponseWriter, r *http.Request) {
				asked.Store(r.Header.Get("If-None-Match"))
				answer(http.StatusOK, body, "ETag", `"v1"`, "Cache-Control", "no-store")(w, r)
			})
		}
		publish(nil)
		client, p := h.documented(id(path)), h.stranger()
		code := h.grant(p, client)
		tokens := h.redeem(client, h.grant(p, client))
		require.Equal(h.t, http.StatusOK, tokens.status, tokens.body)
		require.Equal(h.t, http.StatusOK, h.ask(tokens.field("access_token")).status)
		require.Equal(h.t, 1, web.requests(path))

		publish(map[string]any{"redirect_uris": []string{"https://evil.example/callback"}})
		require.Equal(h.t, http.StatusOK, h.redeem(client, code).status, "what was allowed for the document that was shown")
		requireLocal(h.t, h.authorize(client, "redirect_uri", "https://evil.example/callback"), "invalid_redirect_uri", "the new document is not known yet")
		require.Eventually(h.t, func() bool { return h.authorize(client).status == http.StatusBadRequest }, 90*time.Second, time.Second, "the new document's redirect URIs")
		require.Equal(h.t, `"v1"`, asked.Load())
		require.Equal(h.t, 2, web.requests(path))
		h.untilDead(tokens.field("access_token"), soon, "what the old document was given")
		require.Equal(h.t, "invalid_grant", h.refresh(client, tokens.field("refresh_token")).code())
	})
}

// TestC12KeysAreFetchedWithinBounds: what a stranger writes into a kid makes no requests,
// and a key set is read only so far.
func TestC12KeysAreFetchedWithinBounds(t *testing.T) {
	t.Parallel()
	row(t, "c12", func(h *house) {
		web := newDocuments(h.t)
		s := newSigner(h.t, h.origin)
		keys, err := json.Marshal(s.jwks())
		require.NoError(h.t, err)
		s.register(h, map[string]any{"jwks_uri": web.serve("/jwks", answer(http.StatusOK, string(keys)))})
		require.Zero(h.t, web.requests("/jwks"), "not before it is needed")
		began := time.Now()
		require.Equal(h.t, http.StatusCreated, h.form("/par", s.proof(h, s.assertion("1", nil))).status)
		var wrong atomic.Int64
		signed := s.assertion("1", nil)
		rest := signed[strings.Index(signed, "."):]
		byMany(10_000, func(i int) {
			made := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"alg":"ES256","kid":"made-up-%d"}`, i)) + rest
			if h.form("/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"x"}, "client_id": {s.id}, "client_assertion": {made}, "client_assertion_type": {assertionType}}).status != http.StatusUnauthorized {
				wrong.Add(1)
			}
		})
		require.Zero(h.t, wrong.Load())
		require.LessOrEqual(h.t, web.requests("/jwks"), 2*(1+int(time.Since(began)/time.Minute)))
		require.Equal(h.t, http.StatusCreated, h.form("/par", s.proof(h, s.assertion("1", nil))).status, "who has the key goes on")

		private := `{"keys":[` + strings.TrimSuffix(strings.Repeat(`{"kty":"EC"},`, 101), ",") + `]}`
		endless := func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, strings.TrimSuffix(string(keys), "}")+`,"x":"`)
			for range 100 {
				n, err := w.Write([]byte(strings.Repeat("x", 1<<20)))
				if web.copied.Add(int64(n)); err != nil {
					return
				}
			}
			_, _ = io.WriteString(w, `"}`)
		}
		for path, handle := range map[string]http.HandlerFunc{
			"/100mb": endless, "/many": answer(http.StatusOK, private), "/html": answer(http.StatusOK, "<html>"), "/500": answer(http.StatusInternalServerError, string(keys)),
			"/gzip": answer(http.StatusOK, string(keys), "Content-Encoding", "gzip"), "/huge": answer(http.StatusOK, strings.TrimSuffix(string(keys), "}")+`,"x":"`+strings.Repeat("x", 300<<10)+`"}`),
		} {
			s.register(h, map[string]any{"jwks_uri": web.serve(path, handle)})
			for range 3 {
				require.Equal(h.t, http.StatusUnauthorized, h.form("/par", s.proof(h, s.assertion("1", nil))).status, path)
			}
			require.Equal(h.t, 1, web.requests(path), "%s is left alone for a minute", path)
		}
		require.Less(h.t, web.copied.Load(), int64(16<<20), "100 MB are not taken")
	})
}
