package server_test

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server/oplib"
	"github.com/emcy/gateway/authz/server/settings"
	"github.com/emcy/gateway/tenancy"
)

// device is an answer of the device authorization endpoint.
type device struct {
	tokens
	DeviceCode string `json:"device_code"`
	UserCode   string `json:"user_code"`
	URI        string `json:"verification_uri"`
	Complete   string `json:"verification_uri_complete"`
	Expires    int    `json:"expires_in"`
	Interval   int    `json:"interval"`
}

// headless is a public client that may use the device grant.
func (tn *tenant) headless() *app {
	tn.b.t.Helper()
	tn.change(func(s *settings.Settings) { s.Device = true })
	a := tn.app()
	tn.write(func(tx *tenancy.Tx) error {
		return tx.DB().Model(&serviceRow{}).Where("id = ?", a.id).Update("grant_types", `["authorization_code","refresh_token","`+oplib.GrantDevice+`"]`).Error
	})
	return a
}

func (a *app) startDevice(change ...string) device {
	t := a.tn.b.t
	t.Helper()
	v := url.Values{"client_id": {a.id}, "scope": {"mcp offline_access"}}
	apply(v, change)
	out := device{tokens: a.post("/device_authorization", v)}
	require.NoError(t, json.Unmarshal([]byte(out.body), &out))
	return out
}

func (a *app) poll(code string, change ...string) tokens {
	a.tn.b.t.Helper()
	v := url.Values{"grant_type": {oplib.GrantDevice}, "client_id": {a.id}, "device_code": {code}}
	apply(v, change)
	return a.post("/token", v)
}

// confirmed takes a browser from the device page to the consent page.
func (br *browser) confirmed(d device) page {
	t := br.tn.b.t
	t.Helper()
	p := br.get(d.Complete)
	require.Equal(t, 200, p.status, p.body)
	p = br.submit("/device", p.fields("user_code", d.UserCode, "decision", "continue"))
	require.True(t, strings.HasPrefix(p.location, "/sign-in?attempt="), p.body)
	p = br.get(p.location)
	if p.status == 200 {
		p = br.signIn(p, br.tn.owner.Email, password)
	}
	require.True(t, strings.HasPrefix(p.location, "/consent?attempt="), p.location)
	p = br.get(p.location)
	require.Equal(t, 200, p.status, p.body)
	return p
}

// decideDevice answers on the consent page and reads the page that ends it.
func (br *browser) decideDevice(d device, decision string) page {
	t := br.tn.b.t
	t.Helper()
	p := br.decide(br.confirmed(d), decision)
	require.Equal(t, 303, p.status, p.body)
	require.True(t, strings.HasPrefix(p.location, "/done?"), p.location)
	p = br.get(p.location)
	require.Equal(t, 200, p.status, p.body)
	return p
}

var userCodeShape = regexp.MustCompile(`^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$`)

func TestDeviceFlow(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		a := tn.headless()
		d := a.startDevice()
		require.Equal(b.t, 200, d.status, d.body)
		require.Regexp(b.t, userCodeShape, d.UserCode)
		require.Equal(b.t, tn.issuer+"/device", d.URI)
		require.Equal(b.t, d.URI+"?user_code="+d.UserCode, d.Complete)
		require.Equal(b.t, []int{600, 5}, []int{d.Expires, d.Interval})
		require.Equal(b.t, "authorization_pending", a.poll(d.DeviceCode).Error)

		br := tn.browser()
		p := br.get(d.URI)
		require.Equal(b.t, 200, p.status)
		p = br.submit("/device", p.fields("user_code", " "+strings.ToLower(strings.ReplaceAll(d.UserCode, "-", ""))))
		require.Equal(b.t, 200, p.status, "typed in any letters, with or without the dash")
		for _, shown := range []string{d.UserCode, "Test App", "Runtime tickets of acme", "If somebody sent you the code"} {
			require.Contains(b.t, p.body, shown)
		}
		require.Zero(b.t, tn.count("attempts", "1 = 1"), "to look at it decides nothing")
		b.env.Clock.Advance(5 * time.Second)
		require.Equal(b.t, "authorization_pending", a.poll(d.DeviceCode).Error)

		p = br.decideDevice(d, "allow")
		require.NotContains(b.t, p.body, d.DeviceCode)
		b.env.Clock.Advance(5 * time.Second)
		got := a.poll(d.DeviceCode)
		require.Equal(b.t, 200, got.status, got.body)
		require.Equal(b.t, "mcp offline_access", got.Scope)
		require.Equal(b.t, tn.owner.ID, got.claims()["sub"])
		require.Equal(b.t, tn.mcp("tickets"), got.claims()["aud"])
		require.Equal(b.t, int64(1), tn.count("token_families", "origin = ? AND id = ? AND consent_id <> ''", "device", got.family()))
		require.Equal(b.t, 200, a.refresh(got.Refresh).status)
		require.NotContains(b.t, b.log.String(), d.UserCode)
	})
}

