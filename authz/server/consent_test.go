package server_test

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server/scopes"
	"github.com/emcy/gateway/authz/server/settings"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/tenancy"
)

const webCallback = "https://notes.example/cb"

// scope defines a scope that opens tools of the runtime "tickets".
func (tn *tenant) scope(name, title string, initial bool, tools ...string) {
	t := tn.b.t
	t.Helper()
	all := scopes.New(tn.b.env.DB)
	require.NoError(t, all.Create(t.Context(), tn.handle, scopes.Input{Name: name, Title: title, Initial: initial}))
	catalogue, err := all.Catalogue(t.Context(), tn.handle)
	require.NoError(t, err)
	made, _ := catalogue.Get(name)
	var row upstreamRow
	tn.write(func(tx *tenancy.Tx) error { return tx.DB().Where("slug = ?", "tickets").First(&row).Error })
	require.NoError(t, all.SetTools(t.Context(), tn.handle, name, scopes.Edition(made), row.ID, tools))
}

// preregistered is a client that somebody entered in the console.
func (tn *tenant) preregistered(name, redirect string) *app {
	tn.b.t.Helper()
	a := tn.app()
	tn.write(func(tx *tenancy.Tx) error {
		return tx.DB().Model(&clientRow{}).Where("id = ?", a.id).Updates(map[string]any{"kind": "preregistered", "name": name, "redirect_uris": `["` + redirect + `"]`}).Error
	})
	return a
}

func (p page) answer(t testing.TB) url.Values {
	t.Helper()
	u, err := url.Parse(p.location)
	require.NoError(t, err)
	return u.Query()
}

// TestConsentScopes: what is granted is what was asked for and ticked, and the page
// tells what was allowed before from what is new.
func TestConsentScopes(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		tn.scope("tickets:read", "Read <b>tickets</b>", false, "list_tickets")
		tn.scope("tickets:write", "Change tickets", false, "edit_ticket")
		a, br := tn.app(), tn.browser()
		granted := func(p page, change ...string) string {
			v := p.fields("decision", "allow")
			apply(v, change)
			got := a.redeem(br.submit("/consent", v).answer(b.t).Get("code"))
			require.Equal(b.t, 200, got.status, got.body)
			return got.Scope
		}
		p := a.consentPage(br, "scope", "mcp tickets:read tickets:write offline_access")
		for _, shown := range []string{
			"Read &lt;b&gt;tickets&lt;/b&gt;", "Change tickets", "1 tool: 1 read", "1 tool: 1 change", "1 tool: 1 may delete or overwrite", "list_tickets", "edit_ticket", "drop_tickets",
			"It will be able to read", "It will be able to read and change", "It will be able to delete or overwrite",
		} {
			require.Contains(b.t, p.body, shown)
		}
		require.NotContains(b.t, p.body, "Allowed before")
		require.NotContains(b.t, p.body, ">New<")
		require.NotContains(b.t, p.body, `name="scope.mcp"`, "there is no yes without it")
		require.Equal(b.t, "mcp tickets:read offline_access", granted(p, "scope.tickets:write", "-"))

		p = a.consentPage(br, "scope", "mcp tickets:write")
		require.Equal(b.t, 2, strings.Count(p.body, "Allowed before"), "mcp and tickets:read")
		require.Equal(b.t, 1, strings.Count(p.body, ">New<"))
		require.ElementsMatch(b.t, []string{"mcp", "tickets:read", "tickets:write"}, strings.Fields(granted(p)), "a further yes adds to the one before")

		p = a.consentPage(br, "scope", "mcp tickets:write")
		require.Equal(b.t, "mcp", granted(p, "scope.tickets:write", "-", "scope.tickets:read", "-"))
		p = a.consentPage(br, "scope", "mcp tickets:read")
		require.Equal(b.t, 1, strings.Count(p.body, "Allowed before"), "what was unticked is not kept")
		require.Equal(b.t, "mcp tickets:read", granted(p, "scope.tickets:write", "1", "scope.admin", "1", "scope.", "1"), "never more than was asked for")
		require.Equal(b.t, "mcp", granted(a.consentPage(br, "scope", "mcp"), "scope.mcp", "-", "scope.tickets:read", "-"))
	})
}

