package workspaces

import (
	"time"
)

type tenantRow struct {
	ID      string
	Slug    string
	Name    string
	Version int64
	// Generation is counted by the gate with every change of the edge's configuration.
	Generation uint64
	CreatedAt  time.Time
}

func (tenantRow) TableName() string { return "tenants" }

type originRow struct {
	Origin    string
	TenantID  string
	Port      *int
	CreatedAt time.Time
}

func (originRow) TableName() string { return "tenant_origins" }

type memberRow struct {
	TenantID  string
	AccountID string
	Role      string
	CreatedAt time.Time
}

func (memberRow) TableName() string { return "members" }

// accountRow is as much of an account as its lock needs.
type accountRow struct{ ID string }

func (accountRow) TableName() string { return "accounts" }
