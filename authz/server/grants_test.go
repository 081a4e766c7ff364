package server_test

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server/oplib"
	"github.com/emcy/gateway/authz/server/settings"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/tenancy"
)

const clientSecret = "emc_cs_a-secret-of-a-service"

type serviceRow struct {
	TenantID, ID, Kind, Name, ApplicationType, AuthMethod, SecretHash, GrantTypes, Scope, Status string
	RedirectURIs                                                                                 string `gorm:"column:redirect_uris"`
	CreatedAt                                                                                    time.Time
	Version                                                                                      int64
}

func (serviceRow) TableName() string { return "clients" }

// confidential adds a client with a secret, as somebody does in the console.
func (tn *tenant) confidential(scope string, grants ...string) *app {
	t := tn.b.t
	t.Helper()
	list, err := json.Marshal(grants)
	require.NoError(t, err)
	row := serviceRow{
		ID: ids.New("cli"), Kind: "preregistered", Name: "Nightly report", ApplicationType: "web", AuthMethod: "client_secret_basic", SecretHash: ids.Hash(clientSecret),
		GrantTypes: string(list), Scope: scope, Status: "active", RedirectURIs: "[]", Version: 1,
	}
	tn.write(func(tx *tenancy.Tx) error {
		row.TenantID, row.CreatedAt = tx.Tenant(), tx.Now()
		return tx.DB().Create(&row).Error
	})
	return &app{tn: tn, id: row.ID, http: tn.browser()}
}

// change saves the tenant's settings.
func (tn *tenant) change(how func(*settings.Settings)) {
	tn.b.t.Helper()
	tn.write(func(tx *tenancy.Tx) error {
		s, err := settings.Load(tx)
		if err != nil {
			return err
		}
		how(&s)
		return settings.Save(tx, s)
	})
}

// authorization is the client's secret as a header.
func (a *app) authorization() string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(a.id+":"+clientSecret))
}

// basic posts a form with the client's secret in the header.
func (a *app) basic(path string, v url.Values) tokens {
	t := a.tn.b.t
	t.Helper()
	p := a.http.request("POST", path, v.Encode(), "Content-Type", formType, "Authorization", a.authorization())
	out := tokens{page: p}
	require.NoError(t, json.Unmarshal([]byte(p.body), &out), p.body)
	require.Equal(t, "no-store", p.header.Get("Cache-Control"))
	return out
}

// metadata is the server's own document.
func (tn *tenant) metadata() (doc map[string]any) {
	tn.b.t.Helper()
	require.NoError(tn.b.t, json.Unmarshal([]byte(tn.browser().get("/.well-known/oauth-authorization-server").body), &doc))
	return doc
}

func (tn *tenant) listedGrants() []string {
	var out []string
	for _, g := range tn.metadata()["grant_types_supported"].([]any) {
		out = append(out, g.(string))
	}
	return out
}