// TestConsentLife: a yes holds as long as the person says, within what the workspace allows.
func TestConsentLife(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		a := tn.app()
		for value, lives := range map[string]time.Duration{"24h": 24 * time.Hour, "720h": 30 * 24 * time.Hour, "max": 90 * 24 * time.Hour, "": 90 * 24 * time.Hour, "999999h": 90 * 24 * time.Hour, "-1h": 90 * 24 * time.Hour} {
			br := tn.browser()
			p := a.consentPage(br)
			require.Equal(b.t, 3, strings.Count(p.body, `name="life"`))
			begun := b.env.Clock.Now()
			got := a.redeem(br.submit("/consent", p.fields("decision", "allow", "life", value)).answer(b.t).Get("code"))
			require.Equal(b.t, 200, got.status, got.body)
			require.Equal(b.t, int64(1), tn.count("token_families", "id = ? AND expires_at = ?", got.family(), begun.Add(lives)), value)
		}
		tn.change(func(s *settings.Settings) { s.Family, s.RefreshIdle = 10*24*time.Hour, 10*24*time.Hour })
		p := a.consentPage(tn.browser())
		require.Equal(b.t, 2, strings.Count(p.body, `name="life"`))
		require.Contains(b.t, p.body, "at most 10 days")

		br := tn.browser()
		p = a.consentPage(br)
		got := a.redeem(br.submit("/consent", p.fields("decision", "allow", "life", "24h")).answer(b.t).Get("code"))
		b.env.Clock.Advance(24*time.Hour + time.Second)
		require.Equal(b.t, 400, a.refresh(got.Refresh).status, "the day is over")
	})
}

// TestB1EachClientIsAsked: a yes to one client is none to another one, to another
// runtime, to another redirect URI, or of another person.
func TestB1EachClientIsAsked(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		tn.change(func(s *settings.Settings) { s.RememberConsent = true })
		tn.upstream("other")
		br := tn.browser()
		first := tn.preregistered("Notes", webCallback)
		require.Equal(b.t, 303, br.decide(first.consentPage(br, "redirect_uri", webCallback), "allow").status)
		require.Contains(b.t, first.again(br), "code=", "or the rest shows nothing")
		require.Empty(b.t, tn.preregistered("Notes", webCallback).again(br), "another client of the same name")
		require.Empty(b.t, first.again(br, "resource", tn.mcp("other")), "another runtime")
		tn.write(func(tx *tenancy.Tx) error {
			return tx.DB().Model(&clientRow{}).Where("id = ?", first.id).Update("redirect_uris", `["`+webCallback+`","https://notes.example/cb2"]`).Error
		})
		require.Empty(b.t, first.again(br, "redirect_uri", "https://notes.example/cb2"), "another redirect URI")

		second := b.account("second")
		tn.add(second)
		theirs := tn.browser()
		p := theirs.get(first.authorize(theirs, "redirect_uri", webCallback).location)
		require.Equal(b.t, 303, theirs.signIn(p, second.Email, password).status)
		require.Empty(b.t, first.again(theirs), "another person")
	})
}

// again opens the authorization as a person who typed the address, signed in, and
// gives the answer's address; "" where the consent page is shown.
func (a *app) again(br *browser, change ...string) string {
	return a.againFrom(br, []string{"Sec-Fetch-Site", "none"}, change...)
}

func (a *app) againFrom(br *browser, header []string, change ...string) string {
	t := br.tn.b.t
	t.Helper()
	v := a.query(slices.Concat([]string{"redirect_uri", webCallback}, change)...)
	p := br.request("GET", "/authorize?"+v.Encode(), "", header...)
	require.Equal(t, 302, p.status, p.body)
	p = br.request("GET", p.location, "", header...)
	require.Equal(t, 303, p.status, p.body)
	if p = br.request("GET", p.location, "", header...); p.status == 200 {
		require.Contains(t, p.body, `value="allow"`)
		return ""
	}
	require.Equal(t, 303, p.status, p.body)
	return p.location
}

