//go:build e2e

package e2e

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/test/e2e/httpflow"
	fakes "github.com/emcy/gateway/test/fakes/provider"
	"github.com/emcy/gateway/test/fakes/upstream"
)

// The rows about a provider that the gateway itself is a client of, against the provider
// behind a runtime, where people connect their accounts.

// downstream makes a profile of a provider in the console and gives it to the runtime.
func (h *house) downstream(fake *fakes.Provider, name string) *httpflow.Profile {
	h.t.Helper()
	profile, err := h.owner.NewProfile(h.t.Context(), h.slug, httpflow.ProfileForm{
		Name: name, Issuer: fake.Issuer, Scopes: []string{"todos.read"}, ClientID: fake.ClientID, ClientSecret: fake.ClientSecret,
	}, nil)
	require.NoError(h.t, err)
	require.NoError(h.t, h.owner.Attach(h.t.Context(), h.runtime, profile, "calls", "todos.read"))
	return profile
}

// card takes a person through the yes to the card that asks for the account.
func (h *house) card(p *httpflow.Person, client *httpflow.Client) *httpflow.Page {
	h.t.Helper()
	page := h.consent(p, client)
	form, err := page.Form("decision")
	require.NoError(h.t, err)
	answer := h.post(p, form.Press("decision", "allow"))
	require.NoError(h.t, answer.Expect(http.StatusSeeOther))
	return h.open(p, answer.Location().String())
}

// consent takes a person to the page that asks for the yes.
func (h *house) consent(p *httpflow.Person, client *httpflow.Client) *httpflow.Page {
	h.t.Helper()
	page := h.open(p, h.origin+"/authorize?"+h.query(client).Encode())
	if form, err := page.Form("attempt", "email", "password"); err == nil {
		answer := h.post(p, form.Set("email", p.Email).Set("password", p.Password))
		require.NoError(h.t, answer.Expect(http.StatusSeeOther))
		page = h.open(p, answer.Location().String())
	}
	require.Contains(h.t, page.Text(), "Allow access to")
	return page
}

// away presses Connect and gives the provider's address.
func (h *house) away(p *httpflow.Person, card *httpflow.Page) string {
	h.t.Helper()
	form, err := card.FormTo("/connect")
	require.NoError(h.t, err)
	answer := h.post(p, form.Press("decision", "connect"))
	require.NoError(h.t, answer.Expect(http.StatusSeeOther))
	return answer.Location().String()
}

// own is the card on the person's own page.
func (h *house) own(p *httpflow.Person, profile *httpflow.Profile) *httpflow.Page {
	h.t.Helper()
	return h.open(p, h.origin+"/connect?profile="+profile.ID)
}

func (h *house) answered(profile *httpflow.Profile, q url.Values) string {
	return h.origin + "/connect/callback/" + profile.ID + "?" + q.Encode()
}

// TestA13DownstreamAnswersAreNotMixedUp: what does not come from the provider that was
// asked is sent to no token endpoint, on errors too (RFC 9207, section 2.4).
func TestA13DownstreamAnswersAreNotMixedUp(t *testing.T) {
	t.Parallel()
	row(t, "a13d", func(h *house) {
		honest, evil := fakes.New(h.t), fakes.New(h.t)
		first := h.downstream(honest, "Northwind")
		client, p := h.client("Scripted client"), h.stranger()
		require.Equal(h.t, http.StatusSeeOther, h.send(p, http.MethodGet, h.answered(first, honest.Approve(h.t, h.away(p, h.card(p, client)))), "").Status)
		require.Equal(h.t, 1, honest.Asked("token"), "the honest one, by itself")
		second, err := h.owner.NewProfile(h.t.Context(), h.slug, httpflow.ProfileForm{
			Name: "Southwind", Issuer: evil.Issuer, Scopes: []string{"todos.read"}, ClientID: evil.ClientID, ClientSecret: evil.ClientSecret,
		}, nil)
		require.NoError(h.t, err)
		refused := func(what, address string) {
			h.t.Helper()
			page := h.send(p, http.MethodGet, address, "")
			require.Contains(h.t, []int{http.StatusBadRequest, http.StatusBadGateway}, page.Status, "%s: %s", what, page.Body)
			require.Regexp(h.t, "wrong_issuer|connect_over", string(page.Body), what)
			require.Equal(h.t, 1, honest.Asked("token"), what)
			require.Zero(h.t, evil.Asked("token"), what)
		}
		begin := func(profile *httpflow.Profile) string { return h.away(p, h.own(p, profile)) }
		answer := evil.Approve(h.t, begin(second))
		answer.Set("code", honest.Approve(h.t, begin(first)).Get("code"))
		answer.Set("iss", honest.Issuer)
		refused("an honest code from the evil one", h.answered(second, answer))
		refused("at the other's callback", h.answered(first, evil.Approve(h.t, begin(second))))
		for what, edit := range map[string]func(url.Values){
			"no iss, though it is promised": func(q url.Values) { q.Del("iss") }, "a slash more": func(q url.Values) { q.Set("iss", honest.Issuer+"/") },
			"upper case": func(q url.Values) { q.Set("iss", strings.ToUpper(honest.Issuer)) }, "another one's": func(q url.Values) { q.Set("iss", evil.Issuer) },
			"an error of another's": func(q url.Values) { q.Del("code"); q.Set("error", "access_denied"); q.Set("iss", evil.Issuer) },
		} {
			q := honest.Approve(h.t, begin(first))
			edit(q)
			refused(what, h.answered(first, q))
		}
	})
}

