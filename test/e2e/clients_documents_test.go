//go:build e2e

package e2e

import (
	"crypto/tls"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// publisher is who publishes clients' metadata documents, over https on this machine.
type publisher struct {
	// CA is the authority that the gateway has to trust, as a PEM file.
	CA string

	origin string
	mu     sync.Mutex
	paths  map[string][]byte
	asked  map[string]int
}

func newPublisher(t *testing.T) *publisher {
	t.Helper()
	ca := newAuthority(t)
	certificate, err := tls.LoadX509KeyPair(ca.Cert, ca.Key)
	require.NoError(t, err)
	p := &publisher{CA: ca.CA, paths: map[string][]byte{}, asked: map[string]int{}}
	server := httptest.NewUnstartedServer(p)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	t.Cleanup(server.Close)
	// Clients and the authority's certificate know the name, not the address.
	p.origin = strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	return p
}

func (p *publisher) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	document, ok := p.paths[r.URL.Path]
	p.asked[r.URL.Path]++
	p.mu.Unlock()
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(document) // who went away does not want it
}

// publish publishes the document of a public client, and gives its URL.
func (p *publisher) publish(t *testing.T, name, redirectURI string) string {
	t.Helper()
	path := "/" + url.PathEscape(strings.ReplaceAll(strings.ToLower(name), " ", "-")) + "/client.json"
	document, err := json.Marshal(map[string]any{
		"client_id": p.origin + path, "client_name": name, "redirect_uris": []string{redirectURI},
		"grant_types": []string{"authorization_code", "refresh_token"}, "response_types": []string{"code"}, "token_endpoint_auth_method": "none",
	})
	require.NoError(t, err)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.paths[path] = document
	return p.origin + path
}

// fetched is how many times a document was asked for.
func (p *publisher) fetched(address string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked[strings.TrimPrefix(address, p.origin)]
}
