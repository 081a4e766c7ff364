package server_test

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/tenancytest"
)

// gaps are the unsafe answers that a probe found in the protocol library's own
// server. Each row holds the safe one of ours.
var gaps = []struct {
	name  string
	holds func(t testing.TB, tn *tenant)
}{
	{"token replies are never cached", gapCacheControl},
	{"any origin may read a token reply, none with credentials, and none /authorize", gapCORS},
	{"PKCE plain, without a method, left out or short is refused at /authorize", gapPKCE},
	{"the metadata lists what is routed, and nothing else", gapMetadata},
	{"token parameters in the URL are refused", gapQuery},
	{"a parameter that is there twice is refused", gapDuplicates},
	{"a loopback redirect may differ in its port alone", gapRedirects},
	{"a code that is replayed ends what the first use gave", gapReplay},
	{"30 redemptions at once: one succeeds", gapParallelRedemptions},
	{"30 refreshes at once: one successor", gapParallelRefreshes},
	{"iss is in the metadata and in every response, errors too", gapIssuer},
	{"another resource is invalid_target", gapResource},
	{"a request without scope has the default", gapScope},
	{"a truncated or flipped token is refused", gapMalleable},
	{"a line break in state stays a value", gapCRLF},
	{"a token is a signature or a random value, never a ciphertext", gapCiphertext},
	{"internal errors are logged and not told", gapErrors},
	{"bodies are bounded", gapBodies},
}

func TestLibraryGaps(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		b := setup(t, env)
		for i, gap := range gaps {
			tn := b.tenant("acme" + string(rune('a'+i)))
			tn.upstream("tickets")
			t.Run(gap.name, func(t *testing.T) { // the rows share one bundle, whose t is the row's
				defer func(outer testing.TB) { b.t = outer }(b.t)
				b.t = t
				gap.holds(t, tn)
			})
		}
	})
}

const formType = "application/x-www-form-urlencoded"

// redemption is a good code request as its form.
func (a *app) redemption(code string) url.Values {
	return url.Values{"grant_type": {"authorization_code"}, "client_id": {a.id}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {a.verifier}}
}

func gapCacheControl(t testing.TB, tn *tenant) {
	a, br := tn.app(), tn.browser()
	code := a.code(br)
	good := a.redemption(code).Encode()
	for want, p := range map[int]page{
		200: br.request("POST", "/token", good, "Content-Type", formType),
		400: br.request("POST", "/token", "grant_type=nonsense", "Content-Type", formType),
		401: br.request("POST", "/token", "grant_type=refresh_token&refresh_token=x&client_id=cli_x", "Content-Type", formType),
		405: br.request("GET", "/token", ""),
		204: br.request("OPTIONS", "/token", "", "Origin", "https://evil.example"),
	} {
		require.Equal(t, want, p.status, p.body)
		require.Equal(t, []string{"no-store"}, p.header.Values("Cache-Control"), want)
	}
	for _, p := range []page{
		br.request("POST", "/token", good, "Content-Type", formType), // replayed
		br.request("POST", "/token", good+"&x="+strings.Repeat("x", 70_000), "Content-Type", formType),
		br.request("POST", "/token", "{}", "Content-Type", "application/json"),
		br.request("POST", "/revoke", "token=x&client_id="+a.id, "Content-Type", formType),
		br.request("POST", "/revoke", "", "Content-Type", formType),
	} {
		require.Equal(t, []string{"no-store"}, p.header.Values("Cache-Control"), p.body)
	}
}

