//go:build e2e

package e2e

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/test/fakes/oidc"
	"github.com/emcy/gateway/test/fakes/upstream"
)

// The rows about a provider that the gateway itself is a client of run against the
// workspace's sign-in provider, which is the one such provider that there is.

// TestA13OneProvidersAnswerIsNotAnothers is the mix-up (RFC 9207; RFC 8414, section 3.3):
// each provider has a callback and an issuer, compared by the byte, and what does not fit
// is sent to no token endpoint.
func TestA13OneProvidersAnswerIsNotAnothers(t *testing.T) {
	t.Parallel()
	row(t, "a13", func(h *house) {
		honest, evil := oidc.New(h.t), oidc.New(h.t)
		atHonest, atEvil := h.provider(honest), h.provider(evil)
		require.NotEqual(h.t, atHonest, atEvil)
		client := h.client("Scripted client")
		p := h.stranger()
		refused := func(what, path string, q url.Values) {
			h.t.Helper()
			page := h.send(p, http.MethodGet, h.origin+path+"?"+q.Encode(), "")
			require.Contains(h.t, []int{http.StatusBadRequest, http.StatusBadGateway}, page.Status, "%s: %s", what, page.Body)
			require.Regexp(h.t, "wrong_issuer|sign_in_over|not_started_here", string(page.Body), what)
			require.Zero(h.t, honest.Asked("/token"), what)
			require.Zero(h.t, evil.Asked("/token"), what)
			for _, cookie := range page.Header.Values("Set-Cookie") {
				require.NotContains(h.t, cookie, "session=emc", what)
			}
		}
		begin := func(provider string) string {
			return h.leave(p, provider, h.origin+"/authorize?"+h.query(client).Encode())
		}

		// Whoever runs the evil one got an honest code, and gives it back as its own.
		code := honest.Approve(begin(atHonest)).Get("code")
		answer := evil.Approve(begin(atEvil))
		answer.Set("code", code)
		answer.Set("iss", honest.Issuer)
		refused("an honest code from the evil one", idpCallback(atEvil), answer)
		refused("at the other's callback", idpCallback(atHonest), evil.Approve(begin(atEvil)))
		for what, edit := range map[string]func(url.Values){
			"no iss, though it is promised": func(q url.Values) { q.Del("iss") }, "empty iss": func(q url.Values) { q.Set("iss", "") }, "a slash more": func(q url.Values) { q.Set("iss", honest.Issuer+"/") },
			"upper case": func(q url.Values) { q.Set("iss", strings.ToUpper(honest.Issuer)) }, "another one's": func(q url.Values) { q.Set("iss", evil.Issuer) }, "two": func(q url.Values) { q.Add("iss", evil.Issuer) },
			"an error of another's": func(q url.Values) { q.Del("code"); q.Set("error", "access_denied"); q.Set("iss", evil.Issuer) },
		} {
			q := honest.Approve(begin(atHonest))
			edit(q)
			refused(what, idpCallback(atHonest), q)
		}
		// The evil one cannot speak for the honest one from the beginning either.
		evil.Metadata = func(m map[string]any) { m["issuer"] = honest.Issuer }
		form, err := h.open(h.owner, h.gateway.Console+"/"+h.slug+"/sign-in/new").Form("issuer", "client_id")
		require.NoError(h.t, err)
		page := h.post(h.owner, form.Set("name", "Evil").Set("issuer", evil.Issuer+"/").Set("client_id", "gateway"))
		require.Equal(h.t, http.StatusUnprocessableEntity, page.Status)

		page = h.send(p, http.MethodGet, h.origin+idpCallback(atHonest)+"?"+honest.Approve(begin(atHonest)).Encode(), "")
		require.Equal(h.t, http.StatusSeeOther, page.Status, "the honest one, by itself: %s", page.Body)
		require.Equal(h.t, 1, honest.Asked("/token"))
	})
}

// TestA14AnAnswerBelongsToOneBrowserOnce: no cookie, another browser's, another
// workspace's address, a replay and one that came late are refused, and none of them
// makes the gateway redeem the provider's code.
func TestA14AnAnswerBelongsToOneBrowserOnce(t *testing.T) {
	t.Parallel()
	row(t, "a14", func(h *house) {
		fake := oidc.New(h.t)
		provider := h.provider(fake)
		client := h.client("Scripted client")
		other := settle(h.t, h.gateway, "a14b")
		other.runs(upstream.Config{})
		p, theirs := h.stranger(), h.stranger()
		authorize := h.origin + "/authorize?" + h.query(client).Encode()
		h.open(theirs, authorize) // it has a name here, too
		address := h.leave(p, provider, authorize)
		sent, err := url.Parse(address)
		require.NoError(h.t, err)
		require.GreaterOrEqual(h.t, len(sent.Query().Get("state")), 43, "256 bits")
		require.Equal(h.t, "S256", sent.Query().Get("code_challenge_method"))
		q := fake.Approve(address)
		callback := idpCallback(provider) + "?" + q.Encode()
		flipped := url.Values{"code": q["code"], "iss": q["iss"], "state": {"A" + q.Get("state")[1:]}}
		for what, got := range map[string]int{
			"no cookie":         h.send(h.stranger(), http.MethodGet, h.origin+callback, "").Status,
			"another browser":   h.send(theirs, http.MethodGet, h.origin+callback, "").Status,
			"another workspace": h.send(p, http.MethodGet, other.origin+callback, "").Status,
			"no state":          h.send(p, http.MethodGet, h.origin+idpCallback(provider)+"?code="+q.Get("code"), "").Status,
			"another state":     h.send(p, http.MethodGet, h.origin+idpCallback(provider)+"?"+flipped.Encode(), "").Status,
			"state twice":       h.send(p, http.MethodGet, h.origin+callback+"&state=x", "").Status,
		} {
			require.Equal(h.t, http.StatusBadRequest, got, what)
			require.Zero(h.t, fake.Asked("/token"), what)
		}
		require.Equal(h.t, http.StatusSeeOther, h.send(p, http.MethodGet, h.origin+callback, "").Status, "nothing of it used the answer up")
		require.Equal(h.t, http.StatusBadRequest, h.send(p, http.MethodGet, h.origin+callback, "").Status, "a replay")
		require.Equal(h.t, 1, fake.Asked("/token"))

		if h.gateway.Database != "" { // the clock is the gateway's, so its end is moved to now
			late := fake.Approve(h.leave(p, provider, authorize+"&prompt=login"))
			db, err := pgx.Connect(h.t.Context(), h.gateway.Database)
			require.NoError(h.t, err)
			defer func() { _ = db.Close(h.t.Context()) }()
			moved, err := db.Exec(h.t.Context(), "update provider_sign_ins set expires_at = now() - interval '1 second' where tenant_id = (select id from tenants where slug = $1)", h.slug)
			require.NoError(h.t, err)
			require.Positive(h.t, moved.RowsAffected())
			require.Equal(h.t, http.StatusBadRequest, h.send(p, http.MethodGet, h.origin+idpCallback(provider)+"?"+late.Encode(), "").Status, "too late")
			require.Equal(h.t, 1, fake.Asked("/token"))
		}
	})
}
