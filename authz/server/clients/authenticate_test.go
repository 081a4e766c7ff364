package clients_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server/clients"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/tenancytest"
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

func (b *bundle) authenticate(cr clients.Credentials) (clients.Client, error) {
	b.t.Helper()
	cr.Issuer, cr.Endpoint = issuer, issuer+"/token"
	return b.clients.Authenticate(b.t.Context(), b.h, cr)
}

// TestA15OneWay: a client proves itself in the one way that it registered, and in none
// besides.
func TestA15OneWay(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		const redirects = `{"redirect_uris":["https://app.example/cb"],"token_endpoint_auth_method":"`
		public, basic, post := b.register(redirects+`none"}`), b.register(redirects+`client_secret_basic"}`), b.register(redirects+`client_secret_post"}`)
		require.Empty(b.t, public.ClientSecret)
		for _, c := range []struct {
			name string
			cr   clients.Credentials
			ok   bool
		}{
			{"public", clients.Credentials{ClientID: public.ClientID}, true},
			{"public, empty Basic", clients.Credentials{ClientID: public.ClientID, Basic: true}, true},
			{"public with a secret", clients.Credentials{ClientID: public.ClientID, Secret: "s"}, false},
			{"public with a header", clients.Credentials{ClientID: public.ClientID, Secret: "s", Basic: true}, false},
			{"public with an assertion", clients.Credentials{ClientID: public.ClientID, Assertion: "x", AssertionType: assertionType}, false},
			{"basic", clients.Credentials{ClientID: basic.ClientID, Secret: basic.ClientSecret, Basic: true}, true},
			{"basic in the body", clients.Credentials{ClientID: basic.ClientID, Secret: basic.ClientSecret}, false},
			{"basic without", clients.Credentials{ClientID: basic.ClientID}, false},
			{"basic, empty", clients.Credentials{ClientID: basic.ClientID, Basic: true}, false},
			{"basic, wrong", clients.Credentials{ClientID: basic.ClientID, Secret: post.ClientSecret, Basic: true}, false},
			{"basic, cut", clients.Credentials{ClientID: basic.ClientID, Secret: basic.ClientSecret[:len(basic.ClientSecret)-1], Basic: true}, false},
			{"post", clients.Credentials{ClientID: post.ClientID, Secret: post.ClientSecret}, true},
			{"post in the header", clients.Credentials{ClientID: post.ClientID, Secret: post.ClientSecret, Basic: true}, false},
			{"post without", clients.Credentials{ClientID: post.ClientID}, false},
			{"post, the hash", clients.Credentials{ClientID: post.ClientID, Secret: ids.Hash(post.ClientSecret)}, false},
			{"unknown", clients.Credentials{ClientID: "cli_unknown"}, false},
			{"nobody", clients.Credentials{}, false},
			{"NUL", clients.Credentials{ClientID: "cli\x00"}, false},
		} {
			got, err := b.authenticate(c.cr)
			if c.ok {
				require.NoError(b.t, err, c.name)
				require.Equal(b.t, c.cr.ClientID, got.ID)
			} else {
				require.Equal(b.t, "invalid_client", code(b.t, err), c.name)
			}
		}
		_, err := b.authenticate(clients.Credentials{ClientID: basic.ClientID, Secret: "s", Assertion: "x"})
		require.Equal(b.t, "invalid_request", code(b.t, err))
		_, err = b.clients.Authenticate(b.t.Context(), b.b, clients.Credentials{ClientID: public.ClientID})
		require.Equal(b.t, "invalid_client", code(b.t, err), "of another workspace")
		for _, status := range []clients.Status{clients.Held, clients.Blocked} {
			b.write(func(tx *tenancy.Tx) error { return b.clients.SetStatus(tx, post.ClientID, status) })
			_, err = b.authenticate(clients.Credentials{ClientID: post.ClientID, Secret: post.ClientSecret})
			refused(b.t, err)
		}
	})
}

// signing is a client that holds a key.
type signing struct {
	b   *bundle
	id  string
	kid string
	alg jose.SignatureAlgorithm
	key crypto.Signer
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}

func (s signing) jwks() string {
	raw, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: s.key.Public(), KeyID: s.kid}}})
	require.NoError(s.b.t, err)
	return string(raw)
}

