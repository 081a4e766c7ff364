package grants_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/emcy/gateway/grants"
	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/tenancy"
	fake "github.com/emcy/gateway/test/fakes/provider"
)

// TestALateRevocationSparesTheNextConnection: GitHub ends all that an account gave at
// once. A revocation that waited must not end what the person connected since; a mass
// revoke does, because it is about what may be in wrong hands.
func TestALateRevocationSparesTheNextConnection(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		p := b.newProfile(t, b.a, "GitHub", func(in *profiles.Input) {
			in.Client.AuthMethod = profiles.AuthPost
			in.Style.RevokeWith, in.Style.AcceptJSON, in.Style.ErrorsWith200, in.Style.OmitResource = "github", true, true, true
			in.Style.Identity = provider.Identity{From: provider.FromUserInfo, ID: "id"}
		})
		var config provider.Config
		b.read(t, b.a, func(tx *tenancy.Tx) (err error) {
			config, err = profiles.Config(tx, p.ID, 0, "https://alpha.mcp.test")
			return err
		})
		connect := func(subject string) (grants.Grant, provider.Tokens) {
			verifier := oauth2.GenerateVerifier()
			address, err := b.speaks.AuthorizeURL(config, []string{"read"}, "state", "", verifier)
			require.NoError(t, err)
			tokens, err := b.speaks.Exchange(t.Context(), config, b.provider.Approve(t, address).Get("code"), verifier)
			require.NoError(t, err)
			account, err := b.speaks.Account(t.Context(), config, tokens, "")
			require.NoError(t, err)
			return b.save(t, b.a, grants.Connected{ProfileID: p.ID, Subject: subject, Tokens: tokens, Account: account, ClientGeneration: 1, Scopes: []string{"read"}}), tokens
		}
		lives := func(tokens provider.Tokens) bool {
			_, err := b.speaks.Account(t.Context(), config, tokens, "")
			return err == nil
		}
		disconnect := func(subject string, g grants.Grant) {
			require.NoError(t, b.service.Disconnect(t.Context(), b.a, subject, g.ID))
		}

		first, _ := connect(ada)
		disconnect(ada, first)
		_, tokens := connect(ada)
		require.NoError(t, b.service.RevokeDue(t.Context()))
		require.Equal(t, 1, b.revocations(t, "unsupported"))
		require.True(t, lives(tokens))
		var sealed int
		b.row(t, "select count(*) from grant_revocations where tokens is not null", &sealed)
		require.Zero(t, sealed, "what is not revoked is not kept either")

		// Another account is told, and so is this one once nobody has it.
		b.provider.SignIn(fake.User{ID: "2", Name: "Grace"})
		other, theirs := connect("acc_grace")
		disconnect("acc_grace", other)
		require.NoError(t, b.service.RevokeDue(t.Context()))
		require.Equal(t, 1, b.revocations(t, "done"))
		require.False(t, lives(theirs))
		require.True(t, lives(tokens))

		_, err := b.service.RevokeAll(t.Context(), b.a, grants.Target{Kind: grants.TargetProfile, ID: p.ID}, "drill")
		require.NoError(t, err)
		b.provider.SignIn(fake.Ada)
		_, tokens = connect(ada)
		require.NoError(t, b.service.RevokeDue(t.Context()))
		require.Equal(t, 2, b.revocations(t, "done"))
		require.False(t, lives(tokens))
	}, fake.As("github"))
}
