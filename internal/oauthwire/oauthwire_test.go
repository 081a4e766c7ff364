package oauthwire_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/internal/oauthwire"
)

func TestChallenge(t *testing.T) {
	t.Parallel()
	const metadata = "https://acme.mcp.test/.well-known/oauth-protected-resource/crm/mcp"
	for name, c := range map[string]struct {
		challenge oauthwire.Challenge
		want      string
	}{
		"no token": {
			oauthwire.Challenge{ResourceMetadata: metadata, Scope: "mcp", Description: "never shown"},
			`Bearer resource_metadata="` + metadata + `", scope="mcp"`,
		},
		"bad token": {
			oauthwire.Challenge{ResourceMetadata: metadata, Scope: "mcp", Error: oauthwire.ErrorInvalidToken, Description: "expired"},
			`Bearer resource_metadata="` + metadata + `", scope="mcp", error="invalid_token", error_description="expired"`,
		},
		"nothing escapes the quotes": {
			oauthwire.Challenge{ResourceMetadata: metadata, Scope: "a\" b", Error: "x", Description: "é\r\nSet-Cookie: a\\"},
			`Bearer resource_metadata="` + metadata + `", scope="a' b", error="x", error_description="''''Set-Cookie: a'"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, c.challenge.String())
		})
	}
}

func TestToken(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		values []string
		token  string
		err    error
	}{
		"absent":          {nil, "", oauthwire.ErrAbsent},
		"token":           {[]string{"Bearer a.b-c_d~e+f/g=="}, "a.b-c_d~e+f/g==", nil},
		"any case":        {[]string{"bEARER abc"}, "abc", nil},
		"spaces":          {[]string{"Bearer   abc "}, "abc", nil},
		"bound":           {[]string{"dpop abc"}, "abc", nil},
		"other scheme":    {[]string{"Basic YTpi"}, "", oauthwire.ErrAbsent},
		"no scheme":       {[]string{"abc"}, "", oauthwire.ErrAbsent},
		"empty":           {[]string{""}, "", oauthwire.ErrAbsent},
		"scheme only":     {[]string{"Bearer"}, "", oauthwire.ErrMalformed},
		"two headers":     {[]string{"Bearer a", "Bearer b"}, "", oauthwire.ErrMalformed},
		"two in one":      {[]string{"Bearer a, Bearer b"}, "", oauthwire.ErrMalformed},
		"control":         {[]string{"Bearer a\tb"}, "", oauthwire.ErrMalformed},
		"not ASCII":       {[]string{"Bearer é"}, "", oauthwire.ErrMalformed},
		"at the limit":    {[]string{"Bearer " + strings.Repeat("a", oauthwire.MaxToken)}, strings.Repeat("a", oauthwire.MaxToken), nil},
		"above the limit": {[]string{"Bearer " + strings.Repeat("a", oauthwire.MaxToken+1)}, "", oauthwire.ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{}
			if c.values != nil {
				h["Authorization"] = c.values
			}
			token, dpop, err := oauthwire.Token(h)
			require.ErrorIs(t, err, c.err)
			require.Equal(t, name == "bound", dpop)
			require.Equal(t, c.token, token)
		})
	}
}
