//go:build e2e

package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/test/e2e/httpflow"
	"github.com/emcy/gateway/test/fakes/oidc"
	"github.com/emcy/gateway/test/fakes/upstream"
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// signer is a client that proves itself with a key (RFC 7523).
type signer struct {
	t      *testing.T
	key    *ecdsa.PrivateKey
	kid    string
	id     string
	issuer string
}

func newSigner(t *testing.T, issuer string) *signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return &signer{t: t, key: key, kid: "1", issuer: issuer}
}

func (s *signer) jwks() map[string]any {
	s.t.Helper()
	raw, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: s.key.Public(), KeyID: s.kid}}})
	require.NoError(s.t, err)
	var out map[string]any
	require.NoError(s.t, json.Unmarshal(raw, &out))
	return out
}

// assertion is a good one, changed by the test; nil takes a claim out.
func (s *signer) assertion(kid string, change map[string]any) string {
	s.t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: s.key, KeyID: kid}}, nil)
	require.NoError(s.t, err)
	now := time.Now()
	claims := map[string]any{"iss": s.id, "sub": s.id, "aud": s.issuer, "jti": rand.Text(), "iat": now.Unix(), "exp": now.Add(4 * time.Minute).Unix()}
	for name, value := range change {
		if claims[name] = value; value == nil {
			delete(claims, name)
		}
	}
	text, err := jwt.Signed(signer).Claims(claims).Serialize()
	require.NoError(s.t, err)
	return text
}

// proof is a request that pushes an authorization request (RFC 9126): 201 tells that the
// client has proved itself.
func (s *signer) proof(h *house, assertion string) url.Values {
	return with(h.query(&httpflow.Client{ClientID: s.id, RedirectURI: "http://127.0.0.1:33418/callback"}), "client_assertion", assertion, "client_assertion_type", assertionType)
}

func (s *signer) register(h *house, metadata map[string]any) {
	s.t.Helper()
	metadata["redirect_uris"], metadata["token_endpoint_auth_method"] = []string{"http://127.0.0.1:33418/callback"}, "private_key_jwt"
	made := h.register(metadata)
	require.Equal(s.t, http.StatusCreated, made.status, made.body)
	s.id = made.field("client_id")
}

