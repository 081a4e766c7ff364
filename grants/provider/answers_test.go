package provider_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/internal/clock"
	"github.com/emcy/gateway/internal/jwks"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/internal/secret"
)

// said is a token endpoint that answers what it is told.
type said struct {
	*provider.Provider
	config provider.Config
	clock  *clock.Manual
	status int
	header http.Header
	body   string
	asked  http.Header
	form   map[string][]string
}

func newSaid(t testing.TB) *said {
	t.Helper()
	s := &said{clock: clock.NewManual(time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)), status: http.StatusOK, header: http.Header{"Content-Type": {"application/json"}}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		s.asked, s.form = r.Header, r.PostForm
		for k, v := range s.header {
			w.Header()[k] = v
		}
		w.WriteHeader(s.status)
		_, _ = w.Write([]byte(s.body))
	}))
	t.Cleanup(server.Close)
	out := outbound.New(outbound.Config{AllowPrivate: true})
	s.Provider = provider.New(out, jwks.New(out, s.clock), s.clock)
	s.config = provider.Config{
		Endpoints: provider.Endpoints{Issuer: server.URL, Token: server.URL + "/token", Authorization: server.URL + "/authorize", UserInfo: server.URL + "/userinfo", Revocation: server.URL + "/revoke", Introspection: server.URL + "/introspect", Registration: server.URL + "/register"},
		Client:    provider.Client{ID: "our client", Secret: secret.New("canary-client-secret:+/%")}, RedirectURI: callback,
	}
	return s
}

func (s *said) refresh(t testing.TB) (provider.Tokens, error) {
	t.Helper()
	return s.Refresh(t.Context(), s.config, secret.New("canary-refresh-token"), []string{"a", "b"})
}

