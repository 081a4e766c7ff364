package upstreams

import (
	"fmt"

	"github.com/emcy/gateway/tenancy"
)

// Name is what others may know of a runtime: which it is and what it is called.
type Name struct{ ID, Slug, Name string }

// Names lists the runtimes of the transaction's tenant.
func Names(tx *tenancy.Tx) ([]Name, error) {
	var out []Name
	if err := tx.DB().Model(&upstreamRow{}).Select("id", "slug", "name").Order("slug").Find(&out).Error; err != nil {
		return nil, fmt.Errorf("list upstream names: %w", err)
	}
	return out, nil
}

// NameOf reads one runtime's name by its id.
func NameOf(tx *tenancy.Tx, id string) (Name, error) {
	row, err := byID(tx, id)
	if err != nil {
		return Name{}, err
	}
	return Name{ID: row.ID, Slug: row.Slug, Name: row.Name}, nil
}
