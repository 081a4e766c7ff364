package tenancy

import (
	"context"
	"fmt"

	"gorm.io/gorm"
)

// CreateTenant opens the one transaction in which a tenant comes to be. insert
// writes the tenant's row with system rights; then the tenant gets its data key,
// and within runs as that tenant, in the same transaction: everything a tenant
// needs exists from its first moment, or it does not exist at all.
func (db *DB) CreateTenant(ctx context.Context, id, slug string, actor Actor, insert, within func(*Tx) error) (Handle, error) {
	h := newTenantHandle(id, slug, actor)
	err := db.System(ctx, ReasonCreateTenant, func(tx *Tx) error {
		if err := insert(tx); err != nil {
			return err
		}
		if err := createKey(tx, db.keys.kek, id); err != nil {
			return err
		}
		return tx.become(h, within)
	})
	if err != nil {
		return Handle{}, fmt.Errorf("create tenant: %w", err)
	}
	return h, nil
}

// become narrows a system transaction to one tenant for the rest of its life.
func (tx *Tx) become(h Handle, fn func(*Tx) error) error {
	sc := scope{tenant: h.tenant}
	if tx.db.pool != nil {
		// The session's own role may take either role; only emcy_app is left afterwards for statements of fn.
		if _, err := tx.stx.ExecContext(tx.ctx, "select set_config('role', $1, true), set_config('app.tenant_id', $2, true)", sc.role(), sc.tenant); err != nil {
			return fmt.Errorf("take the role %s: %w", sc.role(), err)
		}
	}
	tx.handle = h
	tx.gdb = tx.gdb.Set(scopeKey, sc).Session(&gorm.Session{})
	return fn(tx)
}