// assertion is a good one, with what the test changes in it.
func (s signing) assertion(header map[jose.HeaderKey]any, change map[string]any) string {
	s.b.t.Helper()
	opts := &jose.SignerOptions{}
	for name, value := range header {
		opts = opts.WithHeader(name, value)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: s.alg, Key: jose.JSONWebKey{Key: s.key, KeyID: s.kid}}, opts)
	require.NoError(s.b.t, err)
	now := s.b.Clock.Now()
	claims := map[string]any{"iss": s.id, "sub": s.id, "aud": issuer, "jti": ids.New("j"), "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix()}
	for name, value := range change {
		claims[name] = value
		if value == nil {
			delete(claims, name)
		}
	}
	out, err := jwt.Signed(signer).Claims(claims).Serialize()
	require.NoError(s.b.t, err)
	return out
}

func (s signing) try(assertion string) error {
	_, err := s.b.authenticate(clients.Credentials{ClientID: s.id, Assertion: assertion, AssertionType: assertionType})
	return err
}

// keyed registers a client with a key of its own.
func (b *bundle) keyed() signing {
	b.t.Helper()
	s := signing{b: b, kid: "1", alg: jose.ES256, key: newKey(b.t)}
	s.id = b.register(`{"redirect_uris":["https://app.example/cb"],"token_endpoint_auth_method":"private_key_jwt","jwks":` + s.jwks() + `}`).ClientID
	return s
}

func TestAssertions(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		s := b.keyed()
		good := s.assertion(nil, nil)
		require.NoError(b.t, s.try(good))
		now := b.Clock.Now()
		for name, ok := range map[string]string{
			"for the endpoint": s.assertion(nil, map[string]any{"aud": issuer + "/token"}),
			"both":             s.assertion(nil, map[string]any{"aud": []string{issuer, issuer + "/token"}}),
			"typed":            s.assertion(map[jose.HeaderKey]any{"typ": "client-authentication+jwt"}, nil),
			"JWT":              s.assertion(map[jose.HeaderKey]any{"typ": "JWT"}, nil),
			"ten minutes":      s.assertion(nil, map[string]any{"exp": now.Add(10 * time.Minute).Unix()}),
			"no iat":           s.assertion(nil, map[string]any{"iat": nil}),
		} {
			require.NoError(b.t, s.try(ok), name)
		}
		found, err := b.authenticate(clients.Credentials{Assertion: s.assertion(nil, nil), AssertionType: assertionType})
		require.NoError(b.t, err, "sub says whose it is")
		require.Equal(b.t, s.id, found.ID)

		other := b.keyed()
		stolen := signing{b: b, id: s.id, kid: "1", alg: jose.ES256, key: newKey(b.t)}
		for name, bad := range map[string]string{
			"another's key": stolen.assertion(nil, nil), "another client": other.assertion(nil, nil),
			"iss": s.assertion(nil, map[string]any{"iss": other.id}), "sub": s.assertion(nil, map[string]any{"sub": other.id}), "no iss": s.assertion(nil, map[string]any{"iss": nil}),
			"aud": s.assertion(nil, map[string]any{"aud": "https://other.example"}), "aud with a slash": s.assertion(nil, map[string]any{"aud": issuer + "/"}), "aud //": s.assertion(nil, map[string]any{"aud": issuer + "//token"}),
			"no aud": s.assertion(nil, map[string]any{"aud": nil}), "aud besides": s.assertion(nil, map[string]any{"aud": []string{issuer, "https://other.example"}}),
			"expired": s.assertion(nil, map[string]any{"exp": now.Add(-time.Minute).Unix()}), "no exp": s.assertion(nil, map[string]any{"exp": nil}), "an hour": s.assertion(nil, map[string]any{"exp": now.Add(time.Hour).Unix()}),
			"not yet": s.assertion(nil, map[string]any{"nbf": now.Add(5 * time.Minute).Unix()}), "from the future": s.assertion(nil, map[string]any{"iat": now.Add(5 * time.Minute).Unix()}),
			"no jti": s.assertion(nil, map[string]any{"jti": nil}), "long jti": s.assertion(nil, map[string]any{"jti": strings.Repeat("j", 300)}),
			"access token": s.assertion(map[jose.HeaderKey]any{"typ": "at+jwt"}, nil), "proof": s.assertion(map[jose.HeaderKey]any{"typ": "dpop+jwt"}, nil),
			"no jwt": "x", "unsigned": "eyJhbGciOiJub25lIn0.e30.", "cut": good[:len(good)-2], "large": good + strings.Repeat("x", 20_000),
		} {
			require.Equal(b.t, "invalid_client", code(b.t, s.try(bad)), name)
		}
		_, err = b.authenticate(clients.Credentials{ClientID: s.id, Assertion: s.assertion(nil, nil), AssertionType: "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"})
		require.Equal(b.t, "invalid_request", code(b.t, err))
		_, err = b.authenticate(clients.Credentials{ClientID: s.id})
		require.Equal(b.t, "invalid_client", code(b.t, err), "a key that is held is not left out")
		require.NotContains(b.t, fmt.Sprint(err), "eyJ")
	})
}

