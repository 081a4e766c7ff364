package web_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/emcy/gateway/grants"
	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/internal/jwks"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/internal/secret"
	"github.com/emcy/gateway/jobs"
	"github.com/emcy/gateway/notify"
	"github.com/emcy/gateway/notify/mail"
	"github.com/emcy/gateway/tenancy"
	fakemail "github.com/emcy/gateway/test/fakes/mail"
	fake "github.com/emcy/gateway/test/fakes/provider"
	"github.com/emcy/gateway/web"
)

// signer stands for the tenant's key: no test of the console exchanges tokens.
type signer struct{}

func (signer) Assertion(context.Context, tenancy.Handle, string, string) (secret.Text, error) {
	return secret.New("canary_assertion"), nil
}

// tickets are for trials that no test of the console goes through with.
type tickets struct{}

func (tickets) NewTrial(context.Context, tenancy.Handle, string) (string, error) {
	return "ticket", nil
}

// notices hands what grants tell of to the alerts.
type notices struct{ b *testBundle }

func (n notices) Record(tx *tenancy.Tx, x grants.Notice) error {
	return n.b.config.Notify.Record(tx, notify.Notification{Event: notify.Event(x.Event), Subject: x.Subject, GroupKey: x.GroupKey, Data: x.Data, Users: x.Users})
}

// callers names those whom a test named, and finds them by it.
type callers struct{ b *testBundle }

func (c callers) Named(_ context.Context, _ tenancy.Handle, subjects []string) (map[string]notify.Person, error) {
	out := map[string]notify.Person{}
	for _, id := range subjects {
		if p, ok := c.b.people[id]; ok {
			out[id] = p
		}
	}
	return out, nil
}

func (c callers) Find(_ context.Context, _ tenancy.Handle, text string, _ int) (out []string, err error) {
	for id, p := range c.b.people {
		if strings.Contains(strings.ToLower(p.Name+" "+p.Email), strings.ToLower(text)) {
			out = append(out, id)
		}
	}
	return out, nil
}

// wireGrants gives the console what the pages about grants need: the real service, on
// the real queue, which nobody works on here.
func (b *testBundle) wireGrants(t *testing.T) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	out := outbound.New(outbound.Config{AllowPrivate: true})
	b.speaks = provider.New(out, jwks.New(out, b.Clock), b.Clock)
	queue, err := jobs.New(b.DB, log)
	require.NoError(t, err)
	b.config.Profiles = profiles.New(profiles.Options{
		DB: b.DB, Provider: b.speaks, Outbound: out, Origin: func(*tenancy.Tx) (string, error) { return "https://acme.mcp.test", nil },
	})
	b.config.ProfileTrials = tickets{}
	b.people = map[string]notify.Person{}
	b.config.People = callers{b}
	b.config.Grants, err = grants.New(grants.Config{DB: b.DB, Provider: b.speaks, Signer: signer{}, Queue: queue, Notify: notices{b}, Log: log})
	require.NoError(t, err)
	service := b.config.Grants
	t.Cleanup(func() { require.NoError(t, service.Stop(context.WithoutCancel(t.Context()))) })
}

// withMail sends mail to a catcher.
func withMail(t *testing.T) func(*web.Config) {
	t.Helper()
	catcher := fakemail.New(t, fakemail.Config{})
	server, err := mail.ParseServer("smtp://" + catcher.Addr)
	require.NoError(t, err)
	return func(c *web.Config) {
		sender, err := mail.New(mail.Config{Server: server, From: "Emcy <alerts@gateway.test>", Clock: c.DB.Clock()})
		require.NoError(t, err)
		c.Notify, err = notify.New(notify.Config{DB: c.DB, Mail: sender, Outbound: outbound.Config{AllowPrivate: true}, Directory: directory{}, Console: c.PublicURL, Log: c.Log})
		require.NoError(t, err)
	}
}

// addProfile adds a profile of the fake provider; change may be nil.
func (b *testBundle) addProfile(t *testing.T, h tenancy.Handle, p *fake.Provider, name string, change func(*profiles.Input)) profiles.Profile {
	t.Helper()
	in := profiles.Input{
		Name: name, Kind: profiles.KindOAuth, Preset: "generic", Issuer: p.Issuer,
		Client: profiles.ClientInput{Kind: profiles.Preregistered, ID: p.ClientID, AuthMethod: profiles.AuthBasic, Secret: secret.New(p.ClientSecret)},
	}
	in.Discovery, in.Scopes = profiles.Manual, []string{"read", "write"}
	in.Endpoints = provider.Endpoints{Issuer: p.Issuer, Authorization: p.Authorization, Token: p.Token, Revocation: p.Revocation, UserInfo: p.UserInfo}
	in.Style.Identity = provider.Identity{From: "none"}
	if change != nil {
		change(&in)
	}
	made, err := b.config.Profiles.Create(t.Context(), h, profiles.NewID(), in)
	require.NoErrorf(t, err, "%v", errs.FieldsOf(err))
	return made
}

// connectAt is a whole connect at the provider.
func (b *testBundle) connectAt(t *testing.T, h tenancy.Handle, at *fake.Provider, p profiles.Profile, subject string) grants.Grant {
	t.Helper()
	var config provider.Config
	require.NoError(t, b.DB.Read(t.Context(), h, func(tx *tenancy.Tx) (err error) {
		config, err = profiles.Config(tx, p.ID, 0, "https://acme.mcp.test")
		return err
	}))
	verifier := oauth2.GenerateVerifier()
	address, err := b.speaks.AuthorizeURL(config, []string{"read", "write"}, "state", "nonce", verifier)
	require.NoError(t, err)
	tokens, err := b.speaks.Exchange(t.Context(), config, at.Approve(t, address).Get("code"), verifier)
	require.NoError(t, err)
	return b.saveGrant(t, h, grants.Connected{
		ProfileID: p.ID, Subject: subject, Tokens: tokens, Account: provider.Account{ID: "account-" + subject, Name: "Account of " + subject},
		ClientGeneration: p.Generation, Scopes: []string{"read", "write"},
	})
}

