package idp

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"time"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/internal/jwks"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/audit"
)

// Config is what the package needs. Every field is required.
type Config struct {
	DB *tenancy.DB
	// Outbound says how far requests to providers may go; the cap on bodies is MaxDocument.
	Outbound outbound.Config
	// Revoke ends every session and token of these subjects, in the transaction that takes
	// the right away.
	Revoke func(tx *tenancy.Tx, subjects []string, reason string) error
}

// Providers signs people in at the tenants' providers. It is safe for concurrent use.
type Providers struct {
	db        *tenancy.DB
	out       *outbound.Client
	timeout   time.Duration
	revoke    func(tx *tenancy.Tx, subjects []string, reason string) error
	documents *documents
	keys      *jwks.Cache
}

// New makes the package's front.
func New(cfg Config) *Providers {
	cfg.Outbound.MaxBody = MaxDocument
	timeout := cfg.Outbound.Timeout
	if timeout <= 0 {
		timeout = outbound.DefaultTimeout
	}
	out := outbound.New(cfg.Outbound)
	return &Providers{
		db: cfg.DB, out: out, timeout: timeout, revoke: cfg.Revoke,
		documents: newDocuments(cfg.DB.Clock()), keys: jwks.New(out, cfg.DB.Clock()),
	}
}

var idPattern = regexp.MustCompile(`^idp_[0-9a-z]{26}$`)

// NewID makes the id of a provider to come, so that its callback URL can be shown,
// and registered at the provider, before there is anything to store.
func NewID() string { return ids.New("idp") }

// ValidID reports whether an id can be a provider's.
func ValidID(id string) bool { return idPattern.MatchString(id) }

// Create stores a provider under an id of NewID. It reads the provider's discovery
// document first, so that a wrong issuer is a message beside its field. Errors:
// errs.Invalid with Fields, errs.Conflict where the id is taken or there are ten.
func (p *Providers) Create(ctx context.Context, h tenancy.Handle, id string, in Input) (Provider, error) {
	if !ValidID(id) {
		return Provider{}, errNoProvider
	}
	in, err := p.checked(in, true)
	if err != nil {
		return Provider{}, err
	}
	if _, err := p.discover(ctx, in.Issuer); err != nil {
		return Provider{}, errs.Field("issuer", adminText(err))
	}
	var row providerRow
	err = p.db.Write(ctx, h, func(tx *tenancy.Tx) error {
		var n, same int64
		if err := tx.DB().Model(&providerRow{}).Count(&n).Error; err != nil {
			return err
		}
		if err := tx.DB().Model(&providerRow{}).Where("id = ?", id).Count(&same).Error; err != nil {
			return err
		}
		if n >= maxProviders || same > 0 {
			return errs.E(errs.Conflict, "This provider is there already, or the workspace has as many as it can hold (10).", nil)
		}
		now := tx.Now()
		row = providerRow{TenantID: tx.Tenant(), ID: id, Issuer: in.Issuer, Version: 1, CreatedAt: now, UpdatedAt: now}
		if err := row.take(tx, in); err != nil {
			return err
		}
		if err := tx.DB().Create(&row).Error; err != nil {
			return err
		}
		return audit.Record(tx, audit.Entry{Action: "identity_provider.create", TargetKind: "identity_provider", TargetID: id, After: row.facts()})
	})
	if err != nil {
		return Provider{}, fmt.Errorf("create identity provider: %w", err)
	}
	return row.provider()
}

// Update changes a provider; its issuer stays, because its people are known by what
// that issuer calls them. Whom it lets in no longer is signed out everywhere. Errors:
// errs.Invalid with Fields, errs.NotFound, errs.Stale.
func (p *Providers) Update(ctx context.Context, h tenancy.Handle, id string, in Input, version int64) error {
	in, err := p.checked(in, false)
	if err != nil {
		return err
	}
	return p.change(ctx, h, id, version, func(tx *tenancy.Tx, row *providerRow) error { return row.take(tx, in) })
}

// SetEnabled turns a provider on or off. Off, its people are signed out everywhere.
func (p *Providers) SetEnabled(ctx context.Context, h tenancy.Handle, id string, enabled bool, version int64) error {
	return p.change(ctx, h, id, version, func(_ *tenancy.Tx, row *providerRow) error {
		row.Enabled = enabled
		return nil
	})
}

