package provider_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/internal/clock"
	"github.com/emcy/gateway/internal/jwks"
	"github.com/emcy/gateway/internal/outbound"
)

// site serves documents by path.
type site struct {
	*provider.Provider
	url   string
	mu    sync.Mutex
	docs  map[string]any
	asked []string
	// challenge is what the MCP path answers without a token.
	challenge string
}

func newSite(t testing.TB) *site {
	t.Helper()
	s := &site{docs: map[string]any{}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.asked = append(s.asked, r.URL.Path)
		if s.challenge != "" && strings.HasSuffix(r.URL.Path, "/mcp") && !strings.Contains(r.URL.Path, "well-known") {
			w.Header().Set("WWW-Authenticate", s.challenge)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		switch doc := s.docs[r.URL.Path].(type) {
		case nil:
			http.NotFound(w, r)
		case int:
			w.WriteHeader(doc)
		case string:
			_, _ = w.Write([]byte(doc))
		default:
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(doc)
		}
	}))
	t.Cleanup(server.Close)
	s.url = server.URL
	out := outbound.New(outbound.Config{AllowPrivate: true})
	s.Provider = provider.New(out, jwks.New(out, clock.System{}), clock.System{})
	return s
}

func (s *site) metadata(issuer string, more map[string]any) map[string]any {
	doc := map[string]any{"issuer": issuer, "authorization_endpoint": s.url + "/authorize", "token_endpoint": s.url + "/token"}
	maps.Copy(doc, more)
	return doc
}

func TestDiscover(t *testing.T) {
	t.Parallel()
	for name, where := range map[string]struct{ path, document string }{
		"OAuth":                    {"", "/.well-known/oauth-authorization-server"},
		"OAuth, with a path":       {"/a/b", "/.well-known/oauth-authorization-server/a/b"},
		"OpenID":                   {"", "/.well-known/openid-configuration"},
		"OpenID, with a path":      {"/a/b", "/a/b/.well-known/openid-configuration"},
		"OpenID, as RFC 8414 does": {"/a/b", "/.well-known/openid-configuration/a/b"},
		"OpenID, with a slash":     {"/", "/.well-known/openid-configuration"},
		"OAuth, with a slash":      {"/a/", "/.well-known/oauth-authorization-server/a"},
	} {
		s := newSite(t)
		issuer := s.url + where.path
		s.docs[where.document] = s.metadata(issuer, map[string]any{
			"scopes_supported": []string{"a", "b c", "d"}, "token_endpoint_auth_methods_supported": []string{"private_key_jwt"}, "authorization_response_iss_parameter_supported": true,
			"client_id_metadata_document_supported": true, "code_challenge_methods_supported": []string{"S256"}, "revocation_endpoint": s.url + "/revoke", "registration_endpoint": "ftp://x",
			"grant_types_supported": []string{"authorization_code"}, "mtls_endpoint_aliases": map[string]any{"x": 1},
		})
		got, err := s.Discover(t.Context(), issuer)
		require.NoError(t, err, name)
		require.Equal(t, provider.Endpoints{
			Issuer: issuer, Authorization: s.url + "/authorize", Token: s.url + "/token", Revocation: s.url + "/revoke", IssuerInResponse: true, CIMD: true, Scopes: []string{"a", "d"},
			AuthMethods: []string{"private_key_jwt"}, ChallengeMethods: []string{"S256"}, GrantTypes: []string{"authorization_code"},
		}, got, name)
	}
}

func TestDiscoverCompletesOneDocumentByTheOther(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.docs["/.well-known/oauth-authorization-server"] = s.metadata(s.url, nil)
	s.docs["/.well-known/openid-configuration"] = s.metadata(s.url, map[string]any{
		"token_endpoint": s.url + "/other", "userinfo_endpoint": s.url + "/userinfo", "jwks_uri": s.url + "/jwks", "id_token_signing_alg_values_supported": []string{"ES256"},
	})
	got, err := s.Discover(t.Context(), s.url)
	require.NoError(t, err)
	require.Equal(t, s.url+"/token", got.Token, "the first document stands")
	require.Equal(t, s.url+"/userinfo", got.UserInfo)
	require.Equal(t, s.url+"/jwks", got.JWKS)
	require.Equal(t, []string{"ES256"}, got.SigningAlgs)

	evil := s.metadata("https://evil.example.com", map[string]any{"userinfo_endpoint": "https://evil.example.com/userinfo"})
	s.docs["/.well-known/openid-configuration"] = evil
	got, err = s.Discover(t.Context(), s.url)
	require.NoError(t, err)
	require.Empty(t, got.UserInfo, "nothing of another issuer's document is taken")
}

