package integration_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/test/clients/vendors"
	"github.com/emcy/gateway/test/clients/wire"
)

// vendorSites serves what the vendors publish, under their own names: whoever fetches
// by the configuration reaches no other host.
func vendorSites(t *testing.T, profiles []vendors.Profile, key *ecdsa.PublicKey) outbound.Config {
	t.Helper()
	keys, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key, KeyID: vendors.KeyID, Algorithm: string(jose.ES256), Use: "sig"}}})
	require.NoError(t, err)
	documents := map[string][]byte{}
	for _, p := range profiles {
		if p.CIMD == nil {
			continue
		}
		documents[p.CIMD.ClientID] = p.CIMD.Document
		if p.CIMD.JWKSURI != "" {
			documents[p.CIMD.JWKSURI] = keys
		}
	}
	site := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := documents["https://"+r.Host+r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "max-age=3600")
		_, _ = w.Write(body) // the test sees what is missing
	}))
	out := outbound.Config{AllowPrivate: true, RootCAs: x509.NewCertPool(), ConnectTo: map[string]string{}}
	var hosts []string
	for address := range documents {
		u, err := url.Parse(address)
		require.NoError(t, err)
		hosts = append(hosts, u.Host)
		out.ConnectTo[u.Host+":443"] = site.Listener.Addr().String()
	}
	site.TLS = &tls.Config{Certificates: []tls.Certificate{certificate(t, hosts, out.RootCAs)}, MinVersion: tls.VersionTLS12}
	site.StartTLS()
	t.Cleanup(site.Close)
	return out
}

// certificate speaks for the hosts, and the pool trusts it.
func certificate(t *testing.T, hosts []string, pool *x509.CertPool) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: hosts, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	parsed, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// TestVendors replays every client that people have, from the 401 to a refreshed token.
func TestVendors(t *testing.T) {
	t.Parallel()

	profiles, err := vendors.Load()
	require.NoError(t, err)
	require.Greater(t, len(profiles), 20)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	eachWith(t, vendorSites(t, profiles, &key.PublicKey), func(t *testing.T, b *bundle) {
		b.app(t) // every edge knows the runtime
		for i, p := range profiles {
			t.Run(p.Name, func(t *testing.T) {
				connect := func(breaks wire.Break) error {
					var transport http.RoundTripper = b.transport(nil)
					if breaks != nil {
						transport = wire.Through(transport, breaks)
					}
					person := b.anew(transport)
					c := &vendors.Connection{
						Profile: &p, MCPURL: b.mcp(), Key: key, Port: 49152 + i, Now: b.env.Clock.Now,
						HTTP: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
						Allow: func(ctx context.Context, authorizeURL, redirectURI string) (*url.URL, error) {
							return person.Allow(ctx, authorizeURL, redirectURI)
						},
					}
					return c.Run(t.Context())
				}
				require.NoError(t, connect(nil))
				for _, f := range faultsOf(p) {
					require.ErrorContains(t, connect(f.breaks), f.says, f.name)
				}
			})
		}
	})
}

type vendorFault struct {
	name   string
	breaks wire.Break
	says   string
}

// faultsOf are what a client of these checks must notice.
func faultsOf(p vendors.Profile) []vendorFault {
	faults := []vendorFault{
		{"another resource", wire.WrongResource, "is not the address that was typed"},
		{"a page for a token", wire.TokenPage, "/token answers 200 text/html"},
		{"a wrong sum", wire.WrongSum, "42 comes back as"},
		{"a dead refresh token", wire.RefusedRefresh, "invalid_grant"},
	}
	if p.Checks.Issuer {
		faults = append(faults, vendorFault{"another issuer", wire.WrongIssuer, "speaks for"})
	}
	if p.Checks.S256 {
		faults = append(faults, vendorFault{"no PKCE", wire.NoPKCE, "S256"})
	}
	if p.Checks.Iss {
		faults = append(faults, vendorFault{"back from elsewhere", wire.WrongCallback, fmt.Sprintf("came back from %q", wire.Elsewhere)})
	}
	return faults
}