func gapCORS(t testing.TB, tn *tenant) {
	br := tn.browser()
	ask := func(path string) page {
		return br.request("OPTIONS", path, "", "Origin", "https://evil.example", "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "content-type")
	}
	p := ask("/token")
	require.Equal(t, 204, p.status)
	require.Equal(t, "*", p.header.Get("Access-Control-Allow-Origin"))
	require.Equal(t, "POST", p.header.Get("Access-Control-Allow-Methods"))
	require.Empty(t, p.header.Values("Access-Control-Allow-Credentials"))
	for _, path := range []string{"/authorize", "/sign-in", "/consent", "/sign-out"} {
		p := ask(path)
		require.Equal(t, 405, p.status, path)
		for name := range p.header {
			require.False(t, strings.HasPrefix(name, "Access-Control-"), "%s %s", path, name)
		}
	}
}

func gapPKCE(t testing.TB, tn *tenant) {
	a, br := tn.app(), tn.browser()
	for _, change := range [][]string{
		{"code_challenge_method", "plain", "code_challenge", a.verifier},
		{"code_challenge_method", "-"},
		{"code_challenge", "-", "code_challenge_method", "-"},
		{"code_challenge", "-"},
		{"code_challenge", "abcde"},
		{"code_challenge", "abcde", "code_challenge_method", "plain"},
	} {
		require.Equal(t, "invalid_request", refused(t, tn, a.authorize(br, change...)).Get("error"), change)
	}
	require.Zero(t, tn.count("attempts", "1 = 1"), "nothing was begun")
	// A verifier that is taken away or put in the challenge's place is no way around.
	for _, verifier := range []string{"-", challenge(a.verifier)} {
		require.Equal(t, "invalid_grant", a.redeem(a.code(br), "code_verifier", verifier).Error)
	}
	require.True(t, comparesInConstantTime(t), "verifyS256 compares with crypto/subtle")
}

// comparesInConstantTime reads the source: no answer could tell.
func comparesInConstantTime(t testing.TB) (found bool) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "codes.go", nil, 0)
	require.NoError(t, err)
	ast.Inspect(file, func(n ast.Node) bool {
		f, ok := n.(*ast.FuncDecl)
		if !ok || f.Name.Name != "verifyS256" {
			return true
		}
		last, ok := f.Body.List[len(f.Body.List)-1].(*ast.ReturnStmt)
		require.True(t, ok)
		ast.Inspect(last, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			found = found || ok && s.Sel.Name == "ConstantTimeCompare"
			return true
		})
		return false
	})
	return found
}

func gapMetadata(t testing.TB, tn *tenant) {
	a, br := tn.app(), tn.browser()
	p := br.get("/.well-known/oauth-authorization-server")
	golden, err := os.ReadFile("testdata/metadata.golden.json")
	require.NoError(t, err)
	require.JSONEq(t, strings.ReplaceAll(string(golden), "https://acme.mcp.test", tn.issuer), p.body)

	var doc map[string]json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(p.body), &doc))
	routed := map[string]bool{}
	for _, r := range tn.b.server.Routes() {
		routed[tn.issuer+r.Path] = true
	}
	for name, raw := range doc {
		if !strings.HasSuffix(name, "_endpoint") && name != "jwks_uri" {
			continue
		}
		var address string
		require.NoError(t, json.Unmarshal(raw, &address))
		require.True(t, routed[address], name)
		delete(routed, address)
	}
	for _, unlisted := range []string{"/userinfo", "/end_session", "/logout"} {
		require.False(t, routed[tn.issuer+unlisted])
		require.Equal(t, 404, br.request("POST", unlisted, "x=y", "Content-Type", formType).status, unlisted)
	}

	// What is listed is understood, and what is not is told apart.
	listed := func(name string) []string {
		var out []string
		require.NoError(t, json.Unmarshal(doc[name], &out), name)
		return out
	}
	for _, grant := range everyGrant {
		got := a.post("/token", url.Values{"grant_type": {grant}, "client_id": {a.id}})
		require.Equal(t, 400, got.status, grant)
		require.Equal(t, !slices.Contains(listed("grant_types_supported"), grant), got.Error == "unsupported_grant_type", grant)
	}
	for _, kind := range everyResponseType {
		p := a.authorize(br, "response_type", kind)
		require.Equal(t, !slices.Contains(listed("response_types_supported"), kind), strings.Contains(p.location, "error=unsupported_response_type"), kind)
	}
	for _, method := range []string{"S256", "plain", "S512", "none"} {
		p := a.authorize(br, "code_challenge_method", method)
		require.Equal(t, !slices.Contains(listed("code_challenge_methods_supported"), method), strings.Contains(p.location, "error=invalid_request"), method)
	}
}

