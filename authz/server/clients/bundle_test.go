package clients_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server/clients"
	"github.com/emcy/gateway/authz/server/oplib"
	"github.com/emcy/gateway/authz/server/settings"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/internal/jwks"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/audit"
	"github.com/emcy/gateway/tenancy/tenancytest"
)

const issuer = "https://acme.mcp.test"

// web serves what tests publish. One server is a vendor of the catalogue under /known/.
var web *pages

func TestMain(m *testing.M) {
	web = &pages{at: map[string]*published{}}
	server := httptest.NewServer(web)
	web.url = server.URL
	err := clients.AddVendor(fmt.Sprintf(`{"name": "Vendor", "hosts": ["vendor.example"], "schemes": ["vendor"], "brands": ["wonderapp"], "clients": [
		{"name": "Wonder App", "seen": "2026-11-01", "source": "this test", "ids": ["%[1]s/known/{id}"], "redirects": ["https://vendor.example/cb/{id}"],
		 "document": {"client_name": "Wonder App", "redirect_uris": ["https://vendor.example/cb/{id}"], "token_endpoint_auth_method": "none"}},
		{"name": "Wonder Whole", "seen": "2026-11-01", "source": "this test", "ids": ["%[1]s/whole/client.json"], "redirects": [],
		 "document": {"client_name": "Wonder Whole", "redirect_uris": ["https://vendor.example/whole"], "token_endpoint_auth_method": "none"}},
		{"name": "Wonder Lite", "seen": "2026-11-01", "source": "this test", "ids": ["%[1]s/plain/{id}"], "redirects": []}]}`, web.url))
	if err != nil {
		panic(err)
	}
	code := m.Run()
	server.Close()
	os.Exit(code)
}

// pages is a web server whose answers tests set, path by path.
type pages struct {
	url string
	mu  sync.Mutex
	at  map[string]*published
}

type published struct {
	status int
	header map[string]string
	body   string
	asked  []http.Header
	handle http.HandlerFunc
}

func (p *pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	page, ok := p.at[r.URL.Path]
	if !ok {
		p.mu.Unlock()
		http.NotFound(w, r)
		return
	}
	page.asked = append(page.asked, r.Header.Clone())
	now := *page
	p.mu.Unlock()
	if now.handle != nil {
		now.handle(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	for name, value := range now.header {
		w.Header().Set(name, value)
	}
	w.WriteHeader(now.status)
	_, _ = w.Write([]byte(now.body))
}

// publish puts an answer at a path; header are names and values in turn.
func (p *pages) publish(path string, status int, body string, header ...string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	page := &published{status: status, body: body, header: map[string]string{}}
	for i := 0; i < len(header); i += 2 {
		page.header[header[i]] = header[i+1]
	}
	if before := p.at[path]; before != nil {
		page.asked = before.asked
	}
	p.at[path] = page
	return p.url + path
}

func (p *pages) asked(path string) []http.Header {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.at[path] == nil {
		return nil
	}
	return p.at[path].asked
}

// document is a good one, with what the test sets on top; nil takes a member out.
func document(id string, more map[string]any) string {
	doc := map[string]any{"client_id": id, "client_name": "An app", "redirect_uris": []string{"https://app.example/cb"}, "token_endpoint_auth_method": "none"}
	for name, value := range more {
		doc[name] = value
		if value == nil {
			delete(doc, name)
		}
	}
	raw, err := json.Marshal(doc)
	if err != nil {
		panic(err)
	}
	return string(raw)
}

type bundle struct {
	tenancytest.Env
	t       *testing.T
	h, b    tenancy.Handle
	clients *clients.Clients
}

func each(t *testing.T, test func(b *bundle)) {
	t.Helper()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) { test(setup(t, env)) })
}

func setup(t *testing.T, env tenancytest.Env) *bundle {
	t.Helper()
	b := &bundle{Env: env, t: t, h: tenancytest.Tenant(t, env, "acme"), b: tenancytest.Tenant(t, env, "beta")}
	b.clients = b.node(env.DB, outbound.Config{AllowPrivate: true})
	return b
}