// TestA18AnAssertionProvesOnce: the second use is refused, many at once give one success,
// and it is for this issuer and for minutes only.
func TestA18AnAssertionProvesOnce(t *testing.T) {
	t.Parallel()
	row(t, "a18", func(h *house) {
		s := newSigner(h.t, h.origin)
		s.register(h, map[string]any{"jwks": s.jwks()})
		try := func(assertion string) said { return h.form("/par", s.proof(h, assertion)) }
		once := s.assertion("1", nil)
		require.Equal(h.t, http.StatusCreated, try(once).status, try(once).body)
		for range 3 {
			again := try(once)
			require.Equal(h.t, http.StatusUnauthorized, again.status)
			require.Equal(h.t, "invalid_client", again.code())
		}
		require.Equal(h.t, http.StatusUnauthorized, h.form("/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"x"}, "client_id": {s.id}, "client_assertion": {once}, "client_assertion_type": {assertionType}}).status, "nor elsewhere")
		raced, won := s.assertion("1", nil), 0
		for _, got := range atOnce(30, func(int) said { return try(raced) }) {
			if got.status == http.StatusCreated {
				won++
			}
		}
		require.Equal(h.t, 1, won)
		now := time.Now()
		for what, change := range map[string]map[string]any{
			"aud //token": {"aud": h.origin + "//token"}, "aud with a slash": {"aud": h.origin + "/"}, "another aud": {"aud": "https://other.example"}, "no aud": {"aud": nil}, "aud and another": {"aud": []string{h.origin, "https://other.example"}},
			"no jti": {"jti": nil}, "no exp": {"exp": nil}, "an hour": {"exp": now.Add(time.Hour).Unix()}, "expired": {"exp": now.Add(-2 * time.Minute).Unix()}, "another sub": {"sub": "cli_other"}, "another iss": {"iss": "cli_other"},
		} {
			require.Equal(h.t, http.StatusUnauthorized, try(s.assertion("1", change)).status, what)
		}
		stranger := newSigner(h.t, h.origin)
		stranger.id = s.id
		require.Equal(h.t, http.StatusUnauthorized, try(stranger.assertion("1", nil)).status, "another's key")
	})
}

// TestA18AnAssertionProvesOnceOverTwoProcesses: wherever it is shown.
func TestA18AnAssertionProvesOnceOverTwoProcesses(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	up := upstream.Start(upstream.Config{})
	t.Cleanup(up.Close)
	runtime, err := c.ada.AddRuntime(t.Context(), "acme", httpflow.RuntimeForm{Name: "Todos", Slug: "todos", URL: up.URL()})
	require.NoError(t, err)
	within(t, "the runtime at the other edge", func() bool { _, status := generation(t, c.atB, "todos"); return status == http.StatusOK })
	s := newSigner(t, clusterOrigin)
	post := func(through http.RoundTripper, path, contentType, body string) said {
		page, err := httpflow.NewBrowser(through).Send(request(t, http.MethodPost, clusterOrigin+path, body, "Content-Type", contentType))
		if err != nil {
			t.Errorf("%s", err)
			return said{}
		}
		return said{status: page.Status, header: page.Header, body: string(page.Body)}
	}
	metadata, err := json.Marshal(map[string]any{"redirect_uris": []string{"http://127.0.0.1:33418/callback"}, "token_endpoint_auth_method": "private_key_jwt", "jwks": s.jwks()})
	require.NoError(t, err)
	s.id = post(c.atA, "/register", "application/json", string(metadata)).field("client_id")
	require.NotEmpty(t, s.id)
	h := &house{t: t, runtime: runtime}
	for range 3 {
		body := s.proof(h, s.assertion("1", nil)).Encode()
		first := post(c.atA, "/par", formType, body)
		require.Equal(t, http.StatusCreated, first.status, first.body)
		require.Equal(t, http.StatusUnauthorized, post(c.atB, "/par", formType, body).status)
		body = s.proof(h, s.assertion("1", nil)).Encode()
		won := 0
		for _, got := range atOnce(20, func(i int) said { return post([]http.RoundTripper{c.atA, c.atB}[i%2], "/par", formType, body) }) {
			if got.status == http.StatusCreated {
				won++
			}
		}
		require.Equal(t, 1, won)
	}
}

// TestA19NobodyLearnsOfAnothersToken: introspection and revocation need the caller's own
// proof, speak of the caller's own tokens, and take the same time for all others.
func TestA19NobodyLearnsOfAnothersToken(t *testing.T) {
	t.Parallel()
	row(t, "a19", func(h *house) {
		require.NoError(h.t, h.owner.Authorization(h.t.Context(), h.slug, url.Values{"client_credentials": {"on"}}))
		type service struct{ auth, token string }
		enter := func(name string) service {
			id, secret, err := h.owner.EnterService(h.t.Context(), h.slug, name)
			require.NoError(h.t, err)
			s := service{auth: "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))}
			got := h.form("/token", url.Values{"grant_type": {"client_credentials"}}, "Authorization", s.auth)
			require.Equal(h.t, http.StatusOK, got.status, got.body)
			s.token = got.field("access_token")
			return s
		}
		a, b := enter("A"), enter("B")
		public := h.client("Public")
		persons := h.redeem(public, h.grant(h.stranger(), public))
		introspect := func(s service, token string) said {
			return h.form("/introspect", url.Values{"token": {token}}, "Authorization", s.auth)
		}
		require.Contains(h.t, introspect(a, a.token).body, `"active":true`)
		unknown := introspect(b, "emc_rt_nothing")
		require.JSONEq(h.t, `{"active":false}`, unknown.body)
		for what, token := range map[string]string{"A's": a.token, "a person's": persons.field("access_token"), "a person's refresh token": persons.field("refresh_token"), "no token": "x", "cut": b.token[:len(b.token)-3]} {
			got := introspect(b, token)
			require.Equal(h.t, http.StatusOK, got.status, what)
			require.Equal(h.t, unknown.body, got.body, what)
			got = h.form("/revoke", url.Values{"token": {token}}, "Authorization", b.auth)
			require.Equal(h.t, http.StatusOK, got.status, what)
		}
		require.Equal(h.t, http.StatusOK, h.form("/revoke", url.Values{"token": {a.token}, "client_id": {public.ClientID}}).status)
		// Every edge hears of a revocation within two seconds: one of B's own tells that time.
		h.form("/revoke", url.Values{"token": {b.token}}, "Authorization", b.auth)
		h.untilDead(b.token, soon, "B's own")
		require.Equal(h.t, http.StatusOK, h.ask(a.token).status)
		require.Equal(h.t, http.StatusOK, h.ask(persons.field("access_token")).status)
		require.Equal(h.t, http.StatusOK, h.refresh(public, persons.field("refresh_token")).status)

		for what, got := range map[string]said{
			"nobody": h.form("/introspect", url.Values{"token": {a.token}}), "a public client": h.form("/introspect", url.Values{"token": {persons.field("access_token")}, "client_id": {public.ClientID}}),
			"a wrong secret": h.form("/introspect", url.Values{"token": {a.token}}, "Authorization", a.auth[:len(a.auth)-4]+"AAAA"), "revocation by nobody": h.form("/revoke", url.Values{"token": {a.token}}),
		} {
			require.Contains(h.t, []int{http.StatusUnauthorized, http.StatusBadRequest}, got.status, what)
			require.NotContains(h.t, got.body, "active", what)
		}
		took := map[string][]time.Duration{}
		for range 31 { // in turns, so that the machine's moods are both's
			for _, token := range []string{a.token, "emc_rt_nothing"} {
				began := time.Now()
				introspect(b, token)
				took[token] = append(took[token], time.Since(began))
			}
		}
		median := func(token string) time.Duration {
			slices.Sort(took[token])
			return took[token][len(took[token])/2]
		}
		others, none := median(a.token), median("emc_rt_nothing")
		require.InDelta(h.t, others.Seconds(), none.Seconds(), 0.02, "another's after %s, none after %s", others, none)
	})
}

// TestA20WhatIsGoneTakesItsTokensAlong: each event ends refreshing at once, and calls and
// open streams within two seconds; a runtime of the same name revives nothing.
//
// Who may sign in is removed here by way of the sign-in provider: the console has no page
// for members yet, and a workspace cannot be suspended.
func TestA20WhatIsGoneTakesItsTokensAlong(t *testing.T) {
	t.Parallel()
	row(t, "a20", func(h *house) {
		fake := oidc.New(h.t)
		provider := h.provider(fake)
		type held struct {
			client *httpflow.Client
			stream <-chan struct{}
		}
		hold := func(client *httpflow.Client, code string) held {
			got := h.redeem(client, code)
			require.Equal(h.t, http.StatusOK, got.status, got.body)
			client.Tokens = httpflow.Tokens{AccessToken: got.field("access_token"), RefreshToken: got.field("refresh_token")}
			require.NoError(h.t, client.Initialize(h.t.Context()))
			client.HTTP.Transport = http.DefaultTransport
			return held{client, openStream(h.t, client)}
		}
		members := func(name string) held {
			client := h.client(name)
			return hold(client, h.grant(h.stranger(), client))
		}
		guest := func(sub string) held {
			fake.Claims = func(c map[string]any) { c["sub"], c["email"] = sub, sub+"@example.com" }
			client, p := h.client("Of "+sub), h.stranger()
			page := h.open(p, h.origin+idpCallback(provider)+"?"+fake.Approve(h.leave(p, provider, h.origin+"/authorize?"+h.query(client).Encode())).Encode())
			form, err := page.Form("attempt", "decision")
			require.NoError(h.t, err)
			return hold(client, h.post(p, form.Press("decision", "allow")).Location().Query().Get("code"))
		}
		console := h.gateway.Console + "/" + h.slug
		submit := func(path, target string, set ...string) {
			h.t.Helper()
			form, err := h.open(h.owner, console+path).FormTo("/" + h.slug + target)
			require.NoError(h.t, err)
			for i := 0; i < len(set); i += 2 {
				form.Set(set[i], set[i+1])
			}
			answer := h.post(h.owner, form)
			require.NoError(h.t, answer.Expect(http.StatusSeeOther))
		}
		keyOf := func(x held) string { return base64.RawURLEncoding.EncodeToString([]byte(x.client.ClientID)) }
		dead := func(what string, x held) {
			h.t.Helper()
			began := time.Now()
			refused := h.refresh(x.client, x.client.Tokens.RefreshToken)
			require.Contains(h.t, []string{"invalid_grant", "invalid_client"}, refused.code(), "%s: %s", what, refused.body)
			h.untilDead(x.client.Tokens.AccessToken, soon, what)
			select {
			case <-x.stream:
			case <-time.After(soon):
				require.Fail(h.t, "the stream goes on", what)
			}
			h.t.Logf("%s: dead after %s", what, time.Since(began).Round(time.Millisecond))
		}
		stays, blocked, deleted := members("Stays"), members("Blocked"), members("Deleted")
		ada, bob := guest("ada"), guest("bob")

		submit("/clients/"+keyOf(blocked), "/clients/"+keyOf(blocked)+"/status", "status", "blocked")
		dead("client blocked", blocked)
		submit("/clients/"+keyOf(deleted)+"/delete", "/clients/"+keyOf(deleted)+"/delete", "confirm", "Deleted")
		dead("client deleted", deleted)
		users := h.open(h.owner, console+"/sign-in/users?q=ada")
		var block *httpflow.Form
		for _, form := range users.Forms() {
			if form.Values.Get("blocked") != "" {
				block = form
			}
		}
		require.NotNil(h.t, block, users.Text())
		require.NoError(h.t, h.post(h.owner, block).Expect(http.StatusSeeOther))
		dead("person blocked", ada)
		require.Equal(h.t, http.StatusOK, h.ask(bob.client.Tokens.AccessToken).status, "nobody else")
		submit(provider+"/remove", provider+"/remove", "confirm", "Acme SSO")
		dead("provider removed", bob)

		require.Equal(h.t, http.StatusOK, h.ask(stays.client.Tokens.AccessToken).status, "and nothing else")
		require.NoError(h.t, h.owner.RemoveRuntime(h.t.Context(), h.runtime))
		began := time.Now()
		require.Equal(h.t, "invalid_grant", h.refresh(stays.client, stays.client.Tokens.RefreshToken).code())
		require.Eventually(h.t, func() bool { return h.ask(stays.client.Tokens.AccessToken).status != http.StatusOK }, soon, 10*time.Millisecond)
		select {
		case <-stays.stream:
		case <-time.After(time.Until(began.Add(soon))):
			require.Fail(h.t, "the stream of a removed runtime goes on")
		}
		h.runs(upstream.Config{})
		h.requireDead(stays.client.Tokens.AccessToken, "a runtime of the same name is another one")
		require.Equal(h.t, "invalid_grant", h.refresh(stays.client, stays.client.Tokens.RefreshToken).code())
	})
}
