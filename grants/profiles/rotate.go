package profiles

import (
	"context"
	"fmt"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/audit"
)

// RotateClient gives a profile another client, which is a new generation: a secret that
// the provider rotated, a new key, a new registration, or another client ID. Grants stay
// with the client ID that they came from. Errors: errs.Invalid with Fields,
// errs.NotFound, errs.Stale.
func (p *Profiles) RotateClient(ctx context.Context, h tenancy.Handle, id string, in ClientInput, version int64) (Profile, error) {
	var stored Profile
	err := p.cfg.DB.Read(ctx, h, func(tx *tenancy.Tx) (err error) {
		stored, err = Get(tx, id)
		return err
	})
	if err != nil {
		return Profile{}, fmt.Errorf("rotate client: %w", err)
	}
	if stored.Kind == KindAPIKey {
		return Profile{}, errs.E(errs.Invalid, "This profile has no client: people type in keys.", nil)
	}
	if stored.Version != version { // before anything is registered at the provider
		return Profile{}, errs.E(errs.Stale, "Somebody changed this profile while you were editing. Look at the current values, then save again.", nil)
	}
	f := faults{}
	f.checkClient(&in)
	if err := errs.Fields(f); err != nil {
		return Profile{}, err
	}
	d := draft{Input: Input{Name: stored.Name, Kind: stored.Kind, Issuer: stored.Issuer, Settings: stored.Settings}, discovered: stored.Discovered}
	client, err := p.newClient(ctx, h, id, d, in)
	if err != nil {
		return Profile{}, err
	}
	return p.replace(ctx, h, stored, client)
}

// replace stores a client as the newest generation.
func (p *Profiles) replace(ctx context.Context, h tenancy.Handle, stored Profile, client *made) (Profile, error) {
	var out Profile
	err := p.cfg.DB.Write(ctx, h, func(tx *tenancy.Tx) error {
		row, err := loadProfile(tx, stored.ID, true)
		if err != nil {
			return err
		}
		row.Generation++
		if err := client.store(tx, stored.ID, row.Generation); err != nil {
			return err
		}
		if err := row.update(tx, stored.Version); err != nil {
			return err
		}
		if out, err = assembled(tx, row); err != nil {
			return err
		}
		tx.Notify(tenancy.ConfigTopic(tx.Tenant()))
		return audit.Record(tx, audit.Entry{Action: "profile.rotate_client", TargetKind: "profile", TargetID: stored.ID, Before: stored.facts(), After: out.facts()})
	})
	if err != nil {
		return Profile{}, fmt.Errorf("replace client: %w", err)
	}
	return out, nil
}

// Clients are all generations of a profile's client, the newest first.
func Clients(tx *tenancy.Tx, profileID string) ([]Generation, error) {
	var rows []clientRow
	if err := tx.DB().Where("profile_id = ?", profileID).Order("generation DESC").Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("list clients of a profile: %w", err)
	}
	using, err := users(tx, profileID)
	if err != nil {
		return nil, err
	}
	out := make([]Generation, len(rows))
	for i, row := range rows {
		out[i] = Generation{ClientInfo: row.info(), Grants: using[row.Generation], Retired: row.RetiredAt != nil}
	}
	return out, nil
}

// Generation is a client with what hangs on it.
type Generation struct {
	ClientInfo
	// Grants counts those that came from it and did not end.
	Grants int
	// Retired says that nothing is left of it that could be used.
	Retired bool
}
