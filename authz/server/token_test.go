package server_test

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server"
	"github.com/emcy/gateway/tenancy"
)

func TestAccessToken(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		a := tn.app()
		got := a.tokens(tn.browser())
		require.Equal(b.t, "Bearer", got.Type)
		require.Equal(b.t, 3600, got.Expires)
		require.Equal(b.t, "mcp offline_access", got.Scope)
		require.Equal(b.t, "no-cache", got.header.Get("Pragma"))

		var keys jose.JSONWebKeySet
		p := tn.browser().get("/jwks")
		require.NoError(b.t, json.Unmarshal([]byte(p.body), &keys))
		require.NotContains(b.t, p.body, `"d"`)
		require.Len(b.t, keys.Keys, 1)
		require.True(b.t, keys.Keys[0].IsPublic())
		parsed, err := jwt.ParseSigned(got.Access, []jose.SignatureAlgorithm{jose.ES256})
		require.NoError(b.t, err)
		require.Equal(b.t, "at+jwt", parsed.Headers[0].ExtraHeaders[jose.HeaderType])
		require.Equal(b.t, keys.Keys[0].KeyID, parsed.Headers[0].KeyID)
		var claims map[string]any
		require.NoError(b.t, parsed.Claims(keys.Keys[0], &claims))
		require.Equal(b.t, tn.mcp("tickets"), claims["aud"], "a string, and the MCP URL")
		require.Equal(b.t, tn.issuer, claims["iss"])
		require.Equal(b.t, tn.owner.ID, claims["sub"])
		require.Equal(b.t, a.id, claims["client_id"])
		require.Equal(b.t, "mcp offline_access", claims["scope"])
		require.NotEmpty(b.t, claims["fid"])
		require.NotEmpty(b.t, claims["jti"])
		require.InDelta(b.t, float64(b.env.Clock.Now().Unix()), claims["iat"], 0)
		require.InDelta(b.t, 3600, claims["exp"].(float64)-claims["iat"].(float64), 0)
		require.Len(b.t, claims, 9)
	})
}

func TestA4VerifierBurnsTheCode(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		br := tn.browser()
		for _, wrong := range []string{"-", "short", strings.Repeat("x", 43), strings.Repeat("x", 129), "\x00"} {
			a := tn.app()
			code := a.code(br)
			require.Equal(b.t, "invalid_grant", a.redeem(code, "code_verifier", wrong).Error, "%q", wrong)
			require.Equal(b.t, "invalid_grant", a.redeem(code).Error, "burnt")
		}
		a := tn.app()
		code := a.code(br)
		require.Equal(b.t, "invalid_grant", a.redeem(code, "redirect_uri", "http://127.0.0.1:33418/callback/").Error)
		require.Equal(b.t, "invalid_grant", a.redeem(code).Error, "burnt")
	})
}

func TestA5CodeReplay(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		b.second()
		a := tn.app()
		code := a.code(tn.browser())
		won := succeeded(b.t, parallel(200, func() tokens { return a.redeem(code) }))
		require.Len(b.t, won, 1)
		require.Contains(b.t, tn.revoked(), won[0].family(), "the replay ends what the code gave")
		require.Equal(b.t, "invalid_grant", a.refresh(won[0].Refresh).Error)
	})
}

func parallel[T any](n int, f func() T) []T {
	out := make([]T, n)
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range out {
		wg.Go(func() {
			<-start
			out[i] = f()
		})
	}
	close(start)
	wg.Wait()
	return out
}

func TestA6ClientBinding(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		a, other := tn.app(), tn.app()
		br := tn.browser()
		code := a.code(br)
		require.Equal(b.t, "invalid_grant", other.redeem(code, "code_verifier", a.verifier).Error)
		got := a.redeem(code)
		require.Equal(b.t, 200, got.status, "the other's try used nothing up")
		require.Equal(b.t, "invalid_grant", other.refresh(got.Refresh).Error)
		require.Equal(b.t, 200, other.post("/revoke", url.Values{"client_id": {other.id}, "token": {got.Refresh}}).status)
		require.Equal(b.t, 200, other.post("/revoke", url.Values{"client_id": {other.id}, "token": {got.Access}}).status)
		require.Empty(b.t, tn.revoked(), "A19: nobody revokes for another")
		require.Equal(b.t, 200, a.refresh(got.Refresh).status)
		require.Equal(b.t, int64(2), tn.count("audit_events", "action = ?", "token.wrong_client"))
	})
}

