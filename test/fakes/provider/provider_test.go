package provider_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/test/fakes/provider"
)

// rider is a client that does nothing cleverly.
type rider struct {
	*provider.Provider
	t testing.TB
}

func newRider(t testing.TB, options ...provider.Option) *rider {
	t.Helper()
	return &rider{provider.New(t, options...), t}
}

func (r *rider) post(address string, form url.Values) (int, map[string]any, error) {
	r.t.Helper()
	form.Set("client_id", r.ClientID)
	form.Set("client_secret", r.ClientSecret)
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, address, strings.NewReader(form.Encode()))
	require.NoError(r.t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, nil, err
	}
	var body map[string]any
	_ = json.Unmarshal(raw, &body) // a page, or a form, is no object
	return res.StatusCode, body, nil
}

func (r *rider) connect(more url.Values) map[string]any {
	r.t.Helper()
	q := url.Values{"response_type": {"code"}, "client_id": {r.ClientID}, "redirect_uri": {"http://127.0.0.1/cb"}, "state": {"s"}, "scope": {"openid offline_access"}, "code_challenge_method": {"S256"}, "code_challenge": {"2KfT10pRvbEHCad_kfvn6HmTv0fwF8aU0HX0lYc3ywY"}}
	for k, v := range more {
		q[k] = v
	}
	back := r.Approve(r.t, r.Authorization+"?"+q.Encode())
	require.Equal(r.t, "s", back.Get("state"))
	status, body, err := r.post(r.Token, url.Values{"grant_type": {"authorization_code"}, "code": {back.Get("code")}, "redirect_uri": {"http://127.0.0.1/cb"}, "code_verifier": {"verifier-0123456789-0123456789-0123456789-01"}})
	require.NoError(r.t, err)
	require.Equal(r.t, http.StatusOK, status)
	return body
}

func (r *rider) refresh(token any) (int, map[string]any, error) {
	r.t.Helper()
	text, _ := token.(string)
	return r.post(r.Token, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {text}})
}

func TestRotationAndReuse(t *testing.T) {
	t.Parallel()
	r := newRider(t)
	first := r.connect(nil)
	status, second, err := r.refresh(first["refresh_token"])
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status)
	require.NotEqual(t, first["refresh_token"], second["refresh_token"])
	require.Equal(t, []int{1, 1, 0}, []int{r.Refreshes(), r.RefreshRequests(), r.Reuses()})
	status, body, err := r.refresh(first["refresh_token"])
	require.NoError(t, err)
	require.Equal(t, http.StatusBadRequest, status)
	require.Equal(t, "invalid_grant", body["error"])
	require.Equal(t, []int{1, 2, 1}, []int{r.Refreshes(), r.RefreshRequests(), r.Reuses()})
	status, _, err = r.refresh(second["refresh_token"])
	require.NoError(t, err)
	require.Equal(t, http.StatusBadRequest, status, "the family is gone")
	last := r.Ledger()[len(r.Ledger())-1]
	require.Equal(t, []any{"token", "refresh_token", 1, 2, false, false, provider.Ada.ID}, []any{last.Endpoint, last.Grant, last.Family, last.Rotation, last.Reused, last.Committed, last.User})
	for _, name := range []string{"access_token", "refresh_token", "id_token"} {
		require.Contains(t, r.Secrets(), first[name])
	}
}

func TestGraceGivesTheSameSuccessor(t *testing.T) {
	t.Parallel()
	now := time.Now()
	r := newRider(t, provider.Grace(10*time.Second), provider.Now(func() time.Time { return now }))
	first := r.connect(nil)
	_, second, err := r.refresh(first["refresh_token"])
	require.NoError(t, err)
	now = now.Add(10 * time.Second)
	_, again, err := r.refresh(first["refresh_token"])
	require.NoError(t, err)
	require.Equal(t, second["refresh_token"], again["refresh_token"])
	require.Zero(t, r.Reuses())
	now = now.Add(time.Second)
	status, _, err := r.refresh(first["refresh_token"])
	require.NoError(t, err)
	require.Equal(t, http.StatusBadRequest, status)
	require.Equal(t, 1, r.Reuses())
}