func gapQuery(t testing.TB, tn *tenant) {
	a, br := tn.app(), tn.browser()
	code := a.code(br)
	good := a.redemption(code)
	for what, p := range map[string]page{
		"all of them": br.request("POST", "/token?"+good.Encode(), "", "Content-Type", formType),
		"and a body":  br.request("POST", "/token?"+good.Encode(), good.Encode(), "Content-Type", formType),
		"no type":     br.request("POST", "/token?"+good.Encode(), ""),
	} {
		require.Equal(t, 400, p.status, what)
		require.Contains(t, p.body, `"invalid_request"`, what)
	}
	require.Equal(t, 405, br.get("/token?"+good.Encode()).status)
	require.Equal(t, 400, br.request("POST", "/revoke?client_id="+a.id+"&token=x", "", "Content-Type", formType).status)
	require.Equal(t, 200, a.redeem(code).status, "none of it used the code up")
	require.NotContains(t, tn.b.log.String(), code)
}

func gapDuplicates(t testing.TB, tn *tenant) {
	a, br := tn.app(), tn.browser()
	for _, second := range []string{a.id, "cli_other", ""} {
		requireLocal(t, br.get("/authorize?"+a.query().Encode()+"&client_id="+second), "invalid_request")
		p := br.request("POST", "/token", a.redemption("x").Encode()+"&client_id="+second, "Content-Type", formType)
		require.Equal(t, 400, p.status)
		require.Contains(t, p.body, `"invalid_request"`)
	}
}

func gapRedirects(t testing.TB, tn *tenant) {
	const registered = "http://127.0.0.1:8899/callback"
	a, br := tn.app(registered), tn.browser()
	for _, same := range []string{registered, "http://127.0.0.1:1/callback", "http://127.0.0.1/callback"} {
		p := a.authorize(br, "redirect_uri", same)
		require.Equal(t, 302, p.status, same)
		require.True(t, strings.HasPrefix(p.location, "/sign-in?attempt="), "%s %s", same, p.location)
		q := a.authorize(br, "redirect_uri", same, "response_type", "token")
		require.True(t, strings.HasPrefix(q.location, same+"?error="), q.location)
	}
	for _, other := range []string{
		"http://localhost:1", "http://localhost:1/callback", "http://localhost:8899/callback", "https://localhost:9", "https://localhost:9/callback", "https://127.0.0.1:8899/callback",
		"http://[::1]:8899/callback", "http://[::ffff:127.0.0.1]:8899/callback", "http://127.9.9.9:8899/callback", "http://user@127.0.0.1:8899/callback", "http://user:pw@127.0.0.1:8899/callback",
		registered + "#f", registered + "#", "http://127.0.0.1:8899/x/../callback", "http://127.0.0.1:8899/callback/..", "http://127.0.0.1:8899/../callback", "http://127.0.0.1:8899/%63allback",
		"http://127.0.0.1:8899%2fcallback", "http://127.0.0.1%3a8899/callback", "http://127.0.0.1:8899/callback%00", "http://127.0.0.1.evil.example:8899/callback", "http://127.0.0.1:8899.evil.example/callback",
		"http://127.0.0.1:8899/callback.evil.example", "http://127.0.0.1:8899@evil.example/callback", "http://evil.example/callback",
	} {
		requireLocal(t, a.authorize(br, "redirect_uri", other), "invalid_redirect_uri")
		requireLocal(t, a.authorize(br, "redirect_uri", other, "response_type", "token"), "invalid_redirect_uri")
	}
}

func gapReplay(t testing.TB, tn *tenant) {
	a, br := tn.app(), tn.browser()
	code := a.code(br)
	first := a.redeem(code)
	second := a.refresh(first.Refresh)
	require.Equal(t, 200, second.status)
	require.Empty(t, tn.revoked())
	again := a.redeem(code)
	require.Equal(t, 400, again.status)
	require.Equal(t, "invalid_grant", again.Error)
	require.Equal(t, []string{first.family()}, tn.revoked(), "what the edge refuses")
	require.Equal(t, first.family(), second.family(), "also what was refreshed since")
	for _, dead := range []string{first.Refresh, second.Refresh} {
		require.Equal(t, "invalid_grant", a.refresh(dead).Error)
	}
	require.Equal(t, int64(1), tn.count("audit_events", "action = ? AND target_id = ?", "token.revoke", first.family()))
}

