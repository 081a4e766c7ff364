package provider

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// User is somebody with an account.
type User struct {
	ID    string
	Name  string
	Email string
	// Unverified says that the provider does not vouch for the address.
	Unverified bool
}

// Ada is who is signed in at the beginning.
var Ada = User{ID: "4811", Name: "Ada Lovelace", Email: "ada@example.com"}

// Provider is a running authorization server. It is for concurrent use.
type Provider struct {
	// Issuer, Authorization, Token, Revocation, UserInfo, Introspection, Registration and
	// JWKS are its addresses, "" where the vendor has no such endpoint. {client_id} in
	// Revocation stands for itself.
	Issuer, Authorization, Token, Revocation, UserInfo, Introspection, Registration, JWKS string
	// API is a resource that wants one of its access tokens: GET tells whose it is.
	API string
	// ClientID and ClientSecret are of the one client that is registered at the beginning.
	ClientID, ClientSecret string
	// Origin is where it listens, scheme and host.
	Origin string

	settings settings
	vendor   vendor
	server   *httptest.Server
	closed   chan struct{}
	key      *ecdsa.PrivateKey
	pool     *authority

	mu       sync.Mutex
	user     User
	deny     string
	clients  map[string]*client
	codes    map[string]*grant
	access   map[string]*access
	refresh  map[string]*refresh
	families []*family
	agreed   map[string][]string // what a user granted a client, by both
	secrets  []string
	ledger   []Entry
	faults   []*armed
	used     map[string]bool // jti of assertions
	trusted  map[string]string
}

// New starts a provider until the test ends.
func New(t testing.TB, options ...Option) *Provider {
	t.Helper()
	p, stop, err := Start(options...)
	require.NoError(t, err)
	t.Cleanup(stop)
	return p
}

// Start starts a provider until stop is called, for programs that are no test.
func Start(options ...Option) (p *Provider, stop func(), err error) {
	s := settings{vendor: "generic", tenant: "", now: time.Now, accessLife: -1}
	for _, o := range options {
		o(&s)
	}
	v, ok := vendors[s.vendor]
	if !ok {
		return nil, nil, fmt.Errorf("no vendor %q", s.vendor)
	}
	if s.tenant == "" {
		s.tenant = v.tenant
	}
	if s.accessLife < 0 {
		s.accessLife = v.accessLife
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	p = &Provider{
		settings: s, vendor: v, key: key, closed: make(chan struct{}), user: Ada,
		clients: map[string]*client{}, codes: map[string]*grant{}, access: map[string]*access{}, refresh: map[string]*refresh{},
		agreed: map[string][]string{}, used: map[string]bool{}, trusted: map[string]string{},
		ClientID: "client-" + strings.ToLower(rand.Text()[:8]), ClientSecret: "cs_" + rand.Text(),
	}
	p.secrets = append(p.secrets, p.ClientSecret)
	first := &client{id: p.ClientID, secret: p.ClientSecret, redirects: s.redirects, keys: s.keys}
	p.clients[first.id] = first
	p.server = httptest.NewUnstartedServer(http.HandlerFunc(p.serve))
	if s.vendorHosts {
		if p.pool, err = newAuthority(v.hosts(s.tenant)); err != nil {
			return nil, nil, err
		}
		p.server.TLS = p.pool.config()
		p.server.StartTLS()
	} else {
		p.server.Start()
	}
	p.Origin = p.server.URL
	for _, pair := range []struct {
		to   *string
		from string
	}{
		{&p.Issuer, v.issuer},
		{&p.Authorization, v.authorize},
		{&p.Token, v.token},
		{&p.Revocation, v.revoke},
		{&p.UserInfo, v.userinfo},
		{&p.Introspection, v.introspect},
		{&p.Registration, v.register},
		{&p.JWKS, v.jwks},
	} {
		*pair.to = p.at(pair.from)
	}
	p.API = p.at("https://" + apiHost + apiPath)
	return p, func() {
		close(p.closed)
		p.server.Close()
	}, nil
}

const (
	apiHost = "todo.example.com"
	apiPath = "/api/me"
)

// at is an address of the vendor's as this provider is reached.
func (p *Provider) at(vendors string) string {
	if vendors == "" {
		return ""
	}
	address := strings.ReplaceAll(vendors, "{tenant}", p.settings.tenant)
	if p.settings.vendorHosts {
		return address
	}
	u, err := url.Parse(strings.ReplaceAll(address, "{client_id}", "CLIENT"))
	if err != nil {
		panic(err)
	}
	return p.Origin + strings.ReplaceAll(u.EscapedPath(), "CLIENT", "{client_id}")
}

// SignIn is who the next authorization requests are approved as.
func (p *Provider) SignIn(u User) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.user = u
}

// Deny answers the next authorization request with an error, such as "access_denied".
func (p *Provider) Deny(code string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deny = code
}

// TakeBack revokes everything that a user granted, as on the provider's own pages.
func (p *Provider) TakeBack(userID string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range p.families {
		if f.user.ID == userID {
			f.revoked = true
		}
	}
	for key := range p.agreed {
		if strings.HasPrefix(key, userID+" ") {
			delete(p.agreed, key)
		}
	}
}

// ExpireAccess lets every access token that was given out end now.
func (p *Provider) ExpireAccess() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range p.access {
		a.until = p.settings.now()
	}
}

// Trust accepts JWTs of an issuer as subject tokens (RFC 8693), by its published keys.
func (p *Provider) Trust(issuer, jwksURL string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.trusted[issuer] = jwksURL
}

// NewSecret gives the first client another secret; the one before stops working.
func (p *Provider) NewSecret() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.clients[p.ClientID]
	c.secret = p.minted("cs_")
	p.ClientSecret = c.secret
	return c.secret
}

// minted makes a secret and remembers it. The lock is held.
func (p *Provider) minted(prefix string) string {
	s := prefix + rand.Text()
	p.secrets = append(p.secrets, s)
	return s
}

// Secrets are all codes, tokens and client secrets that were ever given out: none may
// be found anywhere.
func (p *Provider) Secrets() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.secrets...)
}
