package profiles_test

import (
	"context"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/secret"
	"github.com/emcy/gateway/tenancy"
)

func TestAttach(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		p, up := b.create(), b.upstream(b.a, "todos")
		in := profiles.AttachInput{
			ProfileID: p.ID, Scopes: []string{"write", "read"}, ToolScopes: map[string][]string{"delete all": {"admin", "read"}, "list": {"read"}}, NeededFor: profiles.NeededForCalls, Audience: "ignored",
		}
		sub := b.DB.Notices().Subscribe(func(topic tenancy.Topic) bool { return topic == tenancy.ConfigTopic(b.a.Tenant()) })
		defer sub.Close()
		require.NoError(b, b.profiles.Attach(b.Context(), b.a, up, in))
		<-sub.Wake()
		var a profiles.Attachment
		b.read(func(tx *tenancy.Tx) error {
			stored, of, ok, err := profiles.Attached(tx, up)
			require.True(b, ok)
			require.Equal(b, p, of)
			a = stored
			return err
		})
		require.Equal(b, profiles.Attachment{
			UpstreamID: up, ProfileID: p.ID, Scopes: []string{"read", "write"}, ToolScopes: map[string][]string{"delete all": {"admin"}}, NeededFor: "calls", Version: 1,
		}, a, "what the runtime asks for anyway is no scope of a tool's own")
		require.Equal(b, []string{"read", "write", "admin"}, a.All())
		b.read(func(tx *tenancy.Tx) error {
			all, err := profiles.LoadAttached(tx)
			require.Equal(b, map[string]profiles.Delivery{up: {
				ProfileID: p.ID, ProfileName: "Todo", Kind: profiles.KindOAuth, Scopes: a.Scopes, ToolScopes: a.ToolScopes, Allowed: []string{"read", "write", "admin"}, NeededFor: "calls",
			}}, all)
			return err
		})

		for field, change := range map[string]func(*profiles.AttachInput){
			"scopes":      func(in *profiles.AttachInput) { in.Scopes = []string{"root"} },
			"tool_scopes": func(in *profiles.AttachInput) { in.ToolScopes = map[string][]string{"x": {"root"}} },
			"needed_for":  func(in *profiles.AttachInput) { in.NeededFor = "mondays" },
		} {
			wrong := in
			wrong.Version = 1
			change(&wrong)
			require.NotEmpty(b, errs.FieldsOf(b.profiles.Attach(b.Context(), b.a, up, wrong))[field], field)
		}
		b.kind(b.profiles.Attach(b.Context(), b.a, up, in), errs.Stale)
		b.kind(b.profiles.Detach(b.Context(), b.a, up, 7), errs.Stale)
		b.kind(b.profiles.Attach(b.Context(), b.a, "ups_none", in), errs.NotFound)

		// A scope that a runtime asks for cannot be taken away from under it.
		_, err := b.profiles.Update(b.Context(), b.a, p.ID, b.input(func(in *profiles.Input) { in.Scopes = []string{"read", "write"} }), p.Version)
		b.field(err, "scopes", "“admin” is asked for by 1 runtime")
		b.kind(b.profiles.Remove(b.Context(), b.a, p.ID), errs.Conflict)

		key := b.create(func(in *profiles.Input) {
			*in = profiles.Input{Name: "Key", Kind: profiles.KindAPIKey, Settings: profiles.Settings{APIKey: profiles.KeyRule{Label: "Acme key", Header: "authorization", Format: "Bearer {key}"}}}
		})
		require.NoError(b, b.profiles.Attach(b.Context(), b.a, up, profiles.AttachInput{ProfileID: key.ID, NeededFor: profiles.NeededForEverything, Version: 1}))
		b.read(func(tx *tenancy.Tx) error {
			all, err := profiles.LoadAttached(tx)
			require.Equal(b, "Authorization", all[up].Header)
			require.Equal(b, "Bearer {key}", all[up].Format)
			return err
		})
		require.NoError(b, b.profiles.Remove(b.Context(), b.a, p.ID), "nothing is attached to it any more")
		require.NoError(b, b.profiles.Detach(b.Context(), b.a, up, 2))
		b.read(func(tx *tenancy.Tx) error {
			_, _, ok, err := profiles.Attached(tx, up)
			require.False(b, ok)
			return err
		})
		require.NoError(b, b.profiles.Detach(b.Context(), b.a, up, 0), "there is nothing to take away")
	})
}

func TestRemoveWaitsForThoseWhoAreConnected(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		p := b.create()
		g := b.grant(p, 1, "connected")
		err := b.profiles.Remove(b.Context(), b.a, p.ID)
		b.kind(err, errs.Conflict)
		require.Contains(b, errs.Public(err), "1 person is still connected")
		b.setGrant(g, "revoked")
		pending := newRevocationRow{TenantID: b.a.Tenant(), ID: "grv_1", GrantID: g, ProfileID: p.ID, Subject: "acc_1", ClientGeneration: 1, State: "pending", NextAt: b.Clock.Now(), CreatedAt: b.Clock.Now()}
		require.NoError(b, b.DB.Write(b.Context(), b.a, func(tx *tenancy.Tx) error { return tx.DB().Create(&pending).Error }))
		err = b.profiles.Remove(b.Context(), b.a, p.ID)
		b.kind(err, errs.Conflict)
		require.Contains(b, errs.Public(err), "taken back at the provider")
		require.NoError(b, b.DB.Write(b.Context(), b.a, func(tx *tenancy.Tx) error {
			return tx.DB().Model(&newRevocationRow{}).Where("id = ?", "grv_1").Update("state", "done").Error
		}))
		require.NoError(b, b.profiles.Remove(b.Context(), b.a, p.ID))
		_, err = b.config(p.ID, 0)
		b.kind(err, errs.NotFound)
		require.Contains(b, b.audited(), "profile.remove")
	})
}