func TestA7RefreshRotation(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		a := tn.app()
		br := tn.browser()
		first := a.tokens(br)
		second := a.refresh(first.Refresh)
		require.Equal(b.t, 200, second.status, second.body)
		require.NotEqual(b.t, first.Refresh, second.Refresh)
		require.Equal(b.t, first.family(), second.family())

		b.env.Clock.Advance(10 * time.Second)
		again := a.refresh(first.Refresh)
		require.Equal(b.t, second.Refresh, again.Refresh, "a lost reply is answered with the same successor")
		third := a.refresh(second.Refresh)
		require.Equal(b.t, 200, third.status)
		require.Equal(b.t, "invalid_grant", a.refresh(first.Refresh).Error, "an older generation")
		require.Contains(b.t, tn.revoked(), first.family())
		require.Equal(b.t, "invalid_grant", a.refresh(third.Refresh).Error)

		// After the grace the immediate predecessor ends the family, too.
		late := a.tokens(br)
		require.Equal(b.t, 200, a.refresh(late.Refresh).status)
		b.env.Clock.Advance(10*time.Second + time.Millisecond)
		require.Equal(b.t, "invalid_grant", a.refresh(late.Refresh).Error)
		require.Contains(b.t, tn.revoked(), late.family())
	})
}

func TestA7ParallelRefresh(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		a := tn.app()
		b.second()
		first := a.tokens(tn.browser())
		all := parallel(30, func() tokens { return a.refresh(first.Refresh) })
		for _, got := range all {
			require.Equal(b.t, 200, got.status, got.body)
			require.Equal(b.t, all[0].Refresh, got.Refresh)
		}
		require.Empty(b.t, tn.revoked())
		require.Equal(b.t, int64(2), tn.count("refresh_tokens", "family_id = ?", first.family()))
		require.Equal(b.t, 200, a.refresh(all[0].Refresh).status)
	})
}

func TestRevocation(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		a := tn.app()
		br := tn.browser()
		for _, kind := range []string{"refresh", "access"} {
			got := a.tokens(br)
			token := map[string]string{"refresh": got.Refresh, "access": got.Access}[kind]
			require.NotContains(b.t, tn.revoked(), got.family())
			for range 2 { // the second is answered alike
				require.Equal(b.t, 200, a.post("/revoke", url.Values{"client_id": {a.id}, "token": {token}, "token_type_hint": {"nonsense"}}).status)
			}
			require.Contains(b.t, tn.revoked(), got.family(), kind)
			require.Equal(b.t, "invalid_grant", a.refresh(got.Refresh).Error)
		}
		require.Equal(b.t, 200, a.post("/revoke", url.Values{"client_id": {a.id}, "token": {"unknown"}}).status)
		require.Equal(b.t, "invalid_request", a.post("/revoke", url.Values{"client_id": {a.id}}).Error)
		stranger := a.post("/revoke", url.Values{"client_id": {"cli_unknown"}, "token": {"x"}})
		require.Equal(b.t, 401, stranger.status)
		require.Equal(b.t, "invalid_client", stranger.Error)
	})
}

// TestA19RevocationTellsNothing: whatever another client presents, the answer is the
// same, byte for byte, and nothing ends.
func TestA19RevocationTellsNothing(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		a, other := tn.app(), tn.app()
		br := tn.browser()
		got, code := a.tokens(br), a.code(br)
		unknown := other.post("/revoke", url.Values{"client_id": {other.id}, "token": {"unknown"}})
		unknown.header.Del("Date")
		for _, token := range []string{got.Access, got.Refresh, code, got.Refresh + "x", "emc_rt_", "a.b.c", strings.Repeat("x", 5000), "\x00"} {
			for _, hint := range []string{"", "access_token", "refresh_token"} {
				p := other.post("/revoke", url.Values{"client_id": {other.id}, "token": {token}, "token_type_hint": {hint}})
				p.header.Del("Date")
				require.Equal(b.t, unknown.page, p.page, "%q", token)
			}
		}
		require.Equal(b.t, 200, unknown.status)
		require.Empty(b.t, tn.revoked())
		require.Equal(b.t, 200, a.refresh(got.Refresh).status)
		require.Equal(b.t, 200, a.redeem(code).status)
	})
}

