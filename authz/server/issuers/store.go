package issuers

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
)

type row struct {
	TenantID  string
	ID        string
	Name      string
	Issuer    string
	JWKSURI   string `gorm:"column:jwks_uri"`
	Clients   string // JSON
	CreatedAt time.Time
}

func (row) TableName() string { return "trusted_issuers" }

// Issuer is one that a tenant trusts.
type Issuer struct {
	ID   string
	Name string
	// Issuer is compared with an assertion's iss byte by byte.
	Issuer  string
	JWKSURI string
	// Clients are the ids of those that may bring its assertions; empty is any.
	Clients   []string
	CreatedAt time.Time
}

func (r row) issuer() (Issuer, error) {
	out := Issuer{ID: r.ID, Name: r.Name, Issuer: r.Issuer, JWKSURI: r.JWKSURI, CreatedAt: r.CreatedAt}
	if err := json.Unmarshal([]byte(r.Clients), &out.Clients); err != nil {
		return Issuer{}, fmt.Errorf("read clients of issuer %s: %w", r.ID, err)
	}
	return out, nil
}

// List reads the trusted issuers by name.
func List(tx *tenancy.Tx) ([]Issuer, error) {
	var rows []row
	if err := tx.DB().Order("name, id").Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("list trusted issuers: %w", err)
	}
	out := make([]Issuer, len(rows))
	for i, r := range rows {
		var err error
		if out[i], err = r.issuer(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Get reads one; errs.NotFound where there is none.
func Get(tx *tenancy.Tx, id string) (Issuer, error) {
	return find(tx, "id = ?", id)
}

// Any reports whether the tenant trusts one: only then the grant is on.
func Any(tx *tenancy.Tx) (bool, error) {
	var n int64
	if err := tx.DB().Model(&row{}).Limit(1).Count(&n).Error; err != nil {
		return false, fmt.Errorf("count trusted issuers: %w", err)
	}
	return n > 0, nil
}

// Trusted finds the issuer of an assertion; ok is false where the tenant does not trust it.
func Trusted(tx *tenancy.Tx, issuer string) (found Issuer, ok bool, err error) {
	found, err = find(tx, "issuer = ?", issuer)
	if errs.Is(err, errs.NotFound) {
		return Issuer{}, false, nil
	}
	return found, err == nil, err
}

func find(tx *tenancy.Tx, where, value string) (Issuer, error) {
	var r row
	err := tx.DB().Where(where, value).First(&r).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return Issuer{}, errs.E(errs.NotFound, "There is no such issuer.", nil)
	}
	if err != nil {
		return Issuer{}, fmt.Errorf("read trusted issuer: %w", err)
	}
	return r.issuer()
}