// node gives the clients as another process would have them.
func (b *bundle) node(db *tenancy.DB, cfg outbound.Config) *clients.Clients {
	out := outbound.New(cfg)
	b.t.Cleanup(out.CloseIdleConnections)
	c := clients.New(clients.Config{DB: db, Outbound: out, Keys: jwks.New(out, db.Clock()), Ended: end, Log: slog.New(slog.DiscardHandler)})
	clients.SetEvenly(c, 0)
	return c
}

type familyRow struct {
	TenantID, ID, ClientID, Subject, UpstreamID, Resource, Scope string
	CreatedAt, ExpiresAt                                         time.Time
	RevokedAt                                                    *time.Time
	RevokedReason                                                string
}

func (familyRow) TableName() string { return "token_families" }

func end(tx *tenancy.Tx, clientID, reason string) error {
	now := tx.Now()
	return tx.DB().Model(&familyRow{}).Where("client_id = ? AND revoked_at IS NULL", clientID).Updates(map[string]any{"revoked_at": &now, "revoked_reason": reason}).Error
}

// family gives the client something that can end.
func (b *bundle) family(clientID string) (reason func() string) {
	b.t.Helper()
	id := ids.New("fam")
	b.write(func(tx *tenancy.Tx) error {
		return tx.DB().Create(&familyRow{TenantID: tx.Tenant(), ID: id, ClientID: clientID, CreatedAt: tx.Now(), ExpiresAt: tx.Now().Add(time.Hour)}).Error
	})
	return func() string {
		b.t.Helper()
		var r familyRow
		b.read(func(tx *tenancy.Tx) error { return tx.DB().Where("id = ?", id).First(&r).Error })
		return r.RevokedReason
	}
}

func (b *bundle) write(fn func(tx *tenancy.Tx) error) {
	b.t.Helper()
	require.NoError(b.t, b.DB.Write(b.t.Context(), b.h, fn))
}

func (b *bundle) read(fn func(tx *tenancy.Tx) error) {
	b.t.Helper()
	require.NoError(b.t, b.DB.Read(b.t.Context(), b.h, fn))
}

// set changes the workspace's settings.
func (b *bundle) set(change func(s *settings.Settings)) {
	b.t.Helper()
	b.write(func(tx *tenancy.Tx) error {
		s, err := settings.Load(tx)
		require.NoError(b.t, err)
		change(&s)
		return settings.Save(tx, s)
	})
}

func (b *bundle) load(id string) (c clients.Client, ok bool) {
	b.t.Helper()
	b.read(func(tx *tenancy.Tx) (err error) {
		c, ok, err = clients.Load(tx, id)
		return err
	})
	return c, ok
}

// audited are the latest actions, the newest first.
func (b *bundle) audited() (out []string) {
	b.t.Helper()
	b.read(func(tx *tenancy.Tx) error {
		latest, err := audit.Latest(tx, 50)
		for _, e := range latest {
			out = append(out, e.Action+" "+e.TargetID)
		}
		return err
	})
	return out
}

func (b *bundle) register(body string) clients.Registered {
	b.t.Helper()
	out, err := b.clients.Register(b.t.Context(), b.h, issuer, metadata(b.t, body))
	require.NoError(b.t, err)
	return out
}

func metadata(t *testing.T, body string) clients.Metadata {
	t.Helper()
	var m clients.Metadata
	require.NoError(t, json.Unmarshal([]byte(body), &m))
	return m
}

// refused is the refusal that an error must be, for a person and for a program.
func refused(t *testing.T, err error) *clients.Refusal {
	t.Helper()
	refusal, ok := errors.AsType[*clients.Refusal](err)
	require.True(t, ok, "%v", err)
	program, ok := errors.AsType[*oplib.Error](err)
	require.True(t, ok)
	require.Equal(t, "invalid_client", program.Code)
	require.Equal(t, 401, program.Status)
	require.Equal(t, refusal.Words, program.Description)
	require.NotEmpty(t, refusal.Words)
	return refusal
}

// code is the OAuth error code of an error.
func code(t *testing.T, err error) string {
	t.Helper()
	e, ok := errors.AsType[*oplib.Error](err)
	require.True(t, ok, "%v", err)
	return e.Code
}

func path(t *testing.T, under string) string {
	t.Helper()
	return "/" + under + "/" + strings.Map(func(r rune) rune {
		if r == '/' || r == '#' {
			return '-'
		}
		return r
	}, t.Name()) + "-" + ids.New("x")
}
