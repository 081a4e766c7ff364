package server_test

import (
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/tenancy"
)

// TestRefreshesOfManyAtOnce: what shares a transaction is judged one by one.
func TestRefreshesOfManyAtOnce(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		b.second()
		tn.upstream("wiki")
		guest := b.account("guest")
		tn.add(guest)
		br := tn.browser()
		thief, gone := tn.app(), tn.app()

		type one struct {
			what  string
			first tokens
			app   *app
			want  string // "" is success
			more  []string
		}
		var all []*one
		add := func(what, want string, a *app, first tokens, more ...string) *one {
			o := &one{what, first, a, want, more}
			all = append(all, o)
			return o
		}
		for range 12 {
			a := tn.app()
			add("ordinary", "", a, a.tokens(br))
			add("with its resource", "", a, a.tokens(br), "resource", tn.mcp("tickets"))
			add("of another resource", "", a, a.redeem(a.code(br, "resource", tn.mcp("wiki")), "resource", "-"))
		}
		for range 3 {
			a := tn.app()
			add("another client's", "invalid_grant", a, a.tokens(br), "client_id", thief.id)
			add("an unknown client's", "invalid_client", a, a.tokens(br), "client_id", "cli_unknown")
			add("a wrong resource", "invalid_target", a, a.tokens(br), "resource", tn.mcp("wiki"))
			add("a removed client's", "invalid_client", gone, gone.tokens(br))
			revoked := add("revoked", "invalid_grant", a, a.tokens(br))
			require.Equal(b.t, 200, a.post("/revoke", url.Values{"client_id": {a.id}, "token": {revoked.first.Access}}).status)
			used := add("used two generations ago", "invalid_grant", a, a.tokens(br))
			require.Equal(b.t, 200, a.refresh(a.refresh(used.first.Refresh).Refresh).status)
			lost := a.tokens(br)
			require.Equal(b.t, 200, a.refresh(lost.Refresh).status)
			add("used just now", "", a, lost)

			br := tn.browser()
			p := br.signIn(br.get(a.authorize(br).location), guest.Email, password)
			p = br.decide(br.get(p.location), "allow")
			answer, err := url.Parse(p.location)
			require.NoError(b.t, err)
			add("of somebody who left", "invalid_grant", a, a.redeem(answer.Query().Get("code")))
		}
		tn.remove(guest)
		tn.write(func(tx *tenancy.Tx) error { return tx.DB().Where("id = ?", gone.id).Delete(&clientRow{}).Error })

		got := make([]tokens, len(all))
		var wg sync.WaitGroup
		for i, o := range all {
			require.Equal(b.t, 200, o.first.status, o.what)
			wg.Go(func() { got[i] = o.app.refresh(o.first.Refresh, o.more...) })
		}
		wg.Wait()
		successors := map[string]bool{}
		for i, o := range all {
			require.Equal(b.t, o.want, got[i].Error, "%s: %s", o.what, got[i].body)
			if o.want != "" {
				continue
			}
			require.Equal(b.t, 200, got[i].status, o.what)
			require.Equal(b.t, o.first.family(), got[i].family(), "%s: each its own line", o.what)
			require.Equal(b.t, o.first.claims()["aud"], got[i].claims()["aud"], o.what)
			require.Equal(b.t, o.app.id, got[i].claims()["client_id"], o.what)
			successors[got[i].Refresh] = true
			require.Equal(b.t, 200, o.app.refresh(got[i].Refresh).status, "%s: the successor works", o.what)
		}
		require.Len(b.t, successors, 3*12+3)
		require.Equal(b.t, int64(3), tn.count("audit_events", "action = ?", "token.wrong_client"))
		for _, node := range b.nodes {
			require.Zero(b.t, server.Gathered(node), "nobody is left waiting")
		}
	})
}

// TestRefreshesBehindAFault: what ends a shared transaction ends none of its refreshes.
func TestRefreshesBehindAFault(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		br := tn.browser()
		a := tn.app()
		var lines []tokens
		for range 10 {
			lines = append(lines, a.tokens(br))
		}
		// A successor's place that is taken ends the shared transaction, and one of its own.
		tn.write(func(tx *tenancy.Tx) error {
			row := tokenRow{TenantID: tx.Tenant(), Hash: "taken", FamilyID: lines[0].family(), Generation: 2, CreatedAt: tx.Now(), ExpiresAt: tx.Now()}
			return tx.DB().Create(&row).Error
		})
		got := make([]tokens, len(lines))
		var wg sync.WaitGroup
		for i, first := range lines {
			wg.Go(func() { got[i] = a.refresh(first.Refresh) })
		}
		wg.Wait()
		require.Equal(b.t, 500, got[0].status)
		for _, one := range got[1:] {
			require.Equal(b.t, 200, one.status, one.body)
		}
		require.Zero(b.t, server.Gathered(b.server))
	})
}

// TestALockedTokenHoldsUpNobodyElse: another process may hold a token's row for as
// long as it likes.
func TestALockedTokenHoldsUpNobodyElse(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		if b.env.URL == "" {
			return // SQLite has one writer, which nobody can hold for longer than its own transaction
		}
		br := tn.browser()
		a := tn.app()
		held := a.tokens(br)
		others := []tokens{a.tokens(br), a.tokens(br), a.tokens(br)}
		pool, _ := b.env.DB.Native()
		holder, err := pool.Begin(b.t.Context())
		require.NoError(b.t, err)
		_, err = holder.Exec(b.t.Context(), "select 1 from refresh_tokens where hash = $1 for update", ids.Hash(held.Refresh))
		require.NoError(b.t, err)

		waiting := make(chan tokens, 1)
		go func() { waiting <- a.refresh(held.Refresh) }()
		served := make(chan tokens, len(others))
		for _, one := range others {
			go func() { served <- a.refresh(one.Refresh) }()
		}
		for range others {
			select {
			case got := <-served:
				require.Equal(b.t, 200, got.status, got.body)
			case <-time.After(8 * time.Second): // below the end of a shared transaction
				require.FailNow(b.t, "a refresh waits for somebody else's row")
			}
		}
		require.Empty(b.t, waiting, "whose row is held waits")
		require.NoError(b.t, holder.Rollback(b.t.Context()))
		require.Equal(b.t, 200, (<-waiting).status)
	})
}

type tokenRow struct {
	TenantID, Hash, FamilyID string
	Generation               int64
	CreatedAt, ExpiresAt     time.Time
}

func (tokenRow) TableName() string { return "refresh_tokens" }