// TestA14DownstreamAnswersBelongToOneBrowserOnce: no cookie, another browser's, another
// workspace's address, a replay and one that came late are refused, and none of them
// makes the gateway redeem the provider's code. The same is B2: who said yes in one
// browser cannot be finished in another.
func TestA14DownstreamAnswersBelongToOneBrowserOnce(t *testing.T) {
	t.Parallel()
	row(t, "a14d", func(h *house) {
		fake := fakes.New(h.t)
		profile := h.downstream(fake, "Northwind")
		client := h.client("Scripted client")
		other := settle(h.t, h.gateway, "a14e")
		p, theirs := h.stranger(), h.stranger()
		h.consent(theirs, client) // signed in, too
		card := h.card(p, client)
		require.Zero(h.t, len(fake.Ledger())-fake.Asked("metadata"), "nothing is sent before the person says yes")
		address := h.away(p, card)
		sent, err := url.Parse(address)
		require.NoError(h.t, err)
		require.GreaterOrEqual(h.t, len(sent.Query().Get("state")), 43, "256 bits")
		require.Equal(h.t, "S256", sent.Query().Get("code_challenge_method"))
		q := fake.Approve(h.t, address)
		callback := h.answered(profile, q)
		flipped := url.Values{"code": q["code"], "iss": q["iss"], "state": {"A" + q.Get("state")[1:]}}
		other.runs(upstream.Config{})
		for what, got := range map[string]int{
			"no cookie":         h.send(h.stranger(), http.MethodGet, callback, "").Status,
			"another browser":   h.send(theirs, http.MethodGet, callback, "").Status,
			"another workspace": h.send(p, http.MethodGet, strings.Replace(callback, h.origin, other.origin, 1), "").Status,
			"another state":     h.send(p, http.MethodGet, h.answered(profile, flipped), "").Status,
			"state twice":       h.send(p, http.MethodGet, callback+"&state=x", "").Status,
		} {
			require.Equal(h.t, http.StatusBadRequest, got, what)
			require.Zero(h.t, fake.Asked("token"), what)
		}
		require.Equal(h.t, http.StatusSeeOther, h.send(p, http.MethodGet, callback, "").Status, "nothing of it used the answer up")
		require.Equal(h.t, http.StatusBadRequest, h.send(p, http.MethodGet, callback, "").Status, "a replay")
		require.Equal(h.t, 1, fake.Asked("token"))

		if h.gateway.Database != "" { // the clock is the gateway's, so its end is moved to now
			late := h.answered(profile, fake.Approve(h.t, h.away(p, h.own(p, profile))))
			db, err := pgx.Connect(h.t.Context(), h.gateway.Database)
			require.NoError(h.t, err)
			defer func() { _ = db.Close(h.t.Context()) }()
			moved, err := db.Exec(h.t.Context(), "update connects set expires_at = now() - interval '1 second' where tenant_id = (select id from tenants where slug = $1)", h.slug)
			require.NoError(h.t, err)
			require.Positive(h.t, moved.RowsAffected())
			require.Equal(h.t, http.StatusBadRequest, h.send(p, http.MethodGet, late, "").Status, "too late")
			require.Equal(h.t, 1, fake.Asked("token"))
		}
	})
}

// TestB1DownstreamAccountIsNotAnotherClients: an account that was connected for one
// client gives a second one, registered by itself, nothing: it gets the consent page,
// and the provider sees no request.
func TestB1DownstreamAccountIsNotAnotherClients(t *testing.T) {
	t.Parallel()
	row(t, "b1d", func(h *house) {
		fake := fakes.New(h.t)
		profile := h.downstream(fake, "Northwind")
		p := h.stranger()
		callback := h.answered(profile, fake.Approve(h.t, h.away(p, h.card(p, h.client("First")))))
		require.Equal(h.t, http.StatusSeeOther, h.send(p, http.MethodGet, callback, "").Status)
		before := len(fake.Ledger())
		page := h.consent(p, h.client("Second"))
		require.Contains(h.t, page.Text(), "Second")
		require.Len(h.t, fake.Ledger(), before)
	})
}
