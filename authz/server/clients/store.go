package clients

import "time"

type row struct {
	TenantID            string `gorm:"primaryKey"`
	ID                  string `gorm:"primaryKey"`
	Kind                Kind
	Name                string
	RedirectURIs        string `gorm:"column:redirect_uris"`
	ApplicationType     string
	ClientURI           string `gorm:"column:client_uri"`
	SoftwareID          string
	SoftwareVersion     string
	CreatedAt           time.Time `gorm:"autoCreateTime:false"`
	UsedAt              *time.Time
	AuthMethod          string
	SecretHash          string
	PreviousSecretHash  string
	PreviousSecretUntil *time.Time
	JWKS                string `gorm:"column:jwks"`
	JWKSURI             string `gorm:"column:jwks_uri"`
	GrantTypes          string
	Scope               string
	Status              Status
	ManagementHash      string
	Document            string
	ETag                string `gorm:"column:etag"`
	AuthOptional        bool
	FetchedAt           *time.Time
	FreshUntil          *time.Time
	FetchError          string
	DPoPRequired        bool `gorm:"column:dpop_required"`
	PARRequired         bool `gorm:"column:par_required"`
	CreatedBy           string
	Version             int64
}

func (row) TableName() string { return "clients" }
