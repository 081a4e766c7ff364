package settings

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
	TenantID           string `gorm:"primaryKey"`
	CIMD               Mode   `gorm:"column:cimd"`
	DCR                Mode   `gorm:"column:dcr"`
	DCRHosts           string `gorm:"column:dcr_hosts"`
	Review             bool
	AccessSeconds      int64
	RefreshIdleSeconds int64
	FamilySeconds      int64
	DPoP               Option `gorm:"column:dpop"`
	PAR                Option `gorm:"column:par"`
	ClientCredentials  bool
	Device             bool
	RememberConsent    bool
	SigningAlg         string
	Version            int64
	UpdatedAt          time.Time `gorm:"autoUpdateTime:false"`
}

func (row) TableName() string { return "auth_settings" }

func newRow(tx *tenancy.Tx, s Settings) (row, error) {
	if s.DCRHosts == nil {
		s.DCRHosts = []string{}
	}
	hosts, err := json.Marshal(s.DCRHosts)
	if err != nil {
		return row{}, fmt.Errorf("encode hosts: %w", err)
	}
	return row{
		TenantID: tx.Tenant(), CIMD: s.CIMD, DCR: s.DCR, DCRHosts: string(hosts), Review: s.Review,
		AccessSeconds: int64(s.Access / time.Second), RefreshIdleSeconds: int64(s.RefreshIdle / time.Second), FamilySeconds: int64(s.Family / time.Second),
		DPoP: s.DPoP, PAR: s.PAR, ClientCredentials: s.ClientCredentials, Device: s.Device, RememberConsent: s.RememberConsent,
		SigningAlg: s.SigningAlg, Version: s.Version + 1, UpdatedAt: tx.Now(),
	}, nil
}

// store writes the row over the version that was read; zero means that there was none.
func (r row) store(tx *tenancy.Tx, version int64) error {
	stale := errs.E(errs.Stale, "Somebody changed these settings while you were editing. Look at the current values, then save again.", nil)
	if version == 0 {
		err := tx.DB().Create(&r).Error
		if errors.Is(err, gorm.ErrDuplicatedKey) {
			return stale
		}
		if err != nil {
			return fmt.Errorf("store authorization settings: %w", err)
		}
		return nil
	}
	res := tx.DB().Model(&row{}).Where("version = ?", version).Select("*").Omit("tenant_id").Updates(&r)
	if res.Error != nil {
		return fmt.Errorf("store authorization settings: %w", res.Error)
	}
	if res.RowsAffected == 0 {
		return stale
	}
	return nil
}

func (r row) settings() (Settings, error) {
	s := Settings{
		CIMD: r.CIMD, DCR: r.DCR, Review: r.Review,
		Access: time.Duration(r.AccessSeconds) * time.Second, RefreshIdle: time.Duration(r.RefreshIdleSeconds) * time.Second, Family: time.Duration(r.FamilySeconds) * time.Second,
		DPoP: r.DPoP, PAR: r.PAR, ClientCredentials: r.ClientCredentials, Device: r.Device, RememberConsent: r.RememberConsent,
		SigningAlg: r.SigningAlg, Version: r.Version,
	}
	if err := json.Unmarshal([]byte(r.DCRHosts), &s.DCRHosts); err != nil {
		return Settings{}, fmt.Errorf("read hosts: %w", err)
	}
	return s, nil
}