// TestB3Remembered: nobody is spared the page unless everything holds.
func TestB3Remembered(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		tn.scope("tickets:write", "Change tickets", false, "edit_ticket")
		a, br := tn.preregistered("Notes", webCallback), tn.browser()
		allow := func() {
			require.Equal(b.t, 303, br.decide(a.consentPage(br, "redirect_uri", webCallback), "allow").status)
		}
		allow()
		require.Empty(b.t, a.again(br), "the workspace does not want it")
		tn.change(func(s *settings.Settings) { s.RememberConsent = true })
		to := a.again(br)
		require.Contains(b.t, to, webCallback+"?code=")
		require.Contains(b.t, to, "iss=")
		require.Equal(b.t, int64(1), tn.count("audit_events", "action = 'consent.remembered'"))

		for name, header := range map[string][]string{
			"no header": {}, "cross-site": {"Sec-Fetch-Site", "cross-site"}, "same-site": {"Sec-Fetch-Site", "same-site"}, "same-origin": {"Sec-Fetch-Site", "same-origin"},
		} {
			require.Empty(b.t, a.againFrom(br, header), name)
		}
		none := []string{"Sec-Fetch-Site", "none"}
		p := br.request("GET", "/authorize?"+a.query("redirect_uri", webCallback).Encode(), "", none...)
		p = br.request("GET", p.location, "", none...)
		require.Equal(b.t, 200, br.request("GET", p.location, "", "Sec-Fetch-Site", "cross-site").status, "another page leads there")
		require.Equal(b.t, 200, br.request("GET", p.location, "").status)

		require.Empty(b.t, a.again(br, "prompt", "consent"))
		require.Empty(b.t, a.again(br, "scope", "mcp offline_access tickets:write"), "more than before")
		require.NotEmpty(b.t, a.again(br, "scope", "mcp"), "less than before")

		tn.write(func(tx *tenancy.Tx) error {
			return tx.DB().Model(&clientRow{}).Where("id = ?", a.id).Update("kind", "dcr").Error
		})
		require.Empty(b.t, a.again(br), "nobody vouches for it")
		tn.write(func(tx *tenancy.Tx) error {
			return tx.DB().Model(&clientRow{}).Where("id = ?", a.id).Update("kind", "preregistered").Error
		})
		require.NotEmpty(b.t, a.again(br))

		// What was given without asking is no new yes: 30 days count from the person's own.
		for range 29 {
			b.env.Clock.Advance(24 * time.Hour)
			signIn := br.get(a.authorize(br, "redirect_uri", webCallback).location)
			require.Equal(b.t, 303, br.signIn(signIn, tn.owner.Email, password).status)
			require.NotEmpty(b.t, a.again(br))
		}
		b.env.Clock.Advance(24 * time.Hour)
		signIn := br.get(a.authorize(br, "redirect_uri", webCallback).location)
		require.Equal(b.t, 303, br.signIn(signIn, tn.owner.Email, password).status)
		require.Empty(b.t, a.again(br), "a month has passed")

		local := tn.preregistered("Local", callback)
		require.Equal(b.t, 303, br.decide(local.consentPage(br), "allow").status)
		require.Empty(b.t, local.again(br, "redirect_uri", callback), "any program on this computer could have asked")
		scheme := tn.preregistered("Desktop", "com.example.app:/cb")
		require.Equal(b.t, 303, br.decide(scheme.consentPage(br, "redirect_uri", "com.example.app:/cb"), "allow").status)
		require.Empty(b.t, scheme.again(br, "redirect_uri", "com.example.app:/cb"), "any app could have")
	})
}

// TestB3RememberedAfterRevoking: a yes that was taken back is none.
func TestB3RememberedAfterRevoking(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		tn.change(func(s *settings.Settings) { s.RememberConsent = true })
		a, br := tn.preregistered("Notes", webCallback), tn.browser()
		p := a.consentPage(br, "redirect_uri", webCallback)
		require.Equal(b.t, 303, br.submit("/consent", p.fields("decision", "allow", "life", "24h")).status)
		to := a.again(br)
		require.NotEmpty(b.t, to)
		u, err := url.Parse(to)
		require.NoError(b.t, err)
		b.env.Clock.Advance(time.Second)
		got := a.redeem(u.Query().Get("code"), "redirect_uri", webCallback)
		require.Equal(b.t, 200, got.status, got.body)
		require.Equal(b.t, int64(1), tn.count("token_families", "id = ? AND expires_at = ?", got.family(), b.env.Clock.Now().Add(24*time.Hour-time.Second)), "no longer than the first yes")

		apps := br.get("/me/apps")
		require.Equal(b.t, "/me/apps?done=ended-all", br.submit("/me/apps/revoke-all", apps.fields()).location)
		require.Empty(b.t, a.again(br))
	})
}