type newRevocationRow struct {
	TenantID, ID, GrantID, ProfileID, Subject string
	ClientGeneration                          int
	State                                     string
	NextAt, CreatedAt                         time.Time
}

func (newRevocationRow) TableName() string { return "grant_revocations" }

// TestEveryMethodAsAAsBThenA is the fifth fence: each act works as A, fails as B with A's own ids, and A's rows are as they were
// before B tried. The list is complete, because the use cases themselves are asked for their methods.
func TestEveryMethodAsAAsBThenA(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		p := b.create(func(in *profiles.Input) { in.Client = profiles.ClientInput{Kind: profiles.CIMD} })
		up, mine := b.upstream(b.a, "todos"), b.upstream(b.b, "mine")
		attach := profiles.AttachInput{ProfileID: p.ID, NeededFor: profiles.NeededForCalls}
		require.NoError(b, b.profiles.Attach(b.Context(), b.a, up, attach))
		acts := map[string]func(ctx context.Context, h tenancy.Handle) error{
			"Update": func(ctx context.Context, h tenancy.Handle) error {
				_, err := b.profiles.Update(ctx, h, p.ID, b.input(func(in *profiles.Input) { in.Client = profiles.ClientInput{} }), b.get(p.ID).Version)
				return err
			},
			"RotateClient": func(ctx context.Context, h tenancy.Handle) error {
				_, err := b.profiles.RotateClient(ctx, h, p.ID, profiles.ClientInput{Kind: profiles.Preregistered, ID: "g", AuthMethod: profiles.AuthBasic, Secret: secret.New("canary_b")}, b.get(p.ID).Version)
				return err
			},
			"Rediscover": func(ctx context.Context, h tenancy.Handle) error {
				_, err := b.profiles.Rediscover(ctx, h, p.ID, true)
				return err
			},
			"Document": func(ctx context.Context, h tenancy.Handle) error {
				_, err := b.profiles.Document(ctx, h, b.origin, p.ID)
				return err
			},
			"JWKS": func(ctx context.Context, h tenancy.Handle) error {
				_, err := b.profiles.JWKS(ctx, h, p.ID)
				return err
			},
			"Attach": func(ctx context.Context, h tenancy.Handle) error {
				at := attach
				at.Version = b.attachment(up).Version
				if h == b.b { // her own runtime, A's profile
					return b.profiles.Attach(ctx, h, mine, attach)
				}
				return b.profiles.Attach(ctx, h, up, at)
			},
			"Remove": func(ctx context.Context, h tenancy.Handle) error {
				if h == b.a {
					if err := b.profiles.Detach(ctx, h, up, b.attachment(up).Version); err != nil {
						return err
					}
				}
				return b.profiles.Remove(ctx, h, p.ID)
			},
		}
		// Create makes an id of its own, Detach finds nothing where nothing is, the others are about all of a tenant's own.
		others := map[string]bool{"Create": true, "Detach": true, "Retire": true, "RenewDue": true}
		kind := reflect.TypeOf(b.profiles)
		for i := range kind.NumMethod() {
			name := kind.Method(i).Name
			require.True(b, acts[name] != nil || others[name], "%s has no entry here", name)
		}
		for _, name := range []string{"Document", "JWKS", "Update", "Rediscover", "Attach", "RotateClient", "Remove"} {
			before, attached := b.get(p.ID), b.attachment(up)
			b.kind(acts[name](b.Context(), b.b), errs.NotFound)
			require.Equal(b, before, b.get(p.ID), name)
			require.Equal(b, attached, b.attachment(up), name)
			require.NoError(b, acts[name](b.Context(), b.a), name)
		}
		other := b.create()
		require.NoError(b, b.profiles.Attach(b.Context(), b.a, up, profiles.AttachInput{ProfileID: other.ID, NeededFor: profiles.NeededForCalls}))
		require.NoError(b, b.DB.Read(b.Context(), b.b, func(tx *tenancy.Tx) error {
			list, err := profiles.List(tx)
			require.NoError(b, err)
			require.Empty(b, list)
			all, err := profiles.LoadAttached(tx)
			require.NoError(b, err)
			require.Empty(b, all)
			_, err = profiles.Config(tx, other.ID, 0, "")
			b.kind(err, errs.NotFound)
			_, _, ok, err := profiles.Attached(tx, up)
			require.NoError(b, err)
			require.False(b, ok)
			_, err = profiles.Get(tx, other.ID)
			b.kind(err, errs.NotFound)
			return nil
		}))
	})
}

func (b *bundle) attachment(upstreamID string) (a profiles.Attachment) {
	b.Helper()
	b.read(func(tx *tenancy.Tx) (err error) {
		a, _, _, err = profiles.Attached(tx, upstreamID)
		return err
	})
	return a
}