func TestAssertionAlgorithms(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
		require.NoError(b.t, err)
		_, edKey, err := ed25519.GenerateKey(rand.Reader)
		require.NoError(b.t, err)
		for alg, key := range map[jose.SignatureAlgorithm]crypto.Signer{jose.ES256: newKey(b.t), jose.PS256: rsaKey, jose.RS256: rsaKey, jose.EdDSA: edKey} {
			s := signing{b: b, kid: "k", alg: alg, key: key}
			s.id = b.register(`{"redirect_uris":["https://app.example/cb"],"token_endpoint_auth_method":"private_key_jwt","jwks":` + s.jwks() + `}`).ClientID
			require.NoError(b.t, s.try(s.assertion(nil, nil)), alg)
		}
		s := signing{b: b, kid: "k", alg: jose.RS512, key: rsaKey}
		s.id = b.register(`{"redirect_uris":["https://app.example/cb"],"token_endpoint_auth_method":"private_key_jwt","jwks":` + s.jwks() + `}`).ClientID
		require.Equal(b.t, "invalid_client", code(b.t, s.try(s.assertion(nil, nil))))
	})
}

// TestA18AssertionReplay: an assertion proves something once, whichever node it is shown
// to, and however many at a time.
func TestA18AssertionReplay(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		s := b.keyed()
		nodes := []*clients.Clients{b.clients, b.node(b.DB, outbound.Config{AllowPrivate: true})}
		if b.URL != "" { // SQLite belongs to one process
			second, err := tenancy.Open(b.t.Context(), tenancy.Config{DatabaseURL: b.URL, KEK: tenancytest.KEK(b.t), Clock: b.Clock, Log: slog.New(slog.DiscardHandler)})
			require.NoError(b.t, err)
			b.t.Cleanup(func() { require.NoError(b.t, second.Close()) })
			nodes = append(nodes, b.node(second, outbound.Config{AllowPrivate: true}))
		}
		for range 3 {
			once := clients.Credentials{ClientID: s.id, Assertion: s.assertion(nil, nil), AssertionType: assertionType, Issuer: issuer, Endpoint: issuer + "/token"}
			var wg sync.WaitGroup
			answers := make([]error, 12)
			for i := range answers {
				wg.Go(func() { _, answers[i] = nodes[i%len(nodes)].Authenticate(b.t.Context(), b.h, once) })
			}
			wg.Wait()
			proven := 0
			for _, err := range answers {
				if err == nil {
					proven++
				} else {
					require.Equal(b.t, "invalid_client", code(b.t, err))
				}
			}
			require.Equal(b.t, 1, proven)
		}
		assertion := s.assertion(nil, map[string]any{"jti": "same"})
		require.NoError(b.t, s.try(assertion))
		b.Clock.Advance(4 * time.Minute)
		require.NoError(b.t, b.DB.System(b.t.Context(), tenancy.ReasonSweep, clients.Sweep))
		require.Equal(b.t, "invalid_client", code(b.t, s.try(assertion)), "remembered as long as it could be used")
		other := b.keyed()
		require.NoError(b.t, other.try(other.assertion(nil, map[string]any{"jti": "same"})), "each client has its own")
	})
}

