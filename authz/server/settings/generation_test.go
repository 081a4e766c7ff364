package settings_test

import "github.com/emcy/gateway/tenancy"

type tenantRow struct {
	ID         string
	Generation uint64
}

func (tenantRow) TableName() string { return "tenants" }

func generationOf(tx *tenancy.Tx) (uint64, error) {
	var row tenantRow
	err := tx.DB().First(&row).Error
	return row.Generation, err
}