func TestDeviceStartRefusals(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		a := tn.headless()
		require.Equal(b.t, "invalid_target", a.startDevice("resource", "https://other/").Error)
		require.Equal(b.t, "invalid_client", a.startDevice("client_id", "cli_other").Error)
		require.Equal(b.t, "invalid_request", a.startDevice("client_id", "-").Error)
		twice := a.http.request("POST", "/device_authorization", "client_id="+a.id+"&scope=mcp&scope=x", "Content-Type", formType)
		require.Equal(b.t, 400, twice.status)
		inURL := a.http.request("POST", "/device_authorization?client_id="+a.id, "", "Content-Type", formType)
		require.Equal(b.t, 400, inURL.status)
		require.Equal(b.t, "mcp", a.startDeviceScope("nonsense"))
		tn.upstream("wiki")
		require.Equal(b.t, "invalid_target", a.startDevice().Error)
		wiki := a.startDevice("resource", tn.mcp("wiki"))
		require.Equal(b.t, 200, wiki.status)
		require.Equal(b.t, "invalid_target", a.poll(wiki.DeviceCode, "resource", tn.mcp("tickets")).Error)
	})
}

// startDeviceScope goes the whole way and tells what was granted.
func (a *app) startDeviceScope(scope string) string {
	a.tn.b.t.Helper()
	d := a.startDevice("scope", scope)
	a.tn.browser().decideDevice(d, "allow")
	return a.poll(d.DeviceCode).Scope
}

// TestA6DeviceCodeIsItsClientsOwn: another client learns nothing, uses nothing up and
// leaves a trace; the user code of one tenant is nothing at another.
func TestA6DeviceCodeIsItsClientsOwn(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		a, thief := tn.headless(), tn.headless()
		other := b.tenant("beta")
		other.upstream("tickets")
		stranger := other.headless()
		d := a.startDevice()
		require.Equal(b.t, "invalid_grant", thief.poll(d.DeviceCode).Error, "pending")
		require.Equal(b.t, "invalid_grant", stranger.poll(d.DeviceCode).Error)
		br := other.browser()
		p := br.get(other.issuer + "/device?user_code=" + d.UserCode)
		require.Equal(b.t, 422, p.status)
		require.NotContains(b.t, p.body, "Test App")

		tn.browser().decideDevice(d, "allow")
		require.Equal(b.t, "invalid_grant", thief.poll(d.DeviceCode).Error, "approved")
		require.Equal(b.t, int64(2), tn.count("audit_events", "action = ?", "token.wrong_client"))
		got := a.poll(d.DeviceCode)
		require.Equal(b.t, 200, got.status, "the other's try used nothing up")
		require.Equal(b.t, "invalid_grant", thief.poll(d.DeviceCode).Error, "used")
		require.Empty(b.t, tn.revoked(), "and ended nothing")
	})
}

// TestA5DeviceCodeReplay: 50 polls at once after the yes give one success over two nodes,
// and what came of it ends when the code is presented again.
func TestA5DeviceCodeReplay(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		b.second()
		a := tn.headless()
		d := a.startDevice()
		tn.browser().decideDevice(d, "allow")
		won := succeeded(b.t, parallel(50, func() tokens { return a.poll(d.DeviceCode) }))
		require.Len(b.t, won, 1)
		require.Equal(b.t, []string{won[0].family()}, tn.revoked())
		require.Equal(b.t, "invalid_grant", a.refresh(won[0].Refresh).Error)
	})
}

