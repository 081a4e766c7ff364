package profiles_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/secret"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/tenancytest"
	fake "github.com/emcy/gateway/test/fakes/provider"
)

func TestUpdateKeepsTheSecretAndKnowsItsVersion(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		p := b.create()
		asked := b.fake.Asked("metadata")
		in := b.input(func(in *profiles.Input) {
			in.Name, in.Kind, in.Preset, in.Client = "Renamed", profiles.KindAPIKey, "google", profiles.ClientInput{}
			in.Style.Audience = "https://api.example"
		})
		sub := b.DB.Notices().Subscribe(func(topic tenancy.Topic) bool { return topic == tenancy.ConfigTopic(b.a.Tenant()) })
		defer sub.Close()
		changed, err := b.profiles.Update(b.Context(), b.a, p.ID, in, p.Version)
		require.NoError(b, err, "%v", errs.FieldsOf(err))
		<-sub.Wake()
		require.Equal(b, "Renamed", changed.Name)
		require.Equal(b, profiles.KindOAuth, changed.Kind, "the kind stays")
		require.Equal(b, "generic", changed.Preset)
		require.Equal(b, 1, changed.Generation)
		require.Equal(b, asked, b.fake.Asked("metadata"), "the provider is the same: nobody has to be asked")
		c, err := b.config(p.ID, 0)
		require.NoError(b, err)
		require.Equal(b, typedSecret, c.Client.Secret.Reveal())
		require.Equal(b, "https://api.example", c.Style.Audience)

		_, err = b.profiles.Update(b.Context(), b.a, p.ID, in, p.Version)
		b.kind(err, errs.Stale)
		_, err = b.profiles.RotateClient(b.Context(), b.a, p.ID, b.input().Client, p.Version)
		b.kind(err, errs.Stale)
		require.Equal(b, changed, b.get(p.ID))
	})
}

// TestASecretDoesNotMoveToAnotherHost: neither the client's secret nor people's tokens go to a host that they were not meant for.
func TestASecretDoesNotMoveToAnotherHost(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		p, other := b.create(), fake.New(b.T)
		in := b.input(func(in *profiles.Input) { in.Issuer, in.Client = other.Issuer, profiles.ClientInput{} })
		_, err := b.profiles.Update(b.Context(), b.a, p.ID, in, p.Version)
		b.field(err, "client_secret", "another host")
		in.Client = profiles.ClientInput{ID: "elsewhere", Secret: secret.New("canary_other_secret")}
		live := b.grant(p, 1, "needs_reconnect")
		_, err = b.profiles.Update(b.Context(), b.a, p.ID, in, p.Version)
		b.field(err, "issuer", "1 person is connected")
		require.Equal(b, p, b.get(p.ID))

		b.setGrant(live, "revoked")
		changed, err := b.profiles.Update(b.Context(), b.a, p.ID, in, p.Version)
		require.NoError(b, err, "%v", errs.FieldsOf(err))
		require.Equal(b, 2, changed.Generation)
		require.Equal(b, "elsewhere", changed.Client.ID)
		c, err := b.config(p.ID, 0)
		require.NoError(b, err)
		require.Equal(b, "canary_other_secret", c.Client.Secret.Reveal())
		require.Equal(b, other.Token, c.Endpoints.Token)

		// Also where the endpoints are typed, and where only the identity is read elsewhere.
		typed := b.create(func(in *profiles.Input) {
			in.Discovery, in.Settings.Endpoints = profiles.Manual, provider.Endpoints{Authorization: b.fake.Authorization, Token: b.fake.Token}
		})
		in = b.input(func(in *profiles.Input) {
			in.Discovery, in.Settings.Endpoints = profiles.Manual, provider.Endpoints{Authorization: b.fake.Authorization, Token: b.fake.Token, Revocation: other.Revocation}
			in.Client = profiles.ClientInput{}
		})
		_, err = b.profiles.Update(b.Context(), b.a, typed.ID, in, typed.Version)
		b.field(err, "client_secret", "another host")
		in.Settings.Endpoints.Revocation, in.Style.Identity = "", provider.Identity{From: provider.FromUserInfo, URL: other.UserInfo}
		_, err = b.profiles.Update(b.Context(), b.a, typed.ID, in, typed.Version)
		b.field(err, "client_secret", "another host")
		in.Settings.Endpoints.Revocation, in.Style.Identity = b.fake.Revocation, provider.Identity{}
		_, err = b.profiles.Update(b.Context(), b.a, typed.ID, in, typed.Version)
		require.NoError(b, err, "the same host is no move")
	})
}

