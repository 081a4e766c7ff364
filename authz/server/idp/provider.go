package idp

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
)

// Provider is a tenant's OpenID Connect provider, without its secret.
type Provider struct {
	ID     string
	Name   string
	Issuer string
	// ClientID is our name at the provider.
	ClientID string
	// HasSecret says that the client proves itself with a secret; without one it is
	// a public client, with PKCE alone.
	HasSecret bool
	// Scopes are asked for, openid among them, separated by blanks.
	Scopes      string
	EmailClaim  string
	NameClaim   string
	GroupsClaim string
	// AllowedDomains and AllowedGroups narrow who may sign in; an empty list lets
	// everybody through. Where both are set, a person needs one of each.
	AllowedDomains []string
	AllowedGroups  []string
	Enabled        bool
	Version        int64
	CreatedAt      time.Time
	UpdatedAt      time.Time
}

// CallbackPath is where the provider sends the browser back to, on the tenant's
// origin. Every provider has its own, so that one cannot answer for another (RFC
// 9700, section 4.4.2.2).
func CallbackPath(providerID string) string { return "/callback/" + providerID }

type providerRow struct {
	TenantID       string
	ID             string
	Name           string
	Issuer         string
	ClientID       string
	ClientSecret   []byte
	Scopes         string
	EmailClaim     string
	NameClaim      string
	GroupsClaim    string
	AllowedDomains string
	AllowedGroups  string
	Enabled        bool
	Version        int64
	CreatedAt      time.Time
	UpdatedAt      time.Time
}

func (providerRow) TableName() string { return "identity_providers" }

func (r providerRow) provider() (Provider, error) {
	p := Provider{
		ID: r.ID, Name: r.Name, Issuer: r.Issuer, ClientID: r.ClientID, HasSecret: len(r.ClientSecret) > 0, Scopes: r.Scopes,
		EmailClaim: r.EmailClaim, NameClaim: r.NameClaim, GroupsClaim: r.GroupsClaim, Enabled: r.Enabled, Version: r.Version,
		CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
	}
	if err := json.Unmarshal([]byte(r.AllowedDomains), &p.AllowedDomains); err != nil {
		return Provider{}, fmt.Errorf("read allowed domains: %w", err)
	}
	if err := json.Unmarshal([]byte(r.AllowedGroups), &p.AllowedGroups); err != nil {
		return Provider{}, fmt.Errorf("read allowed groups: %w", err)
	}
	return p, nil
}

var errNoProvider = errs.E(errs.NotFound, "There is no such sign-in provider.", nil)

// Get reads a provider; errs.NotFound where there is none.
func Get(tx *tenancy.Tx, id string) (Provider, error) {
	row, err := loadProvider(tx, id)
	if err != nil {
		return Provider{}, err
	}
	return row.provider()
}

func loadProvider(tx *tenancy.Tx, id string) (providerRow, error) {
	var rows []providerRow
	if err := tx.DB().Where("id = ?", id).Limit(1).Find(&rows).Error; err != nil {
		return providerRow{}, fmt.Errorf("read identity provider: %w", err)
	}
	if len(rows) == 0 {
		return providerRow{}, errNoProvider
	}
	return rows[0], nil
}

// List gives the tenant's providers by name.
func List(tx *tenancy.Tx) ([]Provider, error) { return list(tx, false) }

// Enabled gives the providers that people may choose, by name.
func Enabled(tx *tenancy.Tx) ([]Provider, error) { return list(tx, true) }

func list(tx *tenancy.Tx, enabledOnly bool) ([]Provider, error) {
	q := tx.DB().Order("name, id")
	if enabledOnly {
		q = q.Where("enabled = ?", true)
	}
	var rows []providerRow
	if err := q.Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("list identity providers: %w", err)
	}
	out := make([]Provider, len(rows))
	for i, r := range rows {
		var err error
		if out[i], err = r.provider(); err != nil {
			return nil, err
		}
	}
	return out, nil
}