func TestA13DiscoverRefuses(t *testing.T) {
	t.Parallel()
	const at = "/.well-known/oauth-authorization-server"
	for name, c := range map[string]struct {
		doc   func(s *site) any
		kind  provider.Kind
		words string
	}{
		"another issuer":          {func(s *site) any { return s.metadata("https://honest.example.com", nil) }, provider.Invalid, "by another name"},
		"a slash more":            {func(s *site) any { return s.metadata(s.url+"/", nil) }, provider.Invalid, "The provider calls itself"},
		"no issuer":               {func(s *site) any { return s.metadata("", nil) }, provider.Invalid, "by another name"},
		"no token endpoint":       {func(s *site) any { return s.metadata(s.url, map[string]any{"token_endpoint": ""}) }, provider.Invalid, "token endpoint"},
		"a token endpoint of FTP": {func(s *site) any { return s.metadata(s.url, map[string]any{"token_endpoint": "ftp://x/"}) }, provider.Invalid, "token endpoint"},
		"javascript": {func(s *site) any {
			return s.metadata(s.url, map[string]any{"authorization_endpoint": "javascript:alert(1)"})
		}, provider.Invalid, "authorization endpoint"},
		"a link-local address": {func(s *site) any {
			return s.metadata(s.url, map[string]any{"token_endpoint": "http://169.254.169.254/t"})
		}, provider.Invalid, "token endpoint"},
		"numbers for texts": {func(s *site) any { return s.metadata(s.url, map[string]any{"scopes_supported": 7}) }, provider.Invalid, "JSON"},
		"not JSON":          {func(*site) any { return "<html>" }, provider.Invalid, "JSON"},
		"nothing":           {func(*site) any { return nil }, provider.Invalid, "publishes no metadata"},
		"forbidden":         {func(*site) any { return 403 }, provider.Invalid, "publishes no metadata"},
		"an error":          {func(*site) any { return 503 }, provider.Temporary, "problem"},
		"limited":           {func(*site) any { return 429 }, provider.Limited, "fewer requests"},
	} {
		s := newSite(t)
		s.docs[at] = c.doc(s)
		_, err := s.Discover(t.Context(), s.url)
		var e *provider.Error
		require.ErrorAs(t, err, &e, name)
		require.Equal(t, c.kind, e.Kind, "%s: %v", name, err)
		require.Contains(t, e.Public(), c.words, name)
		require.NotContains(t, e.Public(), "honest")
	}
	s := newSite(t)
	for _, issuer := range []string{"", "x", "ftp://x", "https://a:b@x.example", s.url + "/?x", s.url + "/#x", "javascript:alert(1)", "http://169.254.169.254/"} {
		_, err := s.Discover(t.Context(), issuer)
		require.Equal(t, provider.Misconfigured, provider.KindOf(err), issuer)
	}
	require.Empty(t, s.asked)

	dead := httptest.NewServer(http.NotFoundHandler())
	dead.Close()
	for _, err := range []error{second(s.Discover(t.Context(), dead.URL)), second(s.DiscoverResource(t.Context(), dead.URL+"/mcp"))} {
		e := requireError(t, err, provider.Temporary, "connect_refused")
		require.False(t, e.Sent)
	}
}