func (p *Providers) change(ctx context.Context, h tenancy.Handle, id string, version int64, edit func(*tenancy.Tx, *providerRow) error) error {
	err := p.db.Write(ctx, h, func(tx *tenancy.Tx) error {
		row, err := loadProvider(tx, id)
		if err != nil {
			return err
		}
		before := row.facts()
		if err := edit(tx, &row); err != nil {
			return err
		}
		row.Version, row.UpdatedAt = version+1, tx.Now()
		res := tx.DB().Model(&providerRow{}).Where("id = ? AND version = ?", id, version).Select("*").Omit("tenant_id", "id", "issuer", "created_at").Updates(&row)
		if res.Error != nil {
			return res.Error
		}
		if res.RowsAffected == 0 {
			return errs.E(errs.Stale, "Somebody changed this provider while you were editing. Look at the current values, then save again.", nil)
		}
		if err := p.endUnadmitted(tx, row); err != nil {
			return err
		}
		return audit.Record(tx, audit.Entry{Action: "identity_provider.update", TargetKind: "identity_provider", TargetID: id, Before: before, After: row.facts()})
	})
	if err != nil {
		return fmt.Errorf("change identity provider: %w", err)
	}
	return nil
}

// Remove deletes a provider and its end users, who are signed out everywhere.
func (p *Providers) Remove(ctx context.Context, h tenancy.Handle, id string) error {
	err := p.db.Write(ctx, h, func(tx *tenancy.Tx) error {
		row, err := loadProvider(tx, id)
		if err != nil {
			return err
		}
		row.Enabled = false
		if err := p.endUnadmitted(tx, row); err != nil {
			return err
		}
		if err := tx.DB().Where("id = ?", id).Delete(&providerRow{}).Error; err != nil {
			return err
		}
		return audit.Record(tx, audit.Entry{Action: "identity_provider.remove", TargetKind: "identity_provider", TargetID: id, Before: row.facts()})
	})
	if err != nil {
		return fmt.Errorf("remove identity provider: %w", err)
	}
	return nil
}

// take puts an input into the row; the secret is sealed for this row.
func (r *providerRow) take(tx *tenancy.Tx, in Input) error {
	r.Name, r.ClientID, r.Scopes, r.Enabled = in.Name, in.ClientID, in.Scopes, in.Enabled
	r.EmailClaim, r.NameClaim, r.GroupsClaim = in.EmailClaim, in.NameClaim, in.GroupsClaim
	allowedDomains, err := json.Marshal(in.AllowedDomains)
	if err != nil {
		return err
	}
	allowedGroups, err := json.Marshal(in.AllowedGroups)
	if err != nil {
		return err
	}
	r.AllowedDomains, r.AllowedGroups = string(allowedDomains), string(allowedGroups)
	if in.ClientSecret != "" {
		if r.ClientSecret, err = tx.Seal("identity_providers", "client_secret", r.ID, []byte(in.ClientSecret)); err != nil {
			return err
		}
	}
	if r.ClientSecret == nil || in.DropSecret {
		r.ClientSecret = []byte{} // a public client has none; the column knows no null
	}
	return nil
}

// facts are what the audit log keeps: never the secret.
func (r *providerRow) facts() map[string]any {
	return map[string]any{
		"name": r.Name, "issuer": r.Issuer, "client_id": r.ClientID, "has_secret": len(r.ClientSecret) > 0, "scopes": r.Scopes, "enabled": r.Enabled,
		"claims": []string{r.EmailClaim, r.NameClaim, r.GroupsClaim}, "allowed_domains": r.AllowedDomains, "allowed_groups": r.AllowedGroups,
	}
}

// Sweep deletes sign-ins that are over, in all tenants.
func (p *Providers) Sweep(ctx context.Context, now time.Time) error {
	return p.db.System(ctx, tenancy.ReasonSweep, func(tx *tenancy.Tx) error {
		return tx.DB().Where("expires_at < ?", now).Delete(&signInRow{}).Error
	})
}
