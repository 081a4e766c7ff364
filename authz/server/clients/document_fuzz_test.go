package clients

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/internal/outbound"
)

// FuzzDocument: whatever a metadata document holds, what is kept of it is its own, can be
// used and shown safely, and rests on no shared secret.
func FuzzDocument(f *testing.F) {
	const id = "https://app.example/client.json"
	for _, seed := range []string{
		`{}`, `null`, `[]`, `{"client_id":"` + id + `","client_name":"x","redirect_uris":["http://localhost/"]}`,
		`{"client_id":"` + id + `","client_name":"\u202e<b>","redirect_uris":["javascript:x","https://a.example/"],"token_endpoint_auth_method":"private_key_jwt","jwks_uri":"https://a.example/j"}`,
		`{"client_id":"` + id + `","client_name":"x","redirect_uris":["cursor://x"],"token_endpoint_auth_methods_supported":["none","client_secret_post"],"jwks":{"keys":[]},"client_secret":null}`,
		`{"client_id":"` + id + `","client_id":"` + id + `"}`,
	} {
		f.Add(seed)
	}
	listed().each(func(_ *vendor, k *knownClient) bool {
		f.Add(strings.Replace(string(k.Document), "{", `{"client_id":"`+id+`",`, 1))
		return false
	})
	strict := outbound.New(outbound.Config{})
	f.Fuzz(func(t *testing.T, body string) {
		out, err := parseDocument(strict, id, []byte(body))
		if err != nil {
			return
		}
		require.Contains(t, body, "client.json")
		require.NotEmpty(t, out.ClientName)
		require.Equal(t, cleanName(out.ClientName), out.ClientName)
		require.NotEmpty(t, out.RedirectURIs)
		for _, uri := range out.RedirectURIs {
			require.True(t, Registrable(uri))
		}
		require.NotContains(t, out.GrantTypes, GrantClientCredentials)
		switch out.TokenEndpointAuthMethod {
		case AuthNone:
			require.False(t, out.alsoNone)
			require.Empty(t, out.JWKSURI)
		case AuthPrivateKey:
			require.NoError(t, checkKeys(strict, out.JWKS, out.JWKSURI))
		default:
			t.Fatalf("method %q", out.TokenEndpointAuthMethod)
		}
		if out.ClientURI != "" {
			require.True(t, strings.HasPrefix(out.ClientURI, "https://"))
		}
		for _, text := range []string{out.ClientName, out.SoftwareID, out.SoftwareVersion, out.JWKSURI} {
			require.True(t, Storable(text))
		}
	})
}
