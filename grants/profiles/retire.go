package profiles

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/audit"
)

const (
	// retireAfter is how long an old client stays although nothing uses it: a person may be
	// at the provider with it.
	retireAfter = time.Hour
	// renewBefore is how long before the end of a registered client's secret a new client is registered.
	renewBefore = 7 * 24 * time.Hour
)

type usersRow struct {
	ClientGeneration int
	N                int
}

// users counts, by generation, the grants that live and those that are still to be
// taken back at the provider.
func users(tx *tenancy.Tx, profileID string) (map[int]int, error) {
	out := map[int]int{}
	for _, one := range []struct {
		model any
		where string
		state string
	}{
		{&grantRow{}, "profile_id = ? AND state <> ?", "revoked"},
		{&revocationRow{}, "profile_id = ? AND state = ?", "pending"},
	} {
		var rows []usersRow
		err := tx.DB().Model(one.model).Select("client_generation, count(*) AS n").Where(one.where, profileID, one.state).Group("client_generation").Scan(&rows).Error
		if err != nil {
			return nil, fmt.Errorf("count a client's grants: %w", err)
		}
		for _, row := range rows {
			out[row.ClientGeneration] += row.N
		}
	}
	return out, nil
}

// Retire ends the tenant's old clients that nothing uses any more: what they proved
// themselves with is gone from the database. It says how many there were.
func (p *Profiles) Retire(ctx context.Context, h tenancy.Handle) (int, error) {
	n := 0
	err := p.cfg.DB.Write(ctx, h, func(tx *tenancy.Tx) error {
		n = 0
		list, err := List(tx)
		if err != nil {
			return err
		}
		for _, profile := range list {
			retired, err := retire(tx, profile)
			if err != nil {
				return err
			}
			n += retired
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("retire clients: %w", err)
	}
	return n, nil
}

func retire(tx *tenancy.Tx, profile Profile) (int, error) {
	var rows []clientRow
	if err := tx.DB().Where("profile_id = ? AND retired_at IS NULL", profile.ID).Order("generation").Find(&rows).Error; err != nil {
		return 0, err
	}
	if len(rows) < 2 {
		return 0, nil
	}
	using, err := users(tx, profile.ID)
	if err != nil {
		return 0, err
	}
	// A grant of an earlier generation uses the newest secret of the same client ID.
	needed, newest := map[string]int{}, map[string]int{}
	for _, row := range rows {
		needed[row.ClientID] += using[row.Generation]
		newest[row.ClientID] = row.Generation
	}
	n := 0
	for i, row := range rows[:len(rows)-1] {
		inUse := using[row.Generation] > 0 || newest[row.ClientID] == row.Generation && needed[row.ClientID] > 0
		if inUse || rows[i+1].CreatedAt.Add(retireAfter).After(tx.Now()) {
			continue
		}
		err := tx.DB().Model(&clientRow{}).Where("profile_id = ? AND generation = ?", row.ProfileID, row.Generation).Updates(map[string]any{
			"client_secret": nil, "private_key": nil, "registration_token": nil, "retired_at": tx.Now(),
		}).Error
		if err != nil {
			return 0, err
		}
		n++
		if err := audit.Record(tx, audit.Entry{Action: "profile.retire_client", TargetKind: "profile", TargetID: profile.ID, Before: map[string]any{"generation": row.Generation, "id": row.ClientID}}); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// RenewDue registers anew the clients that we registered whose secret ends within a
// week, or whose redirect URI is not the tenant's any more. A provider that refuses
// leaves the others to be renewed; the errors come joined.
func (p *Profiles) RenewDue(ctx context.Context, h tenancy.Handle) error {
	var due []Profile
	err := p.cfg.DB.Read(ctx, h, func(tx *tenancy.Tx) error {
		origin, err := p.cfg.Origin(tx)
		if err != nil {
			return err
		}
		list, err := List(tx)
		if err != nil {
			return err
		}
		due = slices.DeleteFunc(list, func(one Profile) bool { return !one.renewable(origin, tx.Now()) })
		return nil
	})
	if err != nil {
		return fmt.Errorf("find clients to renew: %w", err)
	}
	var failed []error
	for _, profile := range due {
		_, err := p.RotateClient(ctx, h, profile.ID, ClientInput{Kind: DCR}, profile.Version)
		if err != nil && !errs.Is(err, errs.Stale) { // somebody else has just changed it: the next run looks again
			failed = append(failed, fmt.Errorf("renew client of %s: %w", profile.ID, err))
		}
	}
	return errors.Join(failed...)
}

func (p Profile) renewable(origin string, now time.Time) bool {
	c := p.Client
	if c.Kind != DCR {
		return false
	}
	return c.SecretExpiresAt != nil && now.Add(renewBefore).After(*c.SecretExpiresAt) || c.RedirectURI != origin+CallbackPath(p.ID)
}