func (b *testBundle) saveGrant(t *testing.T, h tenancy.Handle, c grants.Connected) (g grants.Grant) {
	t.Helper()
	require.NoError(t, b.DB.Write(t.Context(), h, func(tx *tenancy.Tx) (err error) {
		g, err = b.config.Grants.Save(tx, c)
		return err
	}))
	return g
}

// madeUp is a grant with tokens that no provider knows.
func (b *testBundle) madeUp(t *testing.T, h tenancy.Handle, p profiles.Profile, subject string) grants.Grant {
	t.Helper()
	ends := b.Clock.Now().Add(time.Hour)
	return b.saveGrant(t, h, grants.Connected{
		ProfileID: p.ID, Subject: subject, ClientGeneration: p.Generation, Scopes: []string{"read"},
		Tokens:  provider.Tokens{Access: secret.New("canary_" + ids.New("acs")), Refresh: secret.New("canary_" + ids.New("ref")), Type: "Bearer", ExpiresAt: &ends},
		Account: provider.Account{ID: "account-" + subject, Name: "Account of " + subject},
	})
}

func (b *testBundle) grantNow(t *testing.T, h tenancy.Handle, id string) (g grants.Grant) {
	t.Helper()
	require.NoError(t, b.DB.Read(t.Context(), h, func(tx *tenancy.Tx) (err error) {
		g, err = grants.Get(tx, id)
		return err
	}))
	return g
}

// ok is a page that is there.
func ok(t *testing.T, a *answer) string {
	t.Helper()
	require.Equal(t, http.StatusOK, a.status, a.body)
	return a.body
}

// Ids of what furnish adds, for addresses.
const (
	profileID = "prf_00000000000000000000000000"
	grantID   = "grt_0"
	batchID   = "rvb_0"
	alertID   = "ntf_0"
	webhookID = "whk_0"
)

type newProfileRow struct {
	TenantID, ID, Name, Kind, Preset, Issuer, Settings string
	CreatedAt, UpdatedAt                               time.Time
}

func (newProfileRow) TableName() string { return "profiles" }

type newGrantRow struct {
	TenantID, ID, ProfileID, Subject, State, AccountName string
	ConnectedAt, CreatedAt, UpdatedAt                    time.Time
}

func (newGrantRow) TableName() string { return "grants" }

type newBatchRow struct {
	TenantID, ID, TargetKind, Reason, StartedBy string
	CreatedAt                                   time.Time
}

func (newBatchRow) TableName() string { return "revocation_batches" }

type newNotificationRow struct {
	TenantID, ID, Event, Payload string
	CreatedAt                    time.Time
}

func (newNotificationRow) TableName() string { return "notifications" }

type newWebhookRow struct {
	TenantID, ID, Name, URL string
	Secret                  []byte
	CreatedAt, UpdatedAt    time.Time
}

func (newWebhookRow) TableName() string { return "webhooks" }

// furnishAlerts adds an alert and a webhook, with the name in them.
func (b *testBundle) furnishAlerts(t *testing.T, h tenancy.Handle, name string) {
	t.Helper()
	now := b.Clock.Now()
	payload, err := json.Marshal(map[string]string{"profile_name": name})
	require.NoError(t, err)
	require.NoError(t, b.DB.Write(t.Context(), h, func(tx *tenancy.Tx) error {
		secret, err := tx.Seal("webhooks", "secret", webhookID, []byte("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"))
		if err != nil {
			return err
		}
		if err := tx.DB().Create(&newNotificationRow{TenantID: tx.Tenant(), ID: alertID, Event: "profile.misconfigured", Payload: string(payload), CreatedAt: now}).Error; err != nil {
			return err
		}
		return tx.DB().Create(&newWebhookRow{TenantID: tx.Tenant(), ID: webhookID, Name: name, URL: "https://hooks.example.com/emcy", Secret: secret, CreatedAt: now, UpdatedAt: now}).Error
	}))
}

// furnishGrants adds a profile, a grant that ended and a mass revoke, with the name in them.
func (b *testBundle) furnishGrants(t *testing.T, h tenancy.Handle, name string) {
	t.Helper()
	now := b.Clock.Now()
	require.NoError(t, b.DB.Write(t.Context(), h, func(tx *tenancy.Tx) error {
		profile := newProfileRow{TenantID: tx.Tenant(), ID: profileID, Name: name, Kind: "api_key", Settings: `{"api_key":{"label":"Key","header":"X-Key","format":"{key}"}}`, CreatedAt: now, UpdatedAt: now}
		if err := tx.DB().Create(&profile).Error; err != nil {
			return err
		}
		grant := newGrantRow{
			TenantID: tx.Tenant(), ID: grantID, ProfileID: profileID, Subject: "eu_0", State: "needs_reconnect", AccountName: name, ConnectedAt: now, CreatedAt: now, UpdatedAt: now,
		}
		if err := tx.DB().Create(&grant).Error; err != nil {
			return err
		}
		return tx.DB().Create(&newBatchRow{TenantID: tx.Tenant(), ID: batchID, TargetKind: "tenant", Reason: name, StartedBy: "system:", CreatedAt: now}).Error
	}))
}