func gapParallelRedemptions(t testing.TB, tn *tenant) {
	a := tn.app()
	code := a.code(tn.browser())
	require.Len(t, succeeded(t, parallel(30, func() tokens { return a.redeem(code) })), 1)
	require.Equal(t, int64(1), tn.count("refresh_tokens", "1 = 1"))
}

func gapParallelRefreshes(t testing.TB, tn *tenant) {
	a := tn.app()
	first := a.tokens(tn.browser())
	won := succeeded(t, parallel(30, func() tokens { return a.refresh(first.Refresh) }))
	require.Len(t, won, 30, "whose reply was lost asks again")
	for _, got := range won {
		require.Equal(t, won[0].Refresh, got.Refresh)
	}
	require.Equal(t, int64(2), tn.count("refresh_tokens", "1 = 1"), "one successor")
	require.Empty(t, tn.revoked())
}

// succeeded are the answers that gave tokens; the others are clean refusals.
func succeeded(t testing.TB, all []tokens) (won []tokens) {
	t.Helper()
	for _, got := range all {
		if got.status == 200 {
			won = append(won, got)
			continue
		}
		require.Equal(t, 400, got.status, got.body)
		require.Equal(t, "invalid_grant", got.Error)
	}
	return won
}

func gapIssuer(t testing.TB, tn *tenant) {
	a, br := tn.app(), tn.browser()
	p := br.get("/.well-known/oauth-authorization-server")
	require.Contains(t, p.body, `"authorization_response_iss_parameter_supported":true`)
	require.Contains(t, p.body, `"issuer":"`+tn.issuer+`"`)
	iss := func(p page) []string {
		u, err := url.Parse(p.location)
		require.NoError(t, err)
		return u.Query()["iss"]
	}
	for _, decision := range []string{"allow", "deny"} {
		require.Equal(t, []string{tn.issuer}, iss(br.decide(a.consentPage(br), decision)), decision)
	}
	for _, wrong := range [][]string{{"response_type", "token"}, {"code_challenge", "-"}, {"resource", "https://other/mcp"}, {"prompt", "none"}, {"request", "x.y.z"}, {"response_mode", "fragment"}} {
		require.Equal(t, []string{tn.issuer}, iss(a.authorize(br, wrong...)), wrong)
	}
}

func gapResource(t testing.TB, tn *tenant) {
	a, br := tn.app(), tn.browser()
	require.Equal(t, "invalid_target", refused(t, tn, a.authorize(br, "resource", "https://other/mcp")).Get("error"))
	code := a.code(br)
	require.Equal(t, "invalid_target", a.redeem(code, "resource", "https://other/mcp").Error)
	got := a.redeem(code)
	require.Equal(t, tn.mcp("tickets"), got.claims()["aud"])
	require.Equal(t, "invalid_target", a.refresh(got.Refresh, "resource", "https://other/mcp").Error)
}

func gapScope(t testing.TB, tn *tenant) {
	a, br := tn.app(), tn.browser()
	got := a.redeem(a.code(br, "scope", "-"))
	require.Equal(t, 200, got.status)
	require.Equal(t, "mcp", got.Scope)
	require.Equal(t, "mcp", got.claims()["scope"])
}