func TestA20RemovedMemberAndRuntime(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		guest := b.account("guest")
		tn.add(guest)
		a := tn.app()
		br := tn.browser()
		p := br.signIn(br.get(a.authorize(br).location), guest.Email, password)
		p = br.decide(br.get(p.location), "allow")
		answer, err := url.Parse(p.location)
		require.NoError(b.t, err)
		got := a.redeem(answer.Query().Get("code"))
		require.Equal(b.t, 200, got.status, got.body)
		unused := a.code(br)
		tn.remove(guest)
		require.Equal(b.t, "invalid_grant", a.refresh(got.Refresh).Error)
		require.Contains(b.t, tn.revoked(), got.family())
		require.Equal(b.t, "invalid_grant", a.redeem(unused).Error, "nor does a code that was on its way")
		require.Equal(b.t, 200, br.get(a.authorize(br).location).status, "the session is no longer one")
		tn.add(guest)
		require.Equal(b.t, "invalid_grant", a.refresh(got.Refresh).Error, "coming back does not revive it")

		owner := a.tokens(tn.browser())
		tn.write(func(tx *tenancy.Tx) error { return tx.DB().Where("slug = ?", "tickets").Delete(&upstreamRow{}).Error })
		tn.upstream("tickets")
		require.Equal(b.t, "invalid_grant", a.refresh(owner.Refresh).Error, "a new runtime of the same name is another one")
		require.Contains(b.t, tn.revoked(), owner.family())
	})
}

func TestRevokeUpstream(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		tn.upstream("wiki")
		a := tn.app()
		br := tn.browser()
		gone := a.tokens(br)
		kept := a.redeem(a.code(br, "resource", tn.mcp("wiki")), "resource", "-")
		onTheWay := a.code(br)
		var row upstreamRow
		tn.write(func(tx *tenancy.Tx) error {
			if err := tx.DB().Where("slug = ?", "tickets").First(&row).Error; err != nil {
				return err
			}
			allowed, err := server.Allowed(tx, row.ID)
			require.Equal(b.t, 2, allowed)
			names, nameErr := server.ClientNames(tx, []string{a.id, "cli_unknown"})
			require.Equal(b.t, map[string]string{a.id: "Test App"}, names)
			return errors.Join(err, nameErr, b.server.RevokeUpstream(tx, row.ID, "the runtime was removed"))
		})
		require.Contains(b.t, tn.revoked(), gone.family())
		require.NotContains(b.t, tn.revoked(), kept.family())
		require.Equal(b.t, "invalid_grant", a.refresh(gone.Refresh).Error)
		require.Equal(b.t, "invalid_grant", a.redeem(onTheWay).Error)
		require.Equal(b.t, 200, a.refresh(kept.Refresh).status)
		b.env.Clock.Advance(24*time.Hour + 4*time.Minute)
		require.Contains(b.t, tn.revoked(), gone.family(), "the longest life that a tenant may choose, and another node's clock may be behind")
		b.env.Clock.Advance(time.Minute)
		require.Empty(b.t, tn.revoked(), "no access token of theirs can be alive")
	})
}

func TestLifetimes(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		a := tn.app()
		br := tn.browser()
		late := a.code(br)
		b.env.Clock.Advance(time.Minute + time.Millisecond)
		require.Equal(b.t, "invalid_grant", a.redeem(late).Error)
		onTime := a.code(br)
		b.env.Clock.Advance(time.Minute)
		got := a.redeem(onTime)
		require.Equal(b.t, 200, got.status)

		// Idle for 30 days at most, and never longer than 90 in all.
		idle := a.tokens(br)
		for range 4 {
			b.env.Clock.Advance(22 * 24 * time.Hour)
			got = a.refresh(got.Refresh)
			require.Equal(b.t, 200, got.status, got.body)
		}
		require.Equal(b.t, "invalid_grant", a.refresh(idle.Refresh).Error)
		b.env.Clock.Advance(3 * 24 * time.Hour)
		require.Equal(b.t, "invalid_grant", a.refresh(got.Refresh).Error)
	})
}