// TestC12KeySets: keys that are fetched are capped, and a made-up kid is no way to make
// us call.
func TestC12KeySets(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		at := path(b.t, "jwks")
		s := signing{b: b, kid: "1", alg: jose.ES256, key: newKey(b.t)}
		uri := web.publish(at, 200, s.jwks(), "Content-Type", "application/jwk-set+json")
		s.id = b.register(`{"redirect_uris":["https://app.example/cb"],"token_endpoint_auth_method":"private_key_jwt","jwks_uri":"` + uri + `"}`).ClientID
		require.Empty(b.t, web.asked(at), "not before it is needed")
		require.NoError(b.t, s.try(s.assertion(nil, nil)))
		for i := range 50 {
			made := s
			made.kid = fmt.Sprint("made-up-", i)
			require.Equal(b.t, "invalid_client", code(b.t, made.try(made.assertion(nil, nil))))
		}
		require.Len(b.t, web.asked(at), 1)
		old := s
		s.kid, s.key = "2", newKey(b.t)
		web.publish(at, 200, s.jwks())
		b.Clock.Advance(time.Minute)
		require.NoError(b.t, s.try(s.assertion(nil, nil)), "a new key a minute later")
		require.Equal(b.t, "invalid_client", code(b.t, old.try(old.assertion(nil, nil))), "one that was taken out is gone")
		web.publish(at, 500, "")
		b.Clock.Advance(20 * time.Hour)
		require.NoError(b.t, s.try(s.assertion(nil, nil)), "the last good set")
		b.Clock.Advance(5 * time.Hour)
		require.Equal(b.t, "invalid_client", code(b.t, s.try(s.assertion(nil, nil))), "for a day")
		for name, body := range map[string]string{
			"huge": `{"keys":[],"x":"` + strings.Repeat("x", 300<<10) + `"}`, "many": `{"keys":[` + strings.Repeat(`{"kty":"new"},`, 100) + `{"kty":"new"}]}`, "no set": `[]`, "html": `<html>`,
			"a private key": func() string {
				raw, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: s.key, KeyID: s.kid}}})
				require.NoError(b.t, err)
				return string(raw)
			}(),
		} {
			web.publish(at, 200, body)
			b.Clock.Advance(time.Minute)
			require.Equal(b.t, "invalid_client", code(b.t, s.try(s.assertion(nil, nil))), name)
		}
		web.publish(at, 200, s.jwks())
		b.Clock.Advance(time.Minute)
		require.NoError(b.t, s.try(s.assertion(nil, nil)))
	})
}

// TestDocumentMethods: what a document says of authentication, as vendors write it.
func TestDocumentMethods(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		s := signing{b: b, kid: "1", alg: jose.ES256, key: newKey(b.t)}
		var set map[string]any
		require.NoError(b.t, json.Unmarshal([]byte(s.jwks()), &set))
		keysAt := path(b.t, "jwks")
		uri := web.publish(keysAt, 200, s.jwks())
		for name, c := range map[string]struct {
			doc          map[string]any
			none, signed bool
		}{
			"nothing said":           {map[string]any{"token_endpoint_auth_method": nil}, true, false},
			"none":                   {map[string]any{}, true, false},
			"a key":                  {map[string]any{"token_endpoint_auth_method": "private_key_jwt", "jwks": set}, false, true},
			"keys fetched":           {map[string]any{"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": uri}, false, true},
			"listed only":            {map[string]any{"token_endpoint_auth_method": nil, "token_endpoint_auth_methods_supported": []string{"private_key_jwt"}, "jwks": set}, false, true},
			"prefers the key":        {map[string]any{"token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_methods_supported": []string{"none", "private_key_jwt"}, "jwks_uri": uri}, true, true},
			"prefers none":           {map[string]any{"token_endpoint_auth_method": "none", "token_endpoint_auth_methods": []string{"none", "private_key_jwt"}, "jwks": set}, true, true},
			"offers both, no keys":   {map[string]any{"token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_methods_supported": []string{"none", "private_key_jwt"}}, true, false},
			"lists a secret besides": {map[string]any{"token_endpoint_auth_method": nil, "token_endpoint_auth_methods_supported": []string{"client_secret_post", "none"}}, true, false},
		} {
			at := path(b.t, "methods")
			s.id = web.url + at
			web.publish(at, 200, document(s.id, c.doc))
			_, err := b.authenticate(clients.Credentials{ClientID: s.id})
			require.Equal(b.t, "invalid_client", code(b.t, err), "the token endpoint fetches nobody's document")
			require.Empty(b.t, web.asked(at))
			found, err := b.authenticate(clients.Credentials{ClientID: s.id, New: true, Assertion: s.assertion(nil, nil), AssertionType: assertionType})
			if !c.signed {
				require.Equal(b.t, "invalid_client", code(b.t, err), name)
			} else {
				require.NoError(b.t, err, name)
				require.Equal(b.t, c.none, found.AlsoNone)
				require.Equal(b.t, !c.none, found.Confidential())
			}
			_, err = b.authenticate(clients.Credentials{ClientID: s.id})
			if c.none {
				require.NoError(b.t, err, name)
			} else {
				require.Equal(b.t, "invalid_client", code(b.t, err), name)
			}
			_, err = b.authenticate(clients.Credentials{ClientID: s.id, Secret: "s"})
			require.Equal(b.t, "invalid_client", code(b.t, err), name)
		}
	})
}