func gapMalleable(t testing.TB, tn *tenant) {
	a, br := tn.app(), tn.browser()
	code, got := a.code(br), a.tokens(br)
	for _, bad := range damaged(got.Refresh)[1:] {
		require.Equal(t, "invalid_grant", a.refresh(bad).Error, "%q", bad)
	}
	for _, bad := range damaged(code)[1:] {
		require.Equal(t, "invalid_grant", a.redeem(bad).Error, "%q", bad)
	}
	// A damaged access token ends nothing either.
	for _, bad := range []string{got.Access[:len(got.Access)-1], got.Access + "A", "A" + got.Access[1:], strings.Replace(got.Access, ".", "", 1)} {
		require.Equal(t, 200, a.post("/revoke", url.Values{"client_id": {a.id}, "token": {bad}}).status)
	}
	require.Empty(t, tn.revoked())
	require.Equal(t, 200, a.refresh(got.Refresh).status, "none of it counted as a replay")
	require.Equal(t, 200, a.redeem(code).status)
}

// damaged are a token's truncations from either end, and each byte of it flipped,
// left out and doubled. The first is empty.
func damaged(token string) []string {
	out := []string{""}
	for i := range len(token) {
		flipped := []byte(token)
		flipped[i] ^= 1
		if i > 0 {
			out = append(out, token[:i], token[i:])
		}
		out = append(out, string(flipped), token[:i]+token[i+1:], token[:i+1]+token[i:])
	}
	return append(out, token+"A", " "+token, token+" ", token+"\x00", strings.ToUpper(token))
}

func gapCRLF(t testing.TB, tn *tenant) {
	a, br := tn.app(), tn.browser()
	const state = "a\r\nSet-Cookie: evil=1\r\n\r\n<script>&iss=https://evil.example#" + stateCanary
	for _, p := range []page{
		a.authorize(br, "state", state, "response_type", "token"),
		br.decide(a.consentPage(br, "state", state), "allow"),
		br.decide(a.consentPage(br, "state", state), "deny"),
	} {
		require.NotContains(t, p.location, "\r")
		require.NotContains(t, p.location, "\n")
		require.NotContains(t, p.header.Values("Set-Cookie"), "evil")
		u, err := url.Parse(p.location)
		require.NoError(t, err)
		require.Empty(t, u.Fragment)
		require.Equal(t, []string{state}, u.Query()["state"], "given back as it came")
		require.Equal(t, []string{tn.issuer}, u.Query()["iss"])
	}
}

func gapCiphertext(t testing.TB, tn *tenant) {
	a, br := tn.app(), tn.browser()
	code := a.code(br)
	first := a.tokens(br)
	second := a.refresh(first.Refresh)
	require.Regexp(t, `^emc_ac_[A-Za-z0-9_-]{49}$`, code, "256 bits and a checksum")
	require.Regexp(t, `^emc_rt_[A-Za-z0-9_-]{49}$`, second.Refresh)
	require.Regexp(t, `^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{86}$`, first.Access, "three parts: JWE has five")
	for _, secret := range []string{code, first.Refresh, second.Refresh} {
		require.Empty(t, tenancytest.Find(t, tn.b.env, secret), "stored as a hash")
	}
}

func gapErrors(t testing.TB, tn *tenant) {
	a, br := tn.app(), tn.browser()
	code := a.code(br)
	before := len(tn.b.log.String())
	tn.write(func(tx *tenancy.Tx) error {
		return tx.DB().Model(&keyRow{}).Where("1 = 1").Update("public_jwk", "broken").Error
	})
	requireQuiet(t, a.redeem(code).page)
	requireQuiet(t, br.get("/jwks"))
	logged := tn.b.log.String()[before:]
	require.Contains(t, logged, "invalid character")
	for line := range bytes.Lines([]byte(logged)) {
		require.True(t, json.Valid(line), "through our logger: %s", line)
	}
}

func gapBodies(t testing.TB, tn *tenant) {
	br := tn.browser()
	large := strings.Repeat("x", 64<<10)
	for path, media := range map[string]string{"/token": formType, "/revoke": formType, "/authorize": formType, "/register": "application/json", "/sign-in": formType, "/consent": formType} {
		body := "a=" + large
		if path == "/register" {
			body = `{"redirect_uris":["` + callback + `"],"x":"` + large + `"}`
		}
		p := br.request("POST", path, body, "Content-Type", media)
		require.Contains(t, []int{400, 403, 413}, p.status, path)
	}
	require.Zero(t, tn.count("clients", "1 = 1"))
}