func TestTokenAnswers(t *testing.T) {
	t.Parallel()
	in := func(d time.Duration) *time.Time {
		at := time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC).Add(d)
		return &at
	}
	for name, c := range map[string]struct {
		body    string
		style   provider.Style
		want    provider.Tokens
		refresh string
	}{
		"the least":                  {`{"access_token":"at"}`, provider.Style{}, provider.Tokens{}, ""},
		"by the book":                {`{"access_token":"at","token_type":"Bearer","expires_in":3600,"refresh_token":"rt","scope":"a b"}`, provider.Style{}, provider.Tokens{ExpiresAt: in(time.Hour), Scope: []string{"a", "b"}}, "rt"},
		"lives as text":              {`{"access_token":"at","token_type":"bearer","expires_in":"28800","refresh_token":"rt","refresh_token_expires_in":"15897600"}`, provider.Style{}, provider.Tokens{ExpiresAt: in(8 * time.Hour), RefreshExpiresAt: in(184 * 24 * time.Hour)}, "rt"},
		"lives with a fraction":      {`{"access_token":"at","expires_in":3599.9}`, provider.Style{}, provider.Tokens{ExpiresAt: in(3599 * time.Second)}, ""},
		"Keycloak":                   {`{"access_token":"at","expires_in":300,"refresh_expires_in":1800,"refresh_token":"rt","token_type":"Bearer","not-before-policy":0,"session_state":"x","scope":"openid profile"}`, provider.Style{}, provider.Tokens{ExpiresAt: in(5 * time.Minute), RefreshExpiresAt: in(30 * time.Minute), Scope: []string{"openid", "profile"}}, "rt"},
		"Keycloak, offline":          {`{"access_token":"at","refresh_expires_in":0,"refresh_token":"rt"}`, provider.Style{}, provider.Tokens{}, "rt"},
		"no life, a known one":       {`{"access_token":"at"}`, provider.Style{DefaultLife: time.Hour, RefreshLife: 24 * time.Hour}, provider.Tokens{ExpiresAt: in(time.Hour), RefreshExpiresAt: in(24 * time.Hour)}, ""},
		"a life of nothing":          {`{"access_token":"at","expires_in":0}`, provider.Style{DefaultLife: time.Hour}, provider.Tokens{ExpiresAt: in(time.Hour)}, ""},
		"a life below nothing":       {`{"access_token":"at","expires_in":-5}`, provider.Style{}, provider.Tokens{}, ""},
		"a life that is no number":   {`{"access_token":"at","expires_in":"soon"}`, provider.Style{DefaultLife: time.Hour}, provider.Tokens{ExpiresAt: in(time.Hour)}, ""},
		"a life that is NaN":         {`{"access_token":"at","expires_in":"NaN"}`, provider.Style{}, provider.Tokens{}, ""},
		"a life that is null":        {`{"access_token":"at","expires_in":null,"scope":null,"token_type":null,"refresh_token":null}`, provider.Style{}, provider.Tokens{}, ""},
		"a life that is an object":   {`{"access_token":"at","expires_in":{"a":1}}`, provider.Style{}, provider.Tokens{}, ""},
		"a life beyond reason":       {`{"access_token":"at","expires_in":1e300}`, provider.Style{}, provider.Tokens{ExpiresAt: in(10 * 365 * 24 * time.Hour)}, ""},
		"scopes as a list":           {`{"access_token":"at","scope":["a","b c",7,"a"]}`, provider.Style{}, provider.Tokens{Scope: []string{"a", "b", "c", "a"}}, ""},
		"scopes with commas":         {`{"access_token":"at","scope":"repo,gist , user"}`, provider.Style{}, provider.Tokens{Scope: []string{"repo", "gist", "user"}}, ""},
		"scopes that say nothing":    {`{"access_token":"at","scope":""}`, provider.Style{}, provider.Tokens{}, ""},
		"scopes of the wrong kind":   {`{"access_token":"at","scope":7}`, provider.Style{}, provider.Tokens{}, ""},
		"the offline scope":          {`{"access_token":"at","scope":"a offline_access"}`, provider.Style{OfflineScope: "offline_access"}, provider.Tokens{Scope: []string{"a"}}, ""},
		"a refresh token of no use":  {`{"access_token":"at","refresh_token":"a b"}`, provider.Style{}, provider.Tokens{}, ""},
		"an error beside a token":    {`{"access_token":"at","error":null}`, provider.Style{ErrorsWith200: true}, provider.Tokens{}, ""},
		"members that nobody knows":  {`{"access_token":"at","ext_expires_in":1,"x":{"y":[]}}`, provider.Style{}, provider.Tokens{}, ""},
		"another charset's own name": {`{"access_token":"at","Access_Token":"other"}`, provider.Style{}, provider.Tokens{}, ""},
	} {
		s := newSaid(t)
		s.body, s.config.Style = c.body, c.style
		got, err := s.refresh(t)
		require.NoError(t, err, name)
		require.Equal(t, "at", got.Access.Reveal(), name)
		require.Equal(t, c.refresh, got.Refresh.Reveal(), name)
		require.Equal(t, "Bearer", got.Type, name)
		require.Equal(t, c.want.ExpiresAt, got.ExpiresAt, name)
		require.Equal(t, c.want.RefreshExpiresAt, got.RefreshExpiresAt, name)
		require.Equal(t, c.want.Scope, got.Scope, name)
	}
	s := newSaid(t)
	s.body = `{"access_token":"at","scope":"api://todo/read","id_token":"it"}`
	got, err := s.refresh(t)
	require.NoError(t, err)
	require.Equal(t, []string{"api://todo/read", "openid"}, got.Scope, "an ID token is what openid is for")
}

func TestTokenAnswersThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ body, code string }{
		"nothing":               {``, "bad_json"},
		"no object":             {`[]`, "bad_json"},
		"half":                  {`{"access_token":"canary-access`, "bad_json"},
		"twice the same member": {`{"access_token":"canary-access","access_token":"other"}`, "bad_json"},
		"more behind":           {`{"access_token":"canary-access"}{}`, "bad_json"},
		"no token":              {`{"token_type":"Bearer","refresh_token":"canary-refresh-token"}`, "no_access_token"},
		"an empty token":        {`{"access_token":""}`, "no_access_token"},
		"a number":              {`{"access_token":7}`, "no_access_token"},
		"a line break":          {`{"access_token":"canary-access\r\nX: y"}`, "no_access_token"},
		"a token too long":      {`{"access_token":"` + strings.Repeat("x", 20_000) + `"}`, "no_access_token"},
		"an error in 200":       {`{"error":"bad_refresh_token"}`, "no_access_token"},
		"mac":                   {`{"access_token":"canary-access","token_type":"mac"}`, "token_type"},
		"DPoP":                  {`{"access_token":"canary-access","token_type":"DPoP"}`, "token_type"},
		"pop":                   {`{"access_token":"canary-access","token_type":"pop"}`, "token_type"},
		"N_A":                   {`{"access_token":"canary-access","token_type":"N_A"}`, "token_type"},
		"too much":              {`{"access_token":"at","x":"` + strings.Repeat("x", provider.MaxAnswer) + `"}`, "too_large"},
	} {
		s := newSaid(t)
		s.body = c.body
		_, err := s.refresh(t)
		e := requireError(t, err, provider.Invalid, c.code)
		require.True(t, e.Sent, name)
		require.NotContains(t, err.Error(), "canary", name)
	}
	s := newSaid(t)
	s.header.Set("Content-Type", "application/x-www-form-urlencoded")
	s.body = "access_token=canary-access"
	_, err := s.refresh(t)
	require.Contains(t, requireError(t, err, provider.Invalid, "not_json").Cure, "ask for JSON")
}

