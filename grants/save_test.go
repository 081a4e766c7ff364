package grants_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/grants"
	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/secret"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/audit"
)

func (b *bundle) keyProfile(t *testing.T) profiles.Profile {
	t.Helper()
	return b.newProfile(t, b.a, "Keys", func(in *profiles.Input) {
		*in = profiles.Input{Name: "Keys", Kind: profiles.KindAPIKey}
		in.APIKey = profiles.KeyRule{Label: "Key", Header: "X-Api-Key", Format: "Token {key}"}
	})
}

// TestAWiderConnectKeepsTheGrant: the same row, the scopes that the provider gave, and
// calls that were short of scopes go through.
func TestAWiderConnectKeepsTheGrant(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		g := b.connect(t, b.a, b.profile, ada, "read")
		wide := b.query()
		wide.Scopes = []string{"write"}
		_, err := b.service.Resolve(t.Context(), b.a, wide)
		requireKind(t, err, errs.NeedsConsent)
		missing := requireMissing(t, err)
		require.Equal(t, []string{"read"}, missing.Have)
		require.Equal(t, []string{"write"}, missing.Need)
		require.Equal(t, grants.StateConnected, missing.State)

		asked := grants.Union(missing.Have, missing.Need)
		require.Equal(t, []string{"read", "write"}, asked)
		again := b.connect(t, b.a, b.profile, ada, asked...)
		require.Equal(t, g.ID, again.ID)
		require.Greater(t, again.Generation, g.Generation)
		for _, q := range []grants.Query{wide, b.query()} {
			c, err := b.service.Resolve(t.Context(), b.a, q)
			require.NoError(t, err)
			require.True(t, b.works(t, c))
		}
		var entries []audit.Recorded
		b.read(t, b.a, func(tx *tenancy.Tx) (err error) {
			entries, err = audit.Latest(tx, 10)
			return err
		})
		n := 0
		for _, e := range entries {
			if e.Action == "grant.connect" {
				n++
			}
		}
		require.Equal(t, 2, n)
	})
}

// TestNobodyIsConnected: no grant, somebody else's, another tenant's.
func TestNobodyIsConnected(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		b.connect(t, b.a, b.profile, "acc_grace")
		_, err := b.service.Resolve(t.Context(), b.a, b.query())
		requireKind(t, err, errs.NeedsConsent)
		require.Equal(t, grants.StateNone, requireMissing(t, err).State)
		b.connect(t, b.a, b.profile, ada)
		b.token(t)
		_, err = b.service.Resolve(t.Context(), b.b, b.query())
		requireKind(t, err, errs.NotFound)
		_, err = b.source.Get(t.Context(), b.b.Tenant(), b.query())
		requireKind(t, err, errs.NotFound)
	})
}

// TestARefreshTokenThatCameOnceOnly: a second consent brings none, and the first one's
// goes on, unless it is another account's.
func TestARefreshTokenThatCameOnceOnly(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		g := b.connect(t, b.a, b.profile, ada)
		end := b.Clock.Now().Add(time.Hour)
		next := grants.Connected{
			ProfileID: b.profile.ID, Subject: ada, Tokens: provider.Tokens{Access: secret.New("canary_second"), ExpiresAt: &end},
			Account: provider.Account{ID: g.AccountID, Name: g.AccountName}, ClientGeneration: 1, Scopes: []string{"read"},
		}
		require.True(t, b.save(t, b.a, next).Refreshable)
		b.pass(t, time.Hour)
		require.True(t, b.works(t, b.token(t)))

		next.Account.ID = "somebody else"
		end = b.Clock.Now().Add(time.Hour)
		require.False(t, b.save(t, b.a, next).Refreshable)
		b.pass(t, time.Hour)
		requireKind(t, b.refusal(t), errs.DownstreamRejected)
		require.Equal(t, "no_refresh_token", b.get(t, b.a, g.ID).Reason)
		require.Len(t, b.told.of(grants.EventNeedsReconnect), 1)
	})
}

// TestAKeyThatWasTypedIn goes to the runtime as its profile says.
func TestAKeyThatWasTypedIn(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		p := b.keyProfile(t)
		save := func(key string) error {
			return b.DB.Write(t.Context(), b.a, func(tx *tenancy.Tx) error {
				_, err := b.service.SaveKey(tx, p.ID, ada, secret.New(key))
				return err
			})
		}
		for _, bad := range []string{"", "   ", "a\nb", "a\x00b", "schlüssel", strings.Repeat("k", 5000)} {
			err := save(bad)
			requireKind(t, err, errs.Invalid)
			require.Contains(t, errs.FieldsOf(err), "key")
		}
		require.NoError(t, save("  canary_key_1  "))
		q := grants.Query{ProfileID: p.ID, Subject: ada, Scopes: []string{"whatever"}}
		c, err := b.source.Get(t.Context(), b.a.Tenant(), q)
		require.NoError(t, err)
		require.Equal(t, "canary_key_1", c.Token.Reveal())
		require.Equal(t, "X-Api-Key", c.Header)
		require.Equal(t, "Token {key}", c.Format)
		require.Nil(t, c.ExpiresAt)

		require.NoError(t, save("canary_key_2"))
		require.Eventually(t, func() bool {
			c, err = b.source.Get(t.Context(), b.a.Tenant(), q)
			return err == nil && c.Token.Reveal() == "canary_key_2"
		}, patience, 5*time.Millisecond)
		_, err = b.source.Suspect(t.Context(), b.a.Tenant(), q, c)
		requireKind(t, err, errs.DownstreamRejected)
		require.NotNil(t, b.get(t, b.a, c.GrantID).SuspectAt)
		require.Equal(t, grants.StateConnected, b.get(t, b.a, c.GrantID).State, "one runtime does not kill what others use")

		err = b.DB.Write(t.Context(), b.a, func(tx *tenancy.Tx) error {
			_, err := b.service.SaveKey(tx, b.profile.ID, ada, secret.New("canary_key_3"))
			return err
		})
		requireKind(t, err, errs.Invalid)
		require.NoError(t, b.service.Disconnect(t.Context(), b.a, ada, c.GrantID))
		require.NoError(t, b.service.RevokeDue(t.Context()))
		require.Zero(t, b.provider.Asked("revoke"), "a key is nobody's to take back but its owner's")
	})
}