func TestDevicePolling(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		a := tn.headless()
		d := a.startDevice()
		wait := func(by time.Duration, want string) {
			b.t.Helper()
			b.env.Clock.Advance(by)
			got := a.poll(d.DeviceCode)
			require.Equal(b.t, 400, got.status)
			require.Equal(b.t, want, got.Error)
		}
		wait(0, "authorization_pending")
		wait(4*time.Second, "slow_down")
		wait(9*time.Second, "slow_down") // ten seconds are asked for now
		wait(14*time.Second, "slow_down")
		wait(20*time.Second, "authorization_pending")

		for _, damaged := range append(damaged(d.DeviceCode)[1:], "emc_dc_", "x", strings.Repeat("x", 5000)) {
			require.Equal(b.t, "invalid_grant", a.poll(damaged).Error, "%q", damaged)
		}
		require.Equal(b.t, "invalid_request", a.poll("").Error)

		late := a.startDevice()
		page := tn.browser().confirmed(late)
		b.env.Clock.Advance(10*time.Minute + time.Microsecond)
		require.Equal(b.t, "expired_token", a.poll(late.DeviceCode).Error)
		require.NotEmpty(b.t, page.fields()["attempt"])

		no := a.startDevice()
		tn.browser().decideDevice(no, "deny")
		require.Equal(b.t, "access_denied", a.poll(no.DeviceCode).Error)
		require.Equal(b.t, "access_denied", a.poll(no.DeviceCode).Error)
	})
}

// TestDeviceDecidedTwice: the first decision stands, whoever makes it, and a yes that
// comes after the code has expired gives nothing.
func TestDeviceDecidedTwice(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		a := tn.headless()
		d := a.startDevice()
		first, second := tn.browser(), tn.browser()
		yes, no := first.confirmed(d), second.confirmed(d)
		require.Equal(b.t, 303, second.decide(no, "deny").status)
		refused := first.decide(yes, "allow")
		require.Equal(b.t, 404, refused.status, refused.body)
		require.Equal(b.t, "access_denied", a.poll(d.DeviceCode).Error)
		require.Zero(b.t, tn.count("token_families", "1 = 1"), "the yes that came late gave nothing")
		require.Zero(b.t, tn.count("consents", "1 = 1"))
		gone := tn.browser().get(d.Complete)
		require.Equal(b.t, 422, gone.status)

		late := a.startDevice()
		b.env.Clock.Advance(9 * time.Minute)
		yes = first.confirmed(late)
		b.env.Clock.Advance(2 * time.Minute)
		require.Equal(b.t, 404, first.decide(yes, "allow").status)
		require.Equal(b.t, "expired_token", a.poll(late.DeviceCode).Error)
		require.Zero(b.t, tn.count("token_families", "1 = 1"))
	})
}

// TestB1DeviceLinkDecidesNothing: a link with a code, or a form on another site, begins
// nothing, also for a person who is signed in and said yes to the client before.
func TestB1DeviceLinkDecidesNothing(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		a := tn.headless()
		br := tn.browser()
		br.decideDevice(a.startDevice(), "allow")
		d := a.startDevice()
		p := br.get(d.Complete)
		require.Contains(b.t, p.body, "Is this your device?")
		attempts := tn.count("attempts", "1 = 1")
		good := p.fields("user_code", d.UserCode, "decision", "continue")
		for what, bad := range map[string]page{
			"another site":   br.request("POST", "/device", good.Encode(), "Content-Type", formType, "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"),
			"no token":       br.submit("/device", url.Values{"user_code": {d.UserCode}, "decision": {"continue"}}),
			"another's form": tn.browser().submit("/device", good),
			"in the URL":     br.request("POST", "/device?"+good.Encode(), "", "Content-Type", formType),
		} {
			require.Equal(b.t, 403, bad.status, what)
		}
		cancelled := br.submit("/device", p.fields("user_code", d.UserCode, "decision", "cancel"))
		require.Equal(b.t, 200, cancelled.status)
		require.Contains(b.t, cancelled.body, "Nothing was allowed")
		require.Equal(b.t, attempts, tn.count("attempts", "1 = 1"))
		consent := br.confirmed(d)
		require.Contains(b.t, consent.body, "Only allow if the device is in front of you", "asked every time")
		b.env.Clock.Advance(5 * time.Second)
		require.Equal(b.t, "authorization_pending", a.poll(d.DeviceCode).Error)
	})
}