// TestA17EveryGrantIsOffByDefault: what is off is unsupported, also for a client that is
// registered for it, and in every state the metadata lists what is understood.
func TestA17EveryGrantIsOffByDefault(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		further := []string{oplib.GrantClientCredentials, oplib.GrantJWTBearer, oplib.GrantDevice}
		a := tn.confidential("", append(further, oplib.GrantCode, oplib.GrantRefresh)...)
		is := newAssertionIssuer(b.t)
		states := []struct {
			turn    func()
			on      []string
			profile bool
		}{
			{func() {}, nil, false},
			{func() { tn.change(func(s *settings.Settings) { s.ClientCredentials = true }) }, further[:1], false},
			{func() { tn.trust(is) }, further[:2], true},
			{func() { tn.change(func(s *settings.Settings) { s.Device = true }) }, further, true},
			{func() { tn.distrust(is) }, []string{further[0], further[2]}, false},
			{func() { tn.change(func(s *settings.Settings) { s.Device, s.ClientCredentials = false, false }) }, nil, false},
		}
		for i, state := range states {
			state.turn()
			require.Equal(b.t, append([]string{oplib.GrantCode, oplib.GrantRefresh}, state.on...), tn.listedGrants(), i)
			doc := tn.metadata()
			_, profile := doc["authorization_grant_profiles_supported"]
			require.Equal(b.t, state.profile, profile, i)
			for _, grant := range everyGrant {
				got := a.basic("/token", url.Values{"grant_type": {grant}, "assertion": {"x"}, "device_code": {"x"}})
				require.Equal(b.t, !slices.Contains(tn.listedGrants(), grant), got.Error == "unsupported_grant_type", "%d %s: %s", i, grant, got.body)
				require.Equal(b.t, "application/json", got.header.Get("Content-Type"))
			}
			device := slices.Contains(state.on, oplib.GrantDevice)
			address, listed := doc["device_authorization_endpoint"]
			require.Equal(b.t, device, listed, i)
			if listed {
				require.Equal(b.t, tn.issuer+"/device_authorization", address)
			}
			want := map[bool]int{true: 200, false: 404}[device]
			require.Equal(b.t, want, a.basic("/device_authorization", url.Values{}).status, i)
			require.Equal(b.t, want, tn.browser().get("/device").status, i)
		}
	})
}

// TestA17UnauthorizedClient: a grant that is on is not for a client that is not
// registered for it.
func TestA17UnauthorizedClient(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		tn.change(func(s *settings.Settings) { s.ClientCredentials, s.Device = true, true })
		tn.trust(newAssertionIssuer(b.t))
		public, usual, service := tn.app(), tn.confidential("", oplib.GrantCode, oplib.GrantRefresh), tn.confidential("", oplib.GrantClientCredentials)
		for _, grant := range []string{oplib.GrantClientCredentials, oplib.GrantJWTBearer, oplib.GrantDevice} {
			form := url.Values{"grant_type": {grant}, "assertion": {"x"}, "device_code": {"x"}}
			require.Equal(b.t, "unauthorized_client", usual.basic("/token", form).Error, grant)
			form.Set("client_id", public.id)
			require.Equal(b.t, "unauthorized_client", public.post("/token", form).Error, grant)
		}
		require.Equal(b.t, "unauthorized_client", service.basic("/token", url.Values{"grant_type": {oplib.GrantCode}, "code": {"x"}, "redirect_uri": {"x"}}).Error)
		require.Equal(b.t, "unauthorized_client", service.basic("/token", url.Values{"grant_type": {oplib.GrantRefresh}, "refresh_token": {"x"}}).Error)
		require.Equal(b.t, "unauthorized_client", public.post("/device_authorization", url.Values{"client_id": {public.id}}).Error)
	})
}

type scopeRow struct {
	TenantID, Name, Title, Description, Includes string
	Position                                     int
	CreatedAt                                    time.Time
}

func (scopeRow) TableName() string { return "scopes" }

type scopeToolRow struct{ TenantID, Scope, UpstreamID, Tool string }

func (scopeToolRow) TableName() string { return "scope_tools" }

// defineScopes makes scopes that each open a tool at every runtime.
func defineScopes(tx *tenancy.Tx, names ...string) error {
	var upstreams []string
	if err := tx.DB().Model(&upstreamRow{}).Pluck("id", &upstreams).Error; err != nil {
		return err
	}
	for i, name := range names {
		row := scopeRow{TenantID: tx.Tenant(), Name: name, Title: name, Includes: "[]", Position: i, CreatedAt: tx.Now()}
		if err := tx.DB().Create(&row).Error; err != nil {
			return err
		}
		for _, id := range upstreams {
			if err := tx.DB().Create(&scopeToolRow{TenantID: tx.Tenant(), Scope: name, UpstreamID: id, Tool: "tool-of-" + name}).Error; err != nil {
				return err
			}
		}
	}
	return nil
}
