package profiles_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/secret"
	fake "github.com/emcy/gateway/test/fakes/provider"
)

const hour = time.Hour

func (b *bundle) jwks(id string) (set jose.JSONWebKeySet) {
	b.Helper()
	raw, err := b.profiles.JWKS(b.Context(), b.a, id)
	require.NoError(b, err)
	require.NoError(b, json.Unmarshal(raw, &set))
	for _, key := range set.Keys {
		require.True(b, key.IsPublic())
		require.True(b, key.Valid())
	}
	return set
}

func TestAKeyOfOurOwn(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		p := b.create(func(in *profiles.Input) {
			in.Client = profiles.ClientInput{Kind: profiles.Preregistered, ID: "gateway", AuthMethod: profiles.AuthKey, KeyAlg: profiles.KeyRS256}
		})
		require.True(b, p.Client.HasKey)
		require.False(b, p.Client.HasSecret)
		c, err := b.config(p.ID, 0)
		require.NoError(b, err)
		require.False(b, c.Client.Key.IsPublic())
		set := b.jwks(p.ID)
		require.Len(b, set.Keys, 1)
		require.Equal(b, c.Client.Key.KeyID, set.Keys[0].KeyID)
		require.Equal(b, profiles.KeyRS256, set.Keys[0].Algorithm)

		rotated, err := b.profiles.RotateClient(b.Context(), b.a, p.ID, profiles.ClientInput{Kind: profiles.Preregistered, ID: "gateway", AuthMethod: profiles.AuthKey}, p.Version)
		require.NoError(b, err)
		set = b.jwks(p.ID)
		require.Len(b, set.Keys, 2, "a provider that read the set before still finds the old key")
		require.Equal(b, profiles.KeyES256, set.Keys[0].Algorithm, "the newest is first")
		require.Equal(b, 2, rotated.Generation)

		_, err = b.profiles.JWKS(b.Context(), b.a, b.create().ID)
		b.kind(err, errs.NotFound)
		_, err = b.profiles.Document(b.Context(), b.a, b.origin, p.ID)
		b.kind(err, errs.NotFound)
	})
}

func TestOurClientIDMetadataDocument(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		p := b.create(func(in *profiles.Input) { in.Client = profiles.ClientInput{Kind: profiles.CIMD} })
		raw, err := b.profiles.Document(b.Context(), b.a, b.origin, p.ID)
		require.NoError(b, err)
		var doc map[string]any
		require.NoError(b, json.Unmarshal(raw, &doc))
		require.Equal(b, p.Client.ID, doc["client_id"])
		require.Equal(b, b.origin+"/oauth/client/"+p.ID, doc["client_id"])
		require.Equal(b, []any{b.origin + profiles.CallbackPath(p.ID)}, doc["redirect_uris"])
		require.Equal(b, []any{"authorization_code", "refresh_token"}, doc["grant_types"])
		require.Equal(b, p.Client.AuthMethod, doc["token_endpoint_auth_method"])
		if p.Client.HasKey {
			require.Equal(b, p.Client.ID+"/jwks", doc["jwks_uri"])
			require.Len(b, b.jwks(p.ID).Keys, 1)
		}
	})
}

func TestAProviderThatTakesNoDocument(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		_, err := b.profiles.Create(b.Context(), b.a, profiles.NewID(), b.input(func(in *profiles.Input) { in.Client = profiles.ClientInput{Kind: profiles.CIMD} }))
		b.field(err, "client_kind", "does not say that it takes")
		_, err = b.profiles.Create(b.Context(), b.a, profiles.NewID(), b.input(func(in *profiles.Input) {
			in.Client = profiles.ClientInput{Kind: profiles.DCR, Secret: secret.New("unused")}
		}))
		b.field(err, "client_kind", "no registration endpoint")
	}, fake.Metadata(func(doc map[string]any) {
		delete(doc, "client_id_metadata_document_supported")
		delete(doc, "registration_endpoint")
	}))
}
