package server_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/internal/ids"
	fakes "github.com/emcy/gateway/test/fakes/provider"
)

// TestConnectLink: who opens a link has to be who it was made for; it works once, in
// one browser, for ten minutes.
func TestConnectLink(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		fake := fakes.New(b.t, fakes.Now(b.env.Clock.Now))
		p := tn.profile(fake)
		a := tn.app()
		guest := tn.member("guest")
		path := tn.link(p, tn.owner.ID, a.id, "todos.write")
		require.Regexp(b.t, `^/connect/[a-z2-7]{26}$`, path)
		token := strings.TrimPrefix(path, "/connect/")
		require.Zero(b.t, tn.count("connect_links", "hash = ?", token), "only its hash is stored")

		// A link signs nobody in: the browser goes to the sign-in first, and comes back.
		br := tn.browser()
		card := br.get(path).location
		require.Equal(b.t, "/connect?link="+ids.Hash(token), card)
		signIn := br.get(card)
		require.True(b.t, strings.HasPrefix(signIn.location, "/sign-in?attempt=me."), signIn.body)
		page := br.get(signIn.location)
		require.Contains(b.t, page.body, "Runtime tickets")
		page = br.signIn(page, guest.Email, password)
		require.Equal(b.t, card, page.location, page.body)

		// Another account: both are named, and nothing begins.
		page = br.get(card)
		require.Equal(b.t, 403, page.status)
		for _, shown := range []string{"wrong_account", tn.owner.Email, guest.Email, "Sign out here"} {
			require.Contains(b.t, page.body, shown)
		}
		require.Equal(b.t, 403, br.submit("/connect", queryForm(page, "link", ids.Hash(token), "decision", "connect")).status)
		require.Zero(b.t, fake.Asked("authorize"))
		page = br.get(br.submit("/sign-out", page.fields()).location)
		page = br.signIn(page, tn.owner.Email, password)
		require.Equal(b.t, card, page.location, page.body)

		// The right one sees who asked for what.
		page = br.get(card)
		require.Equal(b.t, 200, page.status, page.body)
		for _, shown := range []string{"“Test App”", "Runtime tickets", "Change your todos", "Read your todos", tn.owner.Email, "Connect Northwind"} {
			require.Contains(b.t, page.body, shown)
		}
		require.NotContains(b.t, page.body, "Not now")
		callback := back(p, fake.Approve(b.t, br.away(page)))

		// From now on it belongs to this browser.
		elsewhere := tn.browser()
		elsewhere.own(tn.owner.Email)
		refused := elsewhere.submit("/connect", elsewhere.get(card).connecting("decision", "connect"))
		require.Equal(b.t, 403, refused.status)
		require.Contains(b.t, refused.body, "link_elsewhere")

		done := br.get(callback)
		require.Equal(b.t, "/connect/done?link="+ids.Hash(token), done.location, done.body)
		done = br.get(done.location)
		require.Equal(b.t, 200, done.status, done.body)
		for _, shown := range []string{"is connected", "Ada Lovelace", "Change your todos", "Go back to your app"} {
			require.Contains(b.t, done.body, shown)
		}
		require.Contains(b.t, tn.grants(tn.owner.ID)[0].Scopes, "todos.write")

		// Twice says so, on the page and in the form.
		used := br.get(card)
		require.Equal(b.t, 400, used.status)
		require.Contains(b.t, used.body, "link_used")
		require.Equal(b.t, 400, br.submit("/connect", page.connecting("decision", "connect")).status)

		late := tn.link(p, tn.owner.ID, a.id)
		b.env.Clock.Advance(11 * time.Minute)
		require.Equal(b.t, 404, br.get(br.get(late).location).status)
		require.Equal(b.t, 404, br.get("/connect/"+strings.Repeat("a", 26)+"b").status)
		require.Equal(b.t, 404, br.get(br.get("/connect/"+strings.Repeat("a", 26)).location).status)
		require.NotContains(b.t, b.log.String(), token)
	})
}

// TestConnectLinksAreBounded: a program that calls in a loop does not fill the table;
// the newest links are those that work.
func TestConnectLinksAreBounded(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		fake := fakes.New(b.t, fakes.Now(b.env.Clock.Now))
		p := tn.profile(fake)
		first := tn.link(p, tn.owner.ID, "cli_x")
		var last string
		for range 25 {
			b.env.Clock.Advance(time.Second)
			last = tn.link(p, tn.owner.ID, "cli_x")
		}
		require.EqualValues(b.t, 20, tn.count("connect_links", "subject = ?", tn.owner.ID))
		br := tn.browser()
		br.own(tn.owner.Email)
		require.Equal(b.t, 404, br.get(br.get(first).location).status)
		require.Equal(b.t, 200, br.get(br.get(last).location).status)
		b.env.Clock.Advance(2 * time.Hour)
		require.NoError(b.t, b.brokers[0].Connect.Sweep(b.t.Context()))
		require.Zero(b.t, tn.count("connect_links", "1 = 1"))
	})
}

// TestConnectMore: what a call needs beyond what a grant has is asked for together
// with what it has, and the grant keeps both. Less than was asked for is said.
func TestConnectMore(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		less := false
		fake := fakes.New(b.t, fakes.Now(b.env.Clock.Now), fakes.Answer(func(answer map[string]any) {
			if less {
				answer["scope"] = "todos.read"
			}
		}))
		p := tn.profile(fake)
		a, br := tn.app(), tn.browser()
		require.Equal(b.t, 303, br.get(back(p, fake.Approve(b.t, br.away(a.asks(br))))).status)
		require.Equal(b.t, []string{"todos.read"}, tn.grants(tn.owner.ID)[0].Scopes)

		tn.attach(p, "todos.write")
		card := a.asks(br)
		require.Contains(b.t, card.body, "without all permissions")
		require.Regexp(b.t, `(?s)Change your todos.*New`, card.body)
		less = true
		address := br.away(card)
		require.ElementsMatch(b.t, []string{"todos.read", "todos.write"}, strings.Fields(queryOf(b.t, address).Get("scope")))
		got := br.get(back(p, fake.Approve(b.t, address)))
		card = br.get(got.location)
		require.Equal(b.t, 200, card.status, card.location)
		require.Contains(b.t, card.body, "without all permissions", "the provider gave less, and the page says so")

		less = false
		got = br.get(br.get(back(p, fake.Approve(b.t, br.away(card)))).location)
		require.Contains(b.t, got.location, "code=", got.body)
		require.ElementsMatch(b.t, []string{"todos.read", "todos.write"}, tn.grants(tn.owner.ID)[0].Scopes)
	})
}