func TestRediscoveryKeepsEndpointsThatMoveUntilSomebodyAccepts(t *testing.T) {
	t.Parallel()
	moved := false
	each(t, func(b *bundle) {
		moved = false
		p := b.create()
		b.fake.Fail("metadata", fake.Status(500), -1)
		failed, err := b.profiles.Rediscover(b.Context(), b.a, p.ID, false)
		require.NoError(b, err)
		require.NotEmpty(b, failed.DiscoveryError)
		require.False(b, failed.HostsMoved)
		require.Equal(b, p.Endpoints(), failed.Endpoints(), "what was read before stays")
		b.fake.Heal()

		moved = true
		held, err := b.profiles.Rediscover(b.Context(), b.a, p.ID, false)
		require.NoError(b, err)
		require.True(b, held.HostsMoved, held.DiscoveryError)
		require.Contains(b, held.DiscoveryError, "http://localhost:1")
		require.Equal(b, p.Endpoints(), held.Endpoints())
		accepted, err := b.profiles.Rediscover(b.Context(), b.a, p.ID, true)
		require.NoError(b, err)
		require.Empty(b, accepted.DiscoveryError)
		require.Equal(b, "http://localhost:1/token", accepted.Endpoints().Token)
		require.Contains(b, b.audited(), "profile.discover")

		typed := b.create(func(in *profiles.Input) {
			in.Discovery, in.Settings.Endpoints = profiles.Manual, provider.Endpoints{Authorization: b.fake.Authorization, Token: b.fake.Token}
		})
		_, err = b.profiles.Rediscover(b.Context(), b.a, typed.ID, false)
		b.kind(err, errs.Invalid)
	}, fake.Metadata(func(doc map[string]any) {
		if moved {
			doc["token_endpoint"] = "http://localhost:1/token"
		}
	}))
}

// TestGenerations: a grant goes on with the client ID that it came from, and with that one's newest secret (clients.md, complaint 29).
func TestGenerations(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		p := b.create()
		first := b.grant(p, 1, "connected")
		rotated, err := b.profiles.RotateClient(b.Context(), b.a, p.ID, profiles.ClientInput{Kind: profiles.Preregistered, ID: "gateway", AuthMethod: profiles.AuthPost, Secret: secret.New("canary_rotated_secret")}, p.Version)
		require.NoError(b, err)
		require.Equal(b, 2, rotated.Generation)
		c, err := b.config(p.ID, 1)
		require.NoError(b, err)
		require.Equal(b, "canary_rotated_secret", c.Client.Secret.Reveal(), "the provider ended the old secret, also for those who came with it")
		require.Equal(b, profiles.AuthPost, c.Client.AuthMethod)

		other, err := b.profiles.RotateClient(b.Context(), b.a, p.ID, profiles.ClientInput{Kind: profiles.Preregistered, ID: "another", AuthMethod: profiles.AuthNone}, rotated.Version)
		require.NoError(b, err)
		for generation, want := range map[int]string{0: "another", 1: "gateway", 2: "gateway", 3: "another"} {
			c, err := b.config(p.ID, generation)
			require.NoError(b, err)
			require.Equal(b, want, c.Client.ID, generation)
		}
		require.Empty(b, tenancytest.Find(b.T, b.Env, "canary_rotated_secret"))

		b.grant(other, 3, "connected")
		// Nothing retires while it may be in use: a person may be at the provider with it.
		n, err := b.profiles.Retire(b.Context(), b.a)
		require.NoError(b, err)
		require.Zero(b, n)
		b.Clock.Advance(2 * hour)
		n, err = b.profiles.Retire(b.Context(), b.a)
		require.NoError(b, err)
		require.Zero(b, n, "the first has a grant, and the second has its secret")
		b.setGrant(first, "revoked")
		n, err = b.profiles.Retire(b.Context(), b.a)
		require.NoError(b, err)
		require.Equal(b, 2, n)
		_, err = b.config(p.ID, 1)
		b.kind(err, errs.NotFound)
		c, err = b.config(p.ID, 0)
		require.NoError(b, err)
		require.Equal(b, "another", c.Client.ID)
		var generations []profiles.Generation
		b.read(func(tx *tenancy.Tx) (err error) {
			generations, err = profiles.Clients(tx, p.ID)
			return err
		})
		require.Len(b, generations, 3)
		require.True(b, generations[2].Retired)
		require.False(b, generations[2].HasSecret, "the secret is gone from the database")
		require.Equal(b, other.Client, generations[0].ClientInfo)
	})
}

