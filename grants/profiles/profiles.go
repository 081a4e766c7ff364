package profiles

import (
	"context"
	"fmt"
	"time"

	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/internal/secret"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/audit"
)

// maxProfiles bounds a tenant's rows.
const maxProfiles = 50

// Options is what the package needs. Every field is required.
type Options struct {
	DB *tenancy.DB
	// Provider speaks to authorization servers.
	Provider Authorities
	// Outbound is the client that Provider speaks through: its rule says which addresses may be typed.
	Outbound *outbound.Client
	// Origin is the tenant's public origin.
	Origin func(tx *tenancy.Tx) (string, error)
	// SignIns ends what a change takes from people; nil where nobody signs in through profiles.
	SignIns SignIns
}

// Authorities speaks to authorization servers; *provider.Provider does. Its errors are
// *provider.Error. No transaction may be open.
type Authorities interface {
	Discover(ctx context.Context, issuer string) (provider.Endpoints, error)
	DiscoverResource(ctx context.Context, mcpURL string) (provider.Resource, error)
	Register(ctx context.Context, c provider.Config, r provider.Registration) (made provider.Client, registrationToken secret.Text, registrationURI string, secretExpires *time.Time, err error)
}

// Profiles is the use cases. It is safe for concurrent use.
type Profiles struct{ cfg Options }

// New makes the use cases.
func New(cfg Options) *Profiles { return &Profiles{cfg: cfg} }

// Create stores a profile under an id of NewID. Its provider is asked first: what it
// answers is a message beside the field that it is about. A provider may keep a client
// that it registered for a profile which then could not be stored. Errors: errs.Invalid
// with Fields, errs.Conflict where the id is taken or there are fifty.
func (p *Profiles) Create(ctx context.Context, h tenancy.Handle, id string, in Input) (Profile, error) {
	if !ValidID(id) {
		return Profile{}, errNoProfile
	}
	draft, err := p.checked(in, true)
	if err != nil {
		return Profile{}, err
	}
	if in.Kind != KindAPIKey {
		if _, known := provider.PresetByID(in.Preset); !known {
			return Profile{}, errs.Field("preset", "Choose a preset. The generic one fits every provider that keeps to the standards.")
		}
	}
	if err := p.discover(ctx, &draft); err != nil {
		return Profile{}, err
	}
	client, err := p.newClient(ctx, h, id, draft, draft.Client)
	if err != nil {
		return Profile{}, err
	}
	var out Profile
	err = p.cfg.DB.Write(ctx, h, func(tx *tenancy.Tx) error {
		if err := roomFor(tx, id); err != nil {
			return err
		}
		now := tx.Now()
		row := profileRow{TenantID: tx.Tenant(), ID: id, Kind: string(draft.Kind), Preset: draft.Preset, Generation: 1, Version: 1, CreatedAt: now, UpdatedAt: now}
		if err := row.take(draft); err != nil {
			return err
		}
		if draft.found {
			row.DiscoveredAt = &now
		}
		if err := tx.DB().Create(&row).Error; err != nil {
			return err
		}
		if client != nil {
			if err := client.store(tx, id, 1); err != nil {
				return err
			}
		}
		if out, err = assembled(tx, row); err != nil {
			return err
		}
		return audit.Record(tx, audit.Entry{Action: "profile.create", TargetKind: "profile", TargetID: id, After: out.facts()})
	})
	if err != nil {
		return Profile{}, fmt.Errorf("create profile: %w", err)
	}
	return out, nil
}

func roomFor(tx *tenancy.Tx, id string) error {
	if err := lockTenant(tx); err != nil {
		return err
	}
	var n, same int64
	if err := tx.DB().Model(&profileRow{}).Count(&n).Error; err != nil {
		return err
	}
	if err := tx.DB().Model(&profileRow{}).Where("id = ?", id).Count(&same).Error; err != nil {
		return err
	}
	if n >= maxProfiles || same > 0 {
		return errs.E(errs.Conflict, fmt.Sprintf("This profile is there already, or the workspace has as many as it can hold (%d).", maxProfiles), nil)
	}
	return nil
}

// Remove deletes a profile with its clients and what is left of its ended grants. It is
// refused while the profile is attached, while a grant lives, and while one is being
// taken back at the provider. Errors: errs.NotFound, errs.Conflict.
func (p *Profiles) Remove(ctx context.Context, h tenancy.Handle, id string) error {
	err := p.cfg.DB.Write(ctx, h, func(tx *tenancy.Tx) error {
		row, err := loadProfile(tx, id, true)
		if err != nil {
			return err
		}
		before, err := assembled(tx, row)
		if err != nil {
			return err
		}
		if text, err := inTheWay(tx, id); err != nil || text != "" {
			if err != nil {
				return err
			}
			return errs.E(errs.Conflict, text, nil)
		}
		if err := tx.DB().Where("profile_id = ?", id).Delete(&grantRow{}).Error; err != nil {
			return err
		}
		if err := tx.DB().Where("id = ?", id).Delete(&profileRow{}).Error; err != nil {
			return err
		}
		tx.Notify(tenancy.ConfigTopic(tx.Tenant()))
		return audit.Record(tx, audit.Entry{Action: "profile.remove", TargetKind: "profile", TargetID: id, Before: before.facts()})
	})
	if err != nil {
		return fmt.Errorf("remove profile: %w", err)
	}
	return nil
}

// Obstacle says why a profile cannot be removed now; "" where it can.
func Obstacle(tx *tenancy.Tx, id string) (string, error) { return inTheWay(tx, id) }

func inTheWay(tx *tenancy.Tx, id string) (string, error) {
	attached, err := attachmentRows(tx, "profile_id = ?", id)
	if err != nil {
		return "", err
	}
	counts, err := CountGrants(tx, id)
	if err != nil {
		return "", err
	}
	pending, err := pendingRevocations(tx, id)
	switch {
	case err != nil:
		return "", err
	case len(attached) > 0:
		return fmt.Sprintf("It is attached to %s. Detach it there first.", many(len(attached), "runtime")), nil
	case counts.Live() > 0:
		return fmt.Sprintf("%s still connected through it. Revoke the connections first.", people(counts.Live())), nil
	case pending > 0:
		return fmt.Sprintf("%s still being taken back at the provider. Try again when that is over.", connections(pending)), nil
	}
	return "", nil
}

// facts are what the audit log keeps: never a secret.
func (p Profile) facts() map[string]any {
	return map[string]any{
		"name": p.Name, "kind": p.Kind, "preset": p.Preset, "issuer": p.Issuer, "settings": p.Settings, "sign_in": p.SignIn, "generation": p.Generation,
		"client": map[string]any{"kind": p.Client.Kind, "id": p.Client.ID, "auth_method": p.Client.AuthMethod, "has_secret": p.Client.HasSecret},
	}
}
