//go:build e2e

package e2e

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server/keys"
	"github.com/emcy/gateway/internal/clock"
	"github.com/emcy/gateway/internal/dbtest"
	"github.com/emcy/gateway/internal/seal"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/test/e2e/httpflow"
	"github.com/emcy/gateway/test/fakes/upstream"
)

// lasting are the gateways of the threat rows, one for each database and, under
// "closed", one that may reach no private address. They live until the run ends.
var lasting = struct {
	sync.Mutex
	gateways map[string]*gateway
	cleanups []func()
}{gateways: map[string]*gateway{}}

// untilTheEnd is a test whose cleanups wait for the end of the run.
type untilTheEnd struct{ testing.TB }

func (untilTheEnd) Cleanup(f func()) { lasting.cleanups = append(lasting.cleanups, f) }
func (untilTheEnd) Helper()          {}
func (untilTheEnd) Errorf(format string, args ...any) {
	_, _ = fmt.Fprintf(os.Stderr, format+"\n", args...) // the run is over, and nothing of it has failed
}

func lastingGateway(t *testing.T, name string, settings ...string) *gateway {
	t.Helper()
	lasting.Lock()
	defer lasting.Unlock()
	g := lasting.gateways[name]
	if g == nil {
		dir := filepath.Join(binaryDir, "rows-"+name)
		temp := filepath.Join(dir, "tmp")
		require.NoError(t, os.MkdirAll(temp, 0o700))
		g = prepareGateway(t, dir, temp, freePorts(t, 100), append(settings, "EMCY_TRUSTED_PROXIES=127.0.0.0/8,::1/128")...)
		if name == string(postgres) {
			g.Database = dbtest.Postgres(untilTheEnd{t}, "e2e-empty", func(context.Context, string) error { return nil })
			g.env = append(g.env, "EMCY_DATABASE_URL="+g.Database)
		}
		g.start(t)
		lasting.gateways[name] = g
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the gateway's log, its end:\n%s", tail(g.Log, 30))
		}
	})
	return g
}

// endLasting ends the gateways of the threat rows.
func endLasting() {
	for _, g := range lasting.gateways {
		_ = g.cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself
		select {
		case <-g.exited:
		case <-time.After(stopTimeout):
			_ = g.cmd.Process.Kill()
			<-g.exited
		}
		g.searchAtTheEnd()
	}
	for _, f := range lasting.cleanups {
		f()
	}
}

// row runs the test of a threat at a workspace of its own, on each database.
func row(t *testing.T, name string, test func(h *house)) {
	t.Helper()
	for _, db := range databases {
		t.Run(string(db), func(t *testing.T) {
			t.Parallel()
			h := settle(t, lastingGateway(t, string(db)), name)
			h.runs(upstream.Config{})
			test(h)
		})
	}
}

// settle is a workspace without a runtime; its owner comes from an address of their own.
func settle(t *testing.T, g *gateway, name string) *house {
	t.Helper()
	h := &house{t: t, gateway: g, slug: name + "-" + strings.ToLower(rand.Text()[:8])}
	own := fmt.Sprintf("10.%d.%d.%d", rand.Text()[0], rand.Text()[0], rand.Text()[0])
	h.owner = httpflow.NewPerson(g.Console, "Ada Lovelace", from{func() string { return own }})
	require.NoError(t, h.owner.SignUp(t.Context()))
	require.NoError(t, h.owner.CreateWorkspace(t.Context(), "House "+h.slug, h.slug))
	return h
}

// runs adds the runtime of the workspace.
func (h *house) runs(config upstream.Config) {
	h.t.Helper()
	h.up = upstream.Start(config)
	h.t.Cleanup(h.up.Close)
	h.addRuntime(h.up.URL())
	h.up.SetSecrets(h.runtime.Secret)
}

// said is an answer to a program.
type said struct {
	status int
	header http.Header
	body   string
}

// field is a member of a JSON answer that is a string.
func (r said) field(name string) string {
	var members map[string]any
	if json.Unmarshal([]byte(r.body), &members) != nil {
		return ""
	}
	text, _ := members[name].(string)
	return text
}

func (r said) code() string { return r.field("error") }

// call sends a request without cookies and follows nothing. A path is the workspace's.
func (h *house) call(method, address, body string, header ...string) said {
	h.t.Helper()
	if strings.HasPrefix(address, "/") {
		address = h.origin + address
	}
	return exchange(h.t, request(h.t, method, address, body, header...))
}

func exchange(t *testing.T, req *http.Request) said {
	t.Helper()
	page, err := httpflow.NewBrowser(nil).Send(req)
	if err != nil {
		t.Errorf("%s", err) // it may be on a goroutine that is not the test's
		return said{}
	}
	return said{status: page.Status, header: page.Header, body: string(page.Body)}
}

const formType = "application/x-www-form-urlencoded"

func (h *house) form(path string, values url.Values, header ...string) said {
	h.t.Helper()
	return h.call(http.MethodPost, path, values.Encode(), append(header, "Content-Type", formType)...)
}

// register registers what is asked for, as JSON.
func (h *house) register(metadata map[string]any) said {
	h.t.Helper()
	body, err := json.Marshal(metadata)
	require.NoError(h.t, err)
	return h.call(http.MethodPost, "/register", string(body), "Content-Type", "application/json")
}

// with changes values by pairs of a name and a value; "-" takes the name out.
func with(values url.Values, change ...string) url.Values {
	for i := 0; i < len(change); i += 2 {
		if values.Set(change[i], change[i+1]); change[i+1] == "-" {
			values.Del(change[i])
		}
	}
	return values
}