// TestAnOldSecretOfTheSameClientRetires: grants that came with the new one are no reason to keep it.
func TestAnOldSecretOfTheSameClientRetires(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		p := b.create()
		rotated, err := b.profiles.RotateClient(b.Context(), b.a, p.ID, b.input().Client, p.Version)
		require.NoError(b, err)
		b.grant(rotated, 2, "connected")
		b.Clock.Advance(2 * hour)
		n, err := b.profiles.Retire(b.Context(), b.a)
		require.NoError(b, err)
		require.Equal(b, 1, n)
		_, err = b.config(p.ID, 2)
		require.NoError(b, err)
	})
}

func TestAClientThatRegistersItself(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		in := func(in *profiles.Input) { in.Client = profiles.ClientInput{Kind: profiles.DCR} }
		_, err := b.profiles.Create(b.Context(), b.a, profiles.NewID(), b.input(in))
		b.field(err, "client_kind", "does not register clients for everybody")
		with := func(in *profiles.Input) {
			in.Client = profiles.ClientInput{Kind: profiles.DCR, InitialToken: secret.New("canary_initial")}
		}
		p := b.create(with)
		require.True(b, strings.HasPrefix(p.Client.ID, "dcr-"), p.Client.ID)
		require.True(b, p.Client.HasSecret)
		require.Equal(b, b.origin+profiles.CallbackPath(p.ID), p.Client.RedirectURI)
		for _, s := range append(b.fake.Secrets(), "canary_initial") {
			require.Empty(b, tenancytest.Find(b.T, b.Env, s))
		}
		require.NoError(b, b.profiles.RenewDue(b.Context(), b.a), "nothing is due")
		require.Equal(b, 1, b.get(p.ID).Generation)

		b.origin = "https://mcp.acme.example"
		err = b.profiles.RenewDue(b.Context(), b.a)
		require.ErrorContains(b, err, p.ID, "the initial token is not kept")
		require.NotContains(b, err.Error(), "canary")
	}, fake.InitialToken("canary_initial"))
}

func TestARegistrationIsRenewed(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		p := b.create(func(in *profiles.Input) { in.Client = profiles.ClientInput{Kind: profiles.DCR} })
		b.origin = "https://mcp.acme.example"
		require.NoError(b, b.profiles.RenewDue(b.Context(), b.a))
		renewed := b.get(p.ID)
		require.Equal(b, 2, renewed.Generation)
		require.NotEqual(b, p.Client.ID, renewed.Client.ID)
		require.Equal(b, b.origin+profiles.CallbackPath(p.ID), renewed.Client.RedirectURI)

		ends := b.Clock.Now().Add(8 * 24 * hour)
		require.NoError(b, b.DB.Write(b.Context(), b.a, func(tx *tenancy.Tx) error {
			return tx.DB().Model(&sealedRow{}).Where("generation = ?", 2).Update("secret_expires_at", ends).Error
		}))
		require.NoError(b, b.profiles.RenewDue(b.Context(), b.a))
		require.Equal(b, 2, b.get(p.ID).Generation, "a week before, and not earlier")
		b.Clock.Advance(2 * 24 * hour)
		require.NoError(b, b.profiles.RenewDue(b.Context(), b.a))
		require.Equal(b, 3, b.get(p.ID).Generation)
		require.NoError(b, b.profiles.RenewDue(b.Context(), b.a))
		require.Equal(b, 3, b.get(p.ID).Generation)
		old, err := b.config(p.ID, 1)
		require.NoError(b, err)
		require.Equal(b, p.Client.ID, old.Client.ID, "who came from the first registration stays with it")
	})
}
