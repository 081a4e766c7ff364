package server_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server/settings"
	"github.com/emcy/gateway/tenancy"
)

// demand sets one of a client's own protections.
func (tn *tenant) demand(a *app, column string) {
	tn.b.t.Helper()
	tn.write(func(tx *tenancy.Tx) error {
		return tx.DB().Model(&clientRow{}).Where("id = ?", a.id).Update(column, true).Error
	})
}

// push sends an authorization request to the server itself, and gives its name.
func (a *app) push(change ...string) tokens {
	a.tn.b.t.Helper()
	return a.post("/par", a.query(change...))
}

func (tk tokens) requestURI(b *testBundle) string {
	b.t.Helper()
	var out struct {
		URI     string `json:"request_uri"`
		Expires int    `json:"expires_in"`
	}
	require.Equal(b.t, 201, tk.status, tk.body)
	require.NoError(b.t, json.Unmarshal([]byte(tk.body), &out))
	require.True(b.t, strings.HasPrefix(out.URI, "urn:ietf:params:oauth:request_uri:"))
	require.Equal(b.t, 60, out.Expires)
	return out.URI
}

func (a *app) open(br *browser, uri string, more ...string) page {
	v := url.Values{"client_id": {a.id}, "request_uri": {uri}}
	apply(v, more)
	return br.get("/authorize?" + v.Encode())
}

// TestPushedRequest is RFC 9126: what was pushed counts, once, for a minute, and for
// its client.
func TestPushedRequest(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		b.second()
		br := tn.browser()
		a, other := tn.app(), tn.app()
		uri := a.push().requestURI(b)
		require.Equal(b.t, 400, other.open(br, uri).status, "another client")
		p := a.open(br, uri, "redirect_uri", "https://evil.example/", "scope", "admin", "state", "other")
		require.Equal(b.t, 302, p.status, p.body)
		p = br.signIn(br.get(p.location), tn.owner.Email, password)
		p = br.decide(br.get(p.location), "allow")
		answer, err := url.Parse(p.location)
		require.NoError(b.t, err)
		require.True(b.t, strings.HasPrefix(p.location, callback), "nothing of the URL counts")
		require.Equal(b.t, stateCanary, answer.Query().Get("state"))
		require.Equal(b.t, 200, a.redeem(answer.Query().Get("code")).status)
		for name, again := range map[string]page{
			"a second time": a.open(br, uri), "made up": a.open(br, "urn:ietf:params:oauth:request_uri:emc_par_x"), "nobody's": a.open(br, uri[:len(uri)-1]+"_"),
		} {
			require.Equal(b.t, 400, again.status, name)
			require.Empty(b.t, again.location, name)
			require.Contains(b.t, again.body, "invalid_request_uri", name)
		}
		late := a.push().requestURI(b)
		b.env.Clock.Advance(time.Minute)
		require.Equal(b.t, 400, a.open(br, late).status)
		require.Len(b.t, opened(parallel(20, func() page { return a.open(tn.browser(), uri) })), 0)
		fresh := a.push().requestURI(b)
		require.Len(b.t, opened(parallel(20, func() page { return a.open(tn.browser(), fresh) })), 1)
		require.Contains(b.t, a.authorize(br, "request_uri", "https://evil.example/request").location, "error=request_not_supported")
	})
}

func opened(all []page) (out []page) {
	for _, p := range all {
		if p.status == 302 {
			out = append(out, p)
		}
	}
	return out
}

func TestPushedRequestIsJudgedAtOnce(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		a := tn.app()
		for name, c := range map[string]struct {
			change []string
			status int
			code   string
		}{
			"unknown client":    {[]string{"client_id", "cli_unknown"}, 401, "invalid_client"},
			"no client":         {[]string{"client_id", "-"}, 400, "invalid_request"},
			"another redirect":  {[]string{"redirect_uri", "https://evil.example/"}, 400, "invalid_request"},
			"no PKCE":           {[]string{"code_challenge", "-"}, 400, "invalid_request"},
			"plain PKCE":        {[]string{"code_challenge_method", "plain"}, 400, "invalid_request"},
			"response type":     {[]string{"response_type", "token"}, 400, "unsupported_response_type"},
			"unknown resource":  {[]string{"resource", "https://other.example/mcp"}, 400, "invalid_target"},
			"request in it":     {[]string{"request_uri", "urn:x"}, 400, "invalid_request"},
			"request object":    {[]string{"request", "e30"}, 400, "request_not_supported"},
			"secret of nobody":  {[]string{"client_secret", "x"}, 401, "invalid_client"},
			"thumbprint of air": {[]string{"dpop_jkt", "x"}, 400, "invalid_request"},
		} {
			got := a.push(c.change...)
			require.Equal(b.t, c.status, got.status, "%s: %s", name, got.body)
			require.Equal(b.t, c.code, got.Error, name)
		}
		require.Zero(b.t, tn.count("pushed_requests", "1 = 1"), "what is refused is not kept")
		mine, other := a.newKey(), a.newKey()
		require.Equal(b.t, "invalid_dpop_proof", a.send("/par", other.proof("/par"), a.query("dpop_jkt", mine.thumbprint())).Error)
		bound := a.send("/par", mine.proof("/par"), a.query())
		br := tn.browser()
		p := br.signIn(br.get(a.open(br, bound.requestURI(b)).location), tn.owner.Email, password)
		p = br.decide(br.get(p.location), "allow")
		answer, err := url.Parse(p.location)
		require.NoError(b.t, err)
		require.Equal(b.t, "invalid_grant", a.redeemWith(other.proof("/token"), answer.Query().Get("code")).Error, "the code belongs to the proof's key")
		require.Equal(b.t, 200, a.redeemWith(mine.proof("/token"), answer.Query().Get("code")).status)
	})
}

func TestPushingIsAChoice(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		br := tn.browser()
		a, strict := tn.app(), tn.app()
		tn.demand(strict, "par_required")
		require.Contains(b.t, a.authorize(br).location, "/sign-in")
		require.Contains(b.t, strict.authorize(br).location, "error=invalid_request")
		require.Contains(b.t, strict.open(br, strict.push().requestURI(b)).location, "/sign-in")
		require.NotContains(b.t, tn.metadata(), "require_pushed_authorization_requests")
		tn.change(func(s *settings.Settings) { s.PAR = settings.Required })
		require.Contains(b.t, a.authorize(br).location, "error=invalid_request")
		require.Contains(b.t, a.open(br, a.push().requestURI(b)).location, "/sign-in")
		require.Equal(b.t, true, tn.metadata()["require_pushed_authorization_requests"])
		tn.change(func(s *settings.Settings) { s.PAR = settings.Never })
		require.Equal(b.t, 404, a.push().status)
		require.Contains(b.t, a.authorize(br).location, "/sign-in")
		require.NotContains(b.t, tn.metadata(), "pushed_authorization_request_endpoint")
	})
}
