package keys

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/emcy/gateway/authz/server/settings"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/audit"
)

// Rotate publishes the next key now, of the algorithm in the settings. It signs
// after Ahead. errs.Conflict says that one waits already.
func Rotate(ctx context.Context, db *tenancy.DB, h tenancy.Handle) error {
	m, err := generateFor(ctx, db, h)
	if err != nil {
		return err
	}
	return db.Write(ctx, h, func(tx *tenancy.Tx) error {
		rows, err := lock(tx)
		if err != nil {
			return err
		}
		if next, ok := ofState(rows, Next); ok {
			if next.Alg == m.alg {
				return errs.E(errs.Conflict, "The next key is published already. It signs from "+next.until().UTC().Format("2 January 15:04")+" UTC.", nil)
			}
			if err := remove(tx, next); err != nil { // it never signed
				return err
			}
		}
		return publish(tx, m)
	})
}

// Emergency replaces every key at once: a new one signs, the others are gone from
// the JWKS and the edge. Access tokens die with the key that signed them; refresh
// tokens go on, so clients recover by themselves.
func Emergency(ctx context.Context, db *tenancy.DB, h tenancy.Handle) error {
	m, err := generateFor(ctx, db, h)
	if err != nil {
		return err
	}
	return db.Write(ctx, h, func(tx *tenancy.Tx) error {
		rows, err := lock(tx)
		if err != nil {
			return err
		}
		gone := []string{}
		for _, r := range rows {
			gone = append(gone, r.KID)
			if err := remove(tx, r); err != nil {
				return err
			}
		}
		r, err := insert(tx, m, Active)
		if err != nil {
			return err
		}
		return note(tx, r, "signing_key.emergency", map[string]any{"gone": gone})
	})
}

// Turn brings one tenant's keys to where they should be by now: the next one signs
// when it was published long enough, the retired ones go, and a new one is
// published in time or where the settings ask for another algorithm.
func Turn(ctx context.Context, db *tenancy.DB, h tenancy.Handle) error {
	var wanted bool
	var alg string
	err := db.Read(ctx, h, func(tx *tenancy.Tx) error {
		rows, err := load(tx)
		if err != nil {
			return err
		}
		alg, wanted, err = lacks(tx, rows)
		return err
	})
	if err != nil {
		return err
	}
	var m made
	if wanted {
		if m, err = generate(alg); err != nil {
			return err
		}
	}
	return db.Write(ctx, h, func(tx *tenancy.Tx) error {
		rows, err := lock(tx)
		if err != nil {
			return err
		}
		if err := settle(tx, rows); err != nil {
			return err
		}
		if rows, err = load(tx); err != nil {
			return err
		}
		now, still, err := lacks(tx, rows)
		if err != nil || !wanted || !still || now != m.alg {
			return err
		}
		return publish(tx, m)
	})
}

// lacks tells whether a next key is to be published, and of which algorithm.
func lacks(tx *tenancy.Tx, rows []row) (alg string, wanted bool, err error) {
	chosen, err := settings.Load(tx)
	if err != nil {
		return "", false, err
	}
	active, ok := ofState(rows, Active)
	if !ok {
		return "", false, errors.New("the tenant has no active signing key")
	}
	next, waits := ofState(rows, Next)
	if waits && next.Alg == chosen.SigningAlg && !ripe(next, tx.Now()) {
		return "", false, nil
	}
	if waits && ripe(next, tx.Now()) {
		active = next // as it is about to be
	}
	old := !tx.Now().Before(active.signsSince().Add(SignsFor - Ahead))
	return chosen.SigningAlg, active.Alg != chosen.SigningAlg || old, nil
}

func ripe(next row, now time.Time) bool { return !now.Before(next.CreatedAt.Add(Ahead)) }

// settle does what time alone decides.
func settle(tx *tenancy.Tx, rows []row) error {
	chosen, err := settings.Load(tx)
	if err != nil {
		return err
	}
	now := tx.Now()
	for _, r := range rows {
		switch {
		case r.State == Retired && r.RetiredAt != nil && !now.Before(r.until()), r.State == Next && r.Alg != chosen.SigningAlg:
			if err := remove(tx, r); err != nil {
				return err
			}
			if err := note(tx, r, "signing_key.remove", nil); err != nil {
				return err
			}
		case r.State == Next && ripe(r, now):
			active, ok := ofState(rows, Active)
			if ok {
				if err := change(tx, active, map[string]any{"state": Retired, "retired_at": &now}); err != nil {
					return err
				}
			}
			if err := change(tx, r, map[string]any{"state": Active, "activated_at": &now}); err != nil {
				return err
			}
			if err := note(tx, r, "signing_key.activate", map[string]any{"retired": active.KID}); err != nil {
				return err
			}
		}
	}
	return nil
}

func generateFor(ctx context.Context, db *tenancy.DB, h tenancy.Handle) (made, error) {
	var chosen settings.Settings
	err := db.Read(ctx, h, func(tx *tenancy.Tx) (err error) {
		chosen, err = settings.Load(tx)
		return err
	})
	if err != nil {
		return made{}, err
	}
	return generate(chosen.SigningAlg)
}

func publish(tx *tenancy.Tx, m made) error {
	r, err := insert(tx, m, Next)
	if err != nil {
		return err
	}
	return note(tx, r, "signing_key.publish", nil)
}

// note tells the edge and the audit log.
func note(tx *tenancy.Tx, r row, action string, more map[string]any) error {
	tx.Notify(tenancy.ConfigTopic(tx.Tenant()))
	after := map[string]any{"alg": r.Alg}
	for k, v := range more {
		after[k] = v
	}
	return audit.Record(tx, audit.Entry{Action: action, TargetKind: "signing_key", TargetID: r.KID, After: after})
}

// TurnAll turns the keys of every tenant where something is due. One tenant's
// failure does not keep the others waiting.
func TurnAll(ctx context.Context, db *tenancy.DB) error {
	var due []string
	now := db.Clock().Now()
	err := db.SystemRead(ctx, tenancy.ReasonSigningKeys, func(tx *tenancy.Tx) error {
		return tx.DB().Model(&row{}).Distinct().Where(
			"state = 'next' AND created_at <= ? OR state = 'retired' AND retired_at <= ? OR state = 'active' AND coalesce(activated_at, created_at) <= ?"+
				" OR alg <> coalesce((select signing_alg from auth_settings where auth_settings.tenant_id = signing_keys.tenant_id), 'ES256') AND state <> 'retired'",
			now.Add(-Ahead), now.Add(-Kept), now.Add(Ahead-SignsFor)).Pluck("tenant_id", &due).Error
	})
	if err != nil {
		return fmt.Errorf("find signing keys that are due: %w", err)
	}
	var failed error
	for _, tenant := range due {
		h, err := db.ForJob(ctx, tenant, "keys.turn")
		if err == nil {
			err = Turn(ctx, db, h)
		}
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("turn signing keys of %s: %w", tenant, err))
		}
		if ctx.Err() != nil {
			break
		}
	}
	return failed
}