func TestFaults(t *testing.T) {
	t.Parallel()
	r := newRider(t)
	token := r.connect(nil)["refresh_token"]
	for _, c := range []struct {
		fault  provider.Fault
		status int
	}{{provider.Status(500), 500}, {provider.Limited(time.Minute), 429}, {provider.HTML(503), 503}, {provider.Redirect("http://127.0.0.1/"), 307}, {provider.Huge(), 200}, {provider.Refuse(400, "invalid_scope", "x"), 400}, {provider.CutBefore(), 0}} {
		r.Fail("refresh", c.fault, 1)
		status, _, err := r.refresh(token)
		require.Equal(t, c.status, status)
		require.Equal(t, c.status == 0, err != nil)
	}
	require.Zero(t, r.Refreshes(), "none of them did anything")
	r.Fail("refresh", provider.Slow(10*time.Millisecond), 1)
	status, body, err := r.refresh(token)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status)
	for i, fault := range []provider.Fault{provider.Cut(), provider.Half(), provider.BadJSON()} {
		token = body["refresh_token"]
		r.Fail("refresh", fault, 1)
		_, answer, err := r.refresh(token)
		require.True(t, err != nil || answer == nil)
		require.Equal(t, 2+i, r.Refreshes(), "it was done all the same")
		body = r.connect(nil)
	}
	r.Fail("token", provider.Status(500), -1)
	for range 3 {
		status, _, err = r.refresh(body["refresh_token"])
		require.NoError(t, err)
		require.Equal(t, http.StatusInternalServerError, status)
	}
	r.Heal()
	status, _, err = r.refresh(body["refresh_token"])
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status)
	hold := make(chan struct{})
	r.Fail("metadata", provider.Hold(hold), 1)
	close(hold)
	res, err := http.Get(r.Issuer + "/.well-known/openid-configuration")
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusOK, res.StatusCode)
}

func TestWhatUsersDo(t *testing.T) {
	t.Parallel()
	r := newRider(t)
	first := r.connect(nil)
	r.SignIn(provider.User{ID: "2", Name: "Bob", Email: "bob@example.com"})
	second := r.connect(nil)
	r.TakeBack(provider.Ada.ID)
	status, _, err := r.refresh(first["refresh_token"])
	require.NoError(t, err)
	require.Equal(t, http.StatusBadRequest, status)
	status, _, err = r.refresh(second["refresh_token"])
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status)
	r.Deny("access_denied")
	q := url.Values{"response_type": {"code"}, "client_id": {r.ClientID}, "redirect_uri": {"http://127.0.0.1/cb?x=y"}, "code_challenge_method": {"S256"}, "code_challenge": {"x"}}
	back := r.Approve(t, r.Authorization+"?"+q.Encode())
	require.Equal(t, []string{"access_denied", "y", r.Issuer}, []string{back.Get("error"), back.Get("x"), back.Get("iss")})
	old := r.ClientSecret
	require.NotEqual(t, old, r.NewSecret())
	r.ClientSecret = old
	status, body, err := r.refresh(second["refresh_token"])
	require.NoError(t, err)
	require.Equal(t, []any{http.StatusUnauthorized, "invalid_client"}, []any{status, body["error"]})
}

// TestClientByDocument: a client id that is an address stands for what is there.
func TestClientByDocument(t *testing.T) {
	t.Parallel()
	p := provider.New(t)
	var id string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"client_id": id, "redirect_uris": []string{"http://127.0.0.1/cb"}, "token_endpoint_auth_method": "none"})
	}))
	t.Cleanup(server.Close)
	id = server.URL + "/client"
	r := &rider{p, t}
	r.ClientID, r.ClientSecret = id, ""
	require.NotEmpty(t, r.connect(nil)["access_token"])
	require.Equal(t, id, p.Ledger()[len(p.Ledger())-1].Client)
}

func TestStart(t *testing.T) {
	t.Parallel()
	_, _, err := provider.Start(provider.As("nobody"))
	require.Error(t, err)
	p, stop, err := provider.Start(provider.As("keycloak"), provider.Tenant("other"))
	require.NoError(t, err)
	require.Equal(t, p.Origin+"/realms/other", p.Issuer)
	stop()
}
