package keys

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
	"gorm.io/gorm/clause"

	"github.com/emcy/gateway/tenancy"
)

type row struct {
	TenantID    string
	KID         string `gorm:"column:kid"`
	Alg         string
	PublicJWK   string `gorm:"column:public_jwk"`
	Private     []byte
	State       State
	CreatedAt   time.Time
	ActivatedAt *time.Time
	RetiredAt   *time.Time
}

func (row) TableName() string { return "signing_keys" }

// signsSince falls back on the making: the first keys were active from then on.
func (r row) signsSince() time.Time {
	if r.ActivatedAt != nil {
		return *r.ActivatedAt
	}
	return r.CreatedAt
}

func load(tx *tenancy.Tx) ([]row, error) {
	var rows []row
	if err := tx.DB().Order("created_at, kid").Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("read signing keys: %w", err)
	}
	return rows, nil
}

type tenantRow struct{ ID string }

func (tenantRow) TableName() string { return "tenants" }

// lock makes changes of one tenant's keys take turns, and reads them afterwards: a
// statement that waited for a lock does not see what was inserted meanwhile. It is
// on the tenant, because no key is sure to stay.
func lock(tx *tenancy.Tx) ([]row, error) {
	if tx.Postgres() {
		if err := tx.DB().Clauses(clause.Locking{Strength: "NO KEY UPDATE"}).First(&tenantRow{}).Error; err != nil {
			return nil, fmt.Errorf("lock signing keys: %w", err)
		}
	}
	return load(tx)
}

func ofState(rows []row, s State) (row, bool) {
	for _, r := range rows {
		if r.State == s {
			return r, true
		}
	}
	return row{}, false
}

// LoadAll reads a tenant's published keys and opens the active one.
func LoadAll(tx *tenancy.Tx) (Set, error) {
	rows, err := load(tx)
	if err != nil {
		return Set{}, err
	}
	var set Set
	for _, r := range rows {
		var jwk jose.JSONWebKey
		if err := json.Unmarshal([]byte(r.PublicJWK), &jwk); err != nil {
			return Set{}, fmt.Errorf("read signing key %s: %w", r.KID, err)
		}
		set.Public = append(set.Public, jwk)
		if r.State != Active {
			continue
		}
		if set.Active, err = open(tx, r); err != nil {
			return Set{}, err
		}
	}
	if set.Active.Key == nil {
		return Set{}, errors.New("the tenant has no active signing key")
	}
	return set, nil
}

// insert stores a key that was made before.
func insert(tx *tenancy.Tx, m made, s State) (row, error) {
	private, err := tx.Seal("signing_keys", "private", m.kid, m.private)
	if err != nil {
		return row{}, err
	}
	now := tx.Now()
	r := row{TenantID: tx.Tenant(), KID: m.kid, Alg: m.alg, PublicJWK: m.public, Private: private, State: s, CreatedAt: now}
	if s == Active {
		r.ActivatedAt = &now
	}
	if err := tx.DB().Create(&r).Error; err != nil {
		return row{}, fmt.Errorf("store signing key: %w", err)
	}
	return r, nil
}

func remove(tx *tenancy.Tx, r row) error {
	if err := tx.DB().Where("kid = ?", r.KID).Delete(&row{}).Error; err != nil {
		return fmt.Errorf("remove signing key: %w", err)
	}
	return nil
}

func change(tx *tenancy.Tx, r row, to map[string]any) error {
	if err := tx.DB().Model(&row{}).Where("kid = ?", r.KID).Updates(to).Error; err != nil {
		return fmt.Errorf("change signing key: %w", err)
	}
	return nil
}

// Info is what the console shows of a key.
type Info struct {
	KID, Alg    string
	State       State
	CreatedAt   time.Time
	ActivatedAt *time.Time
	RetiredAt   *time.Time
	// Until is when a next key signs, an active one is replaced, and a retired one is gone.
	Until time.Time
}

// List gives the tenant's keys: next, active, then the retired ones, newest first.
func List(tx *tenancy.Tx) ([]Info, error) {
	rows, err := load(tx)
	if err != nil {
		return nil, err
	}
	var out []Info
	for _, s := range []State{Next, Active, Retired} {
		for i := len(rows) - 1; i >= 0; i-- {
			if r := rows[i]; r.State == s {
				out = append(out, Info{KID: r.KID, Alg: r.Alg, State: s, CreatedAt: r.CreatedAt, ActivatedAt: r.ActivatedAt, RetiredAt: r.RetiredAt, Until: r.until()})
			}
		}
	}
	return out, nil
}

func (r row) until() time.Time {
	switch {
	case r.State == Next:
		return r.CreatedAt.Add(Ahead)
	case r.State == Retired && r.RetiredAt != nil:
		return r.RetiredAt.Add(Kept)
	}
	return r.signsSince().Add(SignsFor)
}