func requireError(t testing.TB, err error, kind provider.Kind, code string) *provider.Error {
	t.Helper()
	var e *provider.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, kind, e.Kind, "%v", err)
	require.Equal(t, code, e.Code, "%v", err)
	require.NotEmpty(t, e.Public())
	require.True(t, strings.HasSuffix(e.Public(), "."), e.Public())
	require.NotEmpty(t, e.Cure)
	return e
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	jsonType, text, html := "application/json;charset=UTF-8", "text/plain", "text/html; charset=utf-8"
	for _, c := range []struct {
		status           int
		media, body      string
		kind             provider.Kind
		code             string
		words            string
		header           string
		retry            time.Duration
		descriptionHolds string
	}{
		{400, jsonType, `{"error":"invalid_grant","error_description":"Token expired"}`, provider.Rejected, "invalid_grant", "no longer accepts", "", 0, "Token expired"},
		{403, jsonType, `{"error":"invalid_grant","error_description":"Unknown or invalid refresh token."}`, provider.Rejected, "invalid_grant", "no longer accepts", "", 0, "Unknown"},
		{400, jsonType, `{"error":"interaction_required"}`, provider.Rejected, "interaction_required", "see the user again", "", 0, ""},
		{401, jsonType, `{"error":"invalid_client"}`, provider.Misconfigured, "invalid_client", "proves itself", "", 0, ""},
		{400, jsonType, `{"error":"unauthorized_client"}`, provider.Misconfigured, "unauthorized_client", "grant type", "", 0, ""},
		{400, jsonType, `{"error":"invalid_scope"}`, provider.Misconfigured, "invalid_scope", "scopes", "", 0, ""},
		{400, jsonType, `{"error":"invalid_target"}`, provider.Misconfigured, "invalid_target", "resource", "", 0, ""},
		{400, jsonType, `{"error":"unsupported_grant_type"}`, provider.Misconfigured, "unsupported_grant_type", "grant type", "", 0, ""},
		{400, jsonType, `{"error":"invalid_target","error_description":"AADSTS9010010: The resource parameter provided"}`, provider.Misconfigured, "invalid_target", "Microsoft Entra", "", 0, "AADSTS9010010"},
		{400, jsonType, `{"error":"invalid_request","error_description":"AADSTS90009: Application is requesting"}`, provider.Misconfigured, "invalid_request", "scope is missing", "", 0, ""},
		{401, jsonType, `{"error":"invalid_client","error_description":"AADSTS7000222: The provided client secret keys are expired."}`, provider.Misconfigured, "invalid_client", "has expired", "", 0, ""},
		{400, jsonType, `{"error":"invalid_grant","error_description":"AADSTS700082: The refresh token has expired due to inactivity."}`, provider.Rejected, "invalid_grant", "not used", "", 0, ""},
		{400, jsonType, `{"error":"access_denied"}`, provider.Denied, "access_denied", "declined", "", 0, ""},
		{400, jsonType, `{"error":"server_error"}`, provider.Temporary, "server_error", "problem", "", 0, ""},
		{400, jsonType, `{"error":"temporarily_unavailable"}`, provider.Temporary, "temporarily_unavailable", "busy", "", 0, ""},
		{400, jsonType, `{"error":"something_else"}`, provider.Misconfigured, "something_else", "of its own", "", 0, ""},
		{400, "application/x-www-form-urlencoded", `error=invalid_grant&error_description=over`, provider.Rejected, "invalid_grant", "no longer", "", 0, "over"},
		{400, jsonType, `{"error":{"code":7}}`, provider.Invalid, "", "cannot be read", "", 0, ""},
		{400, jsonType, `{"error":"<b>bad</b>"}`, provider.Invalid, "", "cannot be read", "", 0, ""},
		{429, jsonType, `{"error":"invalid_grant"}`, provider.Limited, "invalid_grant", "fewer requests", "Retry-After: 120", 2 * time.Minute, ""},
		{429, text, `slow`, provider.Limited, "", "fewer requests", "Retry-After: Mon, 23 Nov 2026 06:05:00 GMT", 5 * time.Minute, ""},
		{429, jsonType, `{"errorCode":"E0000047"}`, provider.Limited, "", "fewer requests", "X-Rate-Limit-Reset: 1795413690", 90 * time.Second, ""},
		{429, text, ``, provider.Limited, "", "fewer requests", "Retry-After: 99999999", 24 * time.Hour, ""},
		{429, text, ``, provider.Limited, "", "fewer requests", "Retry-After: -1", 0, ""},
		{403, jsonType, `{"message":"You have exceeded a secondary rate limit"}`, provider.Limited, "", "fewer requests", "Retry-After: 60", time.Minute, ""},
		{500, jsonType, `{"error":"invalid_grant"}`, provider.Temporary, "invalid_grant", "problem", "", 0, ""},
		{503, html, `<p>Maintenance`, provider.Temporary, "", "problem", "Retry-After: 30", 30 * time.Second, ""},
		{502, text, `bad gateway`, provider.Temporary, "", "problem", "", 0, ""},
		{200, html, `<p>Sign in to the network`, provider.Temporary, "", "web page", "", 0, ""},
		{403, html, `<p>Blocked`, provider.Temporary, "", "web page", "", 0, ""},
		{404, text, `nothing`, provider.Misconfigured, "", "nothing at this address", "", 0, ""},
		{401, text, ``, provider.Misconfigured, "", "proves itself", "", 0, ""},
		{204, text, ``, provider.Invalid, "", "cannot be read", "", 0, ""},
	} {
		s := newSaid(t)
		s.status, s.body = c.status, c.body
		s.header.Set("Content-Type", c.media)
		if name, value, ok := strings.Cut(c.header, ": "); ok {
			s.header.Set(name, value)
		}
		_, err := s.refresh(t)
		e := requireError(t, err, c.kind, c.code)
		require.Contains(t, e.Public(), c.words, c.body)
		require.Equal(t, c.retry, e.RetryAfter, c.header)
		require.Equal(t, c.status, e.Status)
		require.True(t, e.Sent)
		require.Contains(t, e.Description, c.descriptionHolds)
	}
}