// TestDeviceCodeGuessing: tries are limited per address and tenant, and a wrong code is
// told from a malformed one by nothing.
func TestDeviceCodeGuessing(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		a := tn.headless()
		d := a.startDevice()
		other := b.tenant("beta")
		other.upstream("tickets")
		other.headless()
		from := netip.MustParseAddr("203.0.113.7")
		b.clientIP = func(*http.Request) netip.Addr { return from }
		br := tn.browser()
		for i, typed := range []string{"BBBB-BBBB", "x", "%00", strings.Repeat("B", 100), "ＢＢＢＢ-ＢＢＢＢ", "<b>"} {
			p := br.get("/device?user_code=" + url.QueryEscape(typed))
			require.Equal(b.t, 422, p.status, i)
			require.Contains(b.t, p.body, "There is no such code, or it has expired.")
		}
		for range 54 {
			require.Equal(b.t, 422, br.get("/device?user_code=CCCC-CCCC").status)
		}
		limited := br.get(d.Complete)
		require.Equal(b.t, 429, limited.status, "also the right one")
		require.NotEmpty(b.t, limited.header.Get("Retry-After"))
		require.NotContains(b.t, limited.body, "Test App")
		require.Equal(b.t, 422, other.browser().get("/device?user_code=CCCC-CCCC").status, "another tenant is not in it")
		from = netip.MustParseAddr("203.0.113.8")
		require.Equal(b.t, 200, br.get(d.Complete).status, "nor is another address")
	})
}

func TestA20DeviceOfSomebodyWhoLeft(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		a := tn.headless()
		guest := b.account("guest")
		tn.add(guest)
		d := a.startDevice()
		br := tn.browser()
		p := br.get(d.Complete)
		p = br.submit("/device", p.fields("user_code", d.UserCode, "decision", "continue"))
		p = br.signIn(br.get(p.location), guest.Email, password)
		require.Equal(b.t, 303, br.decide(br.get(p.location), "allow").status)
		tn.remove(guest)
		require.Equal(b.t, "invalid_grant", a.poll(d.DeviceCode).Error)
		require.Len(b.t, tn.revoked(), 1)

		blocked := a.startDevice()
		tn.write(func(tx *tenancy.Tx) error {
			return tx.DB().Model(&serviceRow{}).Where("id = ?", a.id).Update("status", "blocked").Error
		})
		require.Equal(b.t, 422, tn.browser().get(blocked.Complete).status)
		require.Equal(b.t, "invalid_client", a.poll(blocked.DeviceCode).Error)
	})
}

// TestDPoPOfTheFurtherGrants: a device code that was asked for with a key is that key's,
// and the other grants' tokens are bound like any.
func TestDPoPOfTheFurtherGrants(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		a := tn.headless()
		mine, other := a.newKey(), a.newKey()
		var d device
		require.NoError(b.t, json.Unmarshal([]byte(a.send("/device_authorization", mine.proof("/device_authorization"), url.Values{"client_id": {a.id}}).body), &d))
		tn.browser().decideDevice(d, "allow")
		form := url.Values{"grant_type": {oplib.GrantDevice}, "client_id": {a.id}, "device_code": {d.DeviceCode}}
		require.Equal(b.t, "invalid_dpop_proof", a.send("/token", "", form).Error)
		require.Equal(b.t, "invalid_grant", a.send("/token", other.proof("/token"), form).Error)
		got := a.send("/token", mine.proof("/token"), form)
		require.Equal(b.t, 200, got.status, got.body)
		require.Equal(b.t, "DPoP", got.Type)
		require.Equal(b.t, map[string]any{"jkt": mine.thumbprint()}, got.claims()["cnf"])
		require.Equal(b.t, "invalid_grant", a.refreshWith(other.proof("/token"), got.Refresh).Error)

		tn.change(func(s *settings.Settings) { s.ClientCredentials = true })
		service := tn.confidential("", oplib.GrantClientCredentials)
		key := service.newKey()
		own := service.send("/token", key.proof("/token"), url.Values{"grant_type": {oplib.GrantClientCredentials}, "client_id": {service.id}, "client_secret": {clientSecret}})
		require.Equal(b.t, map[string]any{"jkt": key.thumbprint()}, own.claims()["cnf"], own.body)
	})
}