func TestDiscoverResource(t *testing.T) {
	t.Parallel()
	const below, root, other = "/.well-known/oauth-protected-resource/todo/mcp", "/.well-known/oauth-protected-resource", "/elsewhere"
	for name, c := range map[string]struct {
		at, challenge string
		resource      string
	}{
		"below the path":      {below, "", "/todo/mcp"},
		"at the root":         {root, "", "/todo/mcp"},
		"for the whole host":  {root, "", ""},
		"for part of a path":  {root, "", "/todo"},
		"by a challenge":      {other, `Bearer realm="x", resource_metadata="{url}/elsewhere"`, "/todo/mcp"},
		"a challenge of two":  {other, `Basic realm="x", Bearer error="invalid_token", resource_metadata="{url}/elsewhere"`, "/todo/mcp"},
		"a broken challenge":  {below, `Bearer resource_metadata="`, "/todo/mcp"},
		"a challenge to none": {below, `Bearer resource_metadata="{url}/nothing"`, "/todo/mcp"},
		"a challenge to FTP":  {below, `Bearer resource_metadata="ftp://x/"`, "/todo/mcp"},
	} {
		s := newSite(t)
		s.challenge = strings.ReplaceAll(c.challenge, "{url}", s.url)
		s.docs[c.at] = map[string]any{
			"resource": s.url + c.resource, "authorization_servers": []string{"https://id.example.com", "ftp://x", "https://two.example.com/x"}, "scopes_supported": []string{"todos:read"}, "resource_name": "Todo",
		}
		got, err := s.DiscoverResource(t.Context(), s.url+"/todo/mcp")
		require.NoError(t, err, name)
		require.Equal(t, provider.Resource{Resource: s.url + c.resource, Servers: []string{"https://id.example.com", "https://two.example.com/x"}, Scopes: []string{"todos:read"}, Name: "Todo"}, got, name)
	}
	for name, c := range map[string]struct {
		doc  func(s *site) any
		kind provider.Kind
		code string
	}{
		"nothing": {func(*site) any { return nil }, provider.Invalid, "status"},
		"another host": {func(*site) any {
			return map[string]any{"resource": "https://x.example.com/todo/mcp", "authorization_servers": []string{"https://id.example.com"}}
		}, provider.Invalid, "other_resource"},
		"a sibling": {func(s *site) any {
			return map[string]any{"resource": s.url + "/to", "authorization_servers": []string{"https://id.example.com"}}
		}, provider.Invalid, "other_resource"},
		"below it": {func(s *site) any {
			return map[string]any{"resource": s.url + "/todo/mcp/x", "authorization_servers": []string{"https://id.example.com"}}
		}, provider.Invalid, "other_resource"},
		"no resource": {func(*site) any { return map[string]any{"authorization_servers": []string{"https://id.example.com"}} }, provider.Invalid, "other_resource"},
		"no server":   {func(s *site) any { return map[string]any{"resource": s.url + "/todo/mcp"} }, provider.Invalid, "no_server"},
		"no server that we ask": {func(s *site) any {
			return map[string]any{"resource": s.url + "/todo/mcp", "authorization_servers": []string{"http://169.254.169.254"}}
		}, provider.Invalid, "no_server"},
		"an error": {func(*site) any { return 500 }, provider.Temporary, "status"},
	} {
		s := newSite(t)
		s.docs[below] = c.doc(s)
		_, err := s.DiscoverResource(t.Context(), s.url+"/todo/mcp")
		requireError(t, err, c.kind, c.code)
		require.NotEmpty(t, name)
	}
	s := newSite(t)
	_, err := s.DiscoverResource(t.Context(), "ftp://x/")
	requireError(t, err, provider.Misconfigured, "url")
}

func TestVendorsAreDiscovered(t *testing.T) {
	t.Parallel()
	for _, vendor := range []string{"generic", "google", "entra", "auth0", "okta", "keycloak"} {
		b := newVendor(t, vendor)
		found, err := b.provider.Discover(t.Context(), b.fake.Issuer)
		require.NoError(t, err, vendor)
		require.Equal(t, []string{b.fake.Token, b.fake.Authorization, b.fake.Revocation, b.fake.UserInfo, b.fake.JWKS, b.fake.Registration}, []string{found.Token, found.Authorization, found.Revocation, found.UserInfo, found.JWKS, found.Registration}, vendor)
		_, err = b.provider.Discover(t.Context(), b.fake.Issuer+"/x")
		require.Equal(t, provider.Invalid, provider.KindOf(err), vendor)
	}
	b := newVendor(t, "auth0")
	_, err := b.provider.Discover(t.Context(), strings.TrimSuffix(b.fake.Issuer, "/"))
	e := requireError(t, err, provider.Invalid, "other_issuer")
	require.Contains(t, e.Public(), b.fake.Issuer, "a slash is what is missing")
}