// verifier is the PKCE verifier of every client here (RFC 7636, section 4.1).
const verifier = "a-verifier-that-is-long-enough-for-everybody-here"

func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func (h *house) query(c *httpflow.Client, change ...string) url.Values {
	return with(url.Values{
		"response_type": {"code"}, "client_id": {c.ClientID}, "redirect_uri": {c.RedirectURI}, "state": {"state-of-the-client"},
		"code_challenge": {challengeOf(verifier)}, "code_challenge_method": {"S256"}, "resource": {h.runtime.MCPURL},
	}, change...)
}

// authorize asks as a browser without cookies.
func (h *house) authorize(c *httpflow.Client, change ...string) said {
	h.t.Helper()
	return h.call(http.MethodGet, "/authorize?"+h.query(c, change...).Encode(), "")
}

// grant gives a code.
func (h *house) grant(p *httpflow.Person, c *httpflow.Client, change ...string) string {
	h.t.Helper()
	q := h.query(c, change...)
	back, err := p.Allow(h.t.Context(), h.origin+"/authorize?"+q.Encode(), q.Get("redirect_uri"))
	require.NoError(h.t, err)
	require.NotEmpty(h.t, back.Query().Get("code"), back)
	return back.Query().Get("code")
}

func redemption(c *httpflow.Client, code string, change ...string) url.Values {
	return with(url.Values{"grant_type": {"authorization_code"}, "client_id": {c.ClientID}, "code": {code}, "redirect_uri": {c.RedirectURI}, "code_verifier": {verifier}}, change...)
}

func (h *house) redeem(c *httpflow.Client, code string, change ...string) said {
	h.t.Helper()
	return h.form("/token", redemption(c, code, change...))
}

func (h *house) refresh(c *httpflow.Client, token string, change ...string) said {
	h.t.Helper()
	return h.form("/token", with(url.Values{"grant_type": {"refresh_token"}, "client_id": {c.ClientID}, "refresh_token": {token}}, change...))
}

// ask begins a session at the MCP URL with a token.
func (h *house) ask(token string) said {
	h.t.Helper()
	return h.askAt(h.runtime.MCPURL, token)
}

func (h *house) askAt(mcpURL, token string) said {
	h.t.Helper()
	req := request(h.t, http.MethodPost, mcpURL, `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"rows","version":"1"}}}`,
		"Content-Type", "application/json", "Accept", "application/json, text/event-stream", "Authorization", "Bearer "+token)
	return exchange(h.t, req)
}

// requireDead: the token opens nothing, and the answer says so as RFC 6750 has it.
func (h *house) requireDead(token, what string) {
	h.t.Helper()
	got := h.ask(token)
	require.Equal(h.t, http.StatusUnauthorized, got.status, "%s: %s", what, got.body)
	require.Contains(h.t, got.header.Get("WWW-Authenticate"), `error="invalid_token"`, what)
}

// untilDead waits until the edge refuses a token.
func (h *house) untilDead(token string, limit time.Duration, what string) {
	h.t.Helper()
	require.Eventually(h.t, func() bool { return h.ask(token).status == http.StatusUnauthorized }, limit, 10*time.Millisecond, what)
}

// forge signs claims with the workspace's own key, which nobody outside has: what is
// wrong with such a token is only what the test changed. On SQLite the file belongs to
// the gateway; ok is false then.
func (h *house) forge(typ string, from string, change map[string]any) (token string, ok bool) {
	h.t.Helper()
	if h.gateway.Database == "" {
		return "", false
	}
	kek, err := seal.LoadOrCreateFile(filepath.Join(h.gateway.dir, "data", "key"), false)
	require.NoError(h.t, err)
	db, err := tenancy.Open(h.t.Context(), tenancy.Config{DatabaseURL: h.gateway.Database, KEK: kek, Clock: clock.System{}, Log: slog.New(slog.DiscardHandler)})
	require.NoError(h.t, err)
	defer func() { require.NoError(h.t, db.Close()) }()
	handle, err := db.ForOrigin(h.t.Context(), h.origin)
	require.NoError(h.t, err)
	var set keys.Set
	require.NoError(h.t, db.Read(h.t.Context(), handle, func(tx *tenancy.Tx) (err error) {
		set, err = keys.LoadAll(tx)
		return err
	}))
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(set.Active.Alg), Key: jose.JSONWebKey{Key: set.Active.Key, KeyID: set.Active.KID}}, (&jose.SignerOptions{}).WithType(jose.ContentType(typ)))
	require.NoError(h.t, err)
	claims := claimsOf(h.t, from)
	for name, value := range change {
		claims[name] = value
	}
	token, err = jwt.Signed(signer).Claims(claims).Serialize()
	require.NoError(h.t, err)
	return token, true
}

func claimsOf(t *testing.T, token string) map[string]any {
	t.Helper()
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256})
	require.NoError(t, err)
	claims := map[string]any{}
	require.NoError(t, parsed.UnsafeClaimsWithoutVerification(&claims))
	return claims
}

// atOnce runs f n times in parallel and gives the answers.
func atOnce(n int, f func(i int) said) []said {
	out := make([]said, n)
	start := make(chan struct{})
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			<-start
			out[i] = f(i)
		})
	}
	close(start)
	all.Wait()
	return out
}

// byMany runs f for each index with some workers, as many requests need it.
func byMany(n int, f func(i int)) {
	next := make(chan int)
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for i := range next {
				f(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	all.Wait()
}
