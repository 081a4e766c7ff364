package feed

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/edge/snapshot"
	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/internal/secret"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/upstreams"
)

// TestProfilesReachTheEdge: attaching, changing and detaching, each by the ordinary notice.
func TestProfilesReachTheEdge(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		ctx := t.Context()
		a := b.tenant(t, "alpha")
		files, plain := b.runtime(t, a, "files"), b.runtime(t, a, "plain")
		out := outbound.New(outbound.Config{AllowPrivate: true})
		all := profiles.New(profiles.Options{
			DB: b.DB, Provider: provider.New(out, nil, b.DB.Clock()), Outbound: out,
			Origin: func(*tenancy.Tx) (string, error) { return "https://alpha.mcp.test", nil },
		})
		in := profiles.Input{
			Name: "Todo", Kind: profiles.KindOAuth, Preset: "generic", Issuer: "http://127.0.0.1:9",
			Settings: profiles.Settings{
				Discovery: profiles.Manual, Scopes: []string{"read", "write", "share"},
				Endpoints: provider.Endpoints{Issuer: "http://127.0.0.1:9", Authorization: "http://127.0.0.1:9/authorize", Token: "http://127.0.0.1:9/token"},
				Style:     provider.Style{Identity: provider.Identity{From: "none"}},
			},
			Client: profiles.ClientInput{Kind: profiles.Preregistered, ID: "emcy", AuthMethod: profiles.AuthBasic, Secret: secret.New("canary_client")},
		}
		todo, err := all.Create(ctx, a, profiles.NewID(), in)
		require.NoError(t, err)
		keyed, err := all.Create(ctx, a, profiles.NewID(), profiles.Input{
			Name: "Keys", Kind: profiles.KindAPIKey, Settings: profiles.Settings{APIKey: profiles.KeyRule{Label: "Key", Header: "X-Api-Key", Format: "Token {key}"}},
		})
		require.NoError(t, err)

		b.start(t)
		edge := func(s *snapshot.Snapshot) *snapshot.Edge { return b.edges(s, a)["files"] }
		require.Nil(t, edge(b.store.Load()).Downstream, "a profile alone is nothing")
		require.NotNil(t, b.store.Load().ByID(a.Tenant()).States)
		require.NotSame(t, b.store.Load().ByID(a.Tenant()).Sessions, b.store.Load().ByID(a.Tenant()).States)

		require.NoError(t, all.Attach(ctx, a, files.ID, profiles.AttachInput{
			ProfileID: todo.ID, Scopes: []string{"read"}, ToolScopes: map[string][]string{"add": {"write", "read"}}, NeededFor: profiles.NeededForCalls,
		}))
		b.until(t, "the attachment", func(s *snapshot.Snapshot) bool { return edge(s).Downstream != nil })
		require.Equal(t, &snapshot.Downstream{
			ProfileID: todo.ID, ProfileName: "Todo", Kind: snapshot.KindOAuth, Need: snapshot.NeedCalls, Scopes: []string{"read"},
			ToolScopes: map[string][]string{"add": {"read", "write"}}, Allowed: []string{"read", "write", "share"},
		}, edge(b.store.Load()).Downstream)
		require.Nil(t, b.edges(b.store.Load(), a)["plain"].Downstream, "and nowhere else")

		in.Name = "To-dos"
		_, err = all.Update(ctx, a, todo.ID, in, todo.Version)
		require.NoError(t, err)
		b.until(t, "the new name", func(s *snapshot.Snapshot) bool { return edge(s).Downstream.ProfileName == "To-dos" })

		require.NoError(t, all.Attach(ctx, a, files.ID, profiles.AttachInput{ProfileID: keyed.ID, NeededFor: profiles.NeededForEverything, Version: 1}))
		b.until(t, "the other profile", func(s *snapshot.Snapshot) bool { return edge(s).Downstream.ProfileID == keyed.ID })
		d := edge(b.store.Load()).Downstream
		require.Equal(t, []any{snapshot.KindAPIKey, snapshot.NeedEverything, "X-Api-Key", "Token {key}"}, []any{d.Kind, d.Need, d.Header, d.Format})

		require.NoError(t, all.Detach(ctx, a, files.ID, 2))
		b.until(t, "the end of it", func(s *snapshot.Snapshot) bool { return edge(s).Downstream == nil })
		require.NotEmpty(t, plain.ID)
	})
}

// TestContractsReachTheEdge: in net/http's spelling, and as nil where nothing was changed.
func TestContractsReachTheEdge(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		a := b.tenant(t, "alpha")
		u := b.runtime(t, a, "files")
		b.start(t)
		contract := func(s *snapshot.Snapshot) *snapshot.Contract { return b.edges(s, a)["files"].Contract }
		require.Nil(t, contract(b.store.Load()))
		u, err := b.registry.SetContract(t.Context(), a, "files", upstreams.Contract{Headers: map[string]string{upstreams.HeaderSecret: "x-shared", upstreams.HeaderToken: "X-Token"}, Bearer: true}, u.Version)
		require.NoError(t, err)
		b.until(t, "the contract", func(s *snapshot.Snapshot) bool { return contract(s) != nil })
		want := snapshot.DefaultContract
		want.Secret, want.Token, want.Bearer = "X-Shared", "X-Token", true
		require.Equal(t, &want, contract(b.store.Load()))
		_, err = b.registry.SetContract(t.Context(), a, "files", upstreams.Contract{}, u.Version)
		require.NoError(t, err)
		b.until(t, "the documented one", func(s *snapshot.Snapshot) bool { return contract(s) == nil })
	})
}

// TestTheDefaultContract: both packages name the same headers.
func TestTheDefaultContract(t *testing.T) {
	t.Parallel()
	names := snapshot.DefaultContract.Names()
	require.Equal(t, upstreams.ContractHeaders, names[:])
}