func TestHeldAndBlockedClients(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		a, br := tn.app(), tn.browser()
		p := a.consentPage(br)
		for status, says := range map[string]string{"held": "client_held", "blocked": "client_blocked"} {
			tn.write(func(tx *tenancy.Tx) error {
				return tx.DB().Model(&clientRow{}).Where("id = ?", a.id).Update("status", status).Error
			})
			for _, answer := range []page{a.authorize(br), br.get("/consent?attempt=" + p.fields().Get("attempt")), br.decide(p, "allow")} {
				require.Equal(b.t, 403, answer.status, status)
				require.Contains(b.t, answer.body, says)
				require.Empty(b.t, answer.location)
			}
		}
		require.Equal(b.t, int64(0), tn.count("codes", "1 = 1"))
	})
}

// TestUnknownClientPage names what the person has to do in their own program.
func TestUnknownClientPage(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		a, br := tn.app(), tn.browser()
		p := a.authorize(br, "client_id", "cli_gone")
		require.Equal(b.t, 400, p.status)
		for _, says := range []string{"invalid_client", "cli_gone", "Claude Code", "/mcp", "rm -rf ~/.mcp-auth", "Request id"} {
			require.Contains(b.t, p.body, says)
		}
		require.NotContains(b.t, a.authorize(br, "client_id", "call 555 0100 now").body, "555", "an id is no place for a message")
		require.Contains(b.t, a.authorize(br, "redirect_uri", "https://evil.example/cb").body, "invalid_redirect_uri")
	})
}

func TestNothingHere(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		br := tn.browser()
		p := br.request("GET", "/nothing/here", "", "Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
		require.Equal(b.t, 404, p.status)
		require.Contains(b.t, p.body, "There is nothing here")
		require.Equal(b.t, "Accept", p.header.Get("Vary"))
		for _, other := range []page{
			br.get("/nothing/here"), br.request("GET", "/nothing/here", "", "Accept", "application/json"), br.request("POST", "/nothing/here", "", "Accept", "text/html"),
			br.request("GET", "/.well-known/nothing", "", "Accept", "text/html"),
		} {
			require.Equal(b.t, 404, other.status)
			require.Equal(b.t, "application/json", other.header.Get("Content-Type"), strconv.Itoa(other.status))
		}
	})
}

// TestA14BindingOfAReturn: a return from another server counts in the browser that set
// out for it after its person's yes, once and for ten minutes.
func TestA14BindingOfAReturn(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		f := b.server.Flow()
		mine, theirs := ids.Secret("emc_br"), ids.Secret("emc_br")
		other := b.tenant("other")
		bind := func(state string) string {
			cookie, err := f.Bind(b.t.Context(), tn.handle, mine, "att_1", state)
			require.NoError(b.t, err)
			return cookie
		}
		cookie, second := bind("state-1"), bind("state-2")
		for name, try := range map[string][3]string{
			"no cookie": {mine, "", "state-1"}, "no browser": {"", cookie, "state-1"}, "another browser": {theirs, cookie, "state-1"}, "another state": {mine, cookie, "state-2"},
			"another cookie": {mine, second, "state-1"}, "no state": {mine, cookie, ""}, "an invented cookie": {mine, ids.Secret("emc_go"), "state-1"},
		} {
			_, err := f.Unbind(b.t.Context(), tn.handle, try[0], try[1], try[2])
			require.Error(b.t, err, name)
		}
		_, err := f.Unbind(b.t.Context(), other.handle, mine, cookie, "state-1")
		require.Error(b.t, err, "another tenant")

		attempt, err := f.Unbind(b.t.Context(), tn.handle, mine, cookie, "state-1")
		require.NoError(b.t, err, "what failed before used nothing up")
		require.Equal(b.t, "att_1", attempt)
		_, err = f.Unbind(b.t.Context(), tn.handle, mine, cookie, "state-1")
		require.Error(b.t, err, "a second time")

		wins := parallel(8, func() bool { _, err := f.Unbind(b.t.Context(), tn.handle, mine, second, "state-2"); return err == nil })
		require.Equal(b.t, 1, len(slices.DeleteFunc(wins, func(won bool) bool { return !won })), "one of eight at once")

		third := bind("state-3")
		b.env.Clock.Advance(10 * time.Minute)
		_, err = f.Unbind(b.t.Context(), tn.handle, mine, third, "state-3")
		require.Error(b.t, err, "too late")
	})
}
