package scopes

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/tenancy"
)

type scopeRow struct {
	TenantID    string
	Name        string
	Title       string
	Description string
	Includes    string // JSON
	Initial     bool
	Position    int
	CreatedAt   time.Time
}

func (scopeRow) TableName() string { return "scopes" }

type toolRow struct {
	TenantID   string
	Scope      string
	UpstreamID string
	Tool       string
}

func (toolRow) TableName() string { return "scope_tools" }

// upstreamRow is looked at only for whether it is there.
type upstreamRow struct{ TenantID, ID string }

func (upstreamRow) TableName() string { return "upstreams" }

// familyRow is what is read of a token family.
type familyRow struct {
	TenantID string
	Scope    string
	N        int64
}

func (familyRow) TableName() string { return "token_families" }

// consentRow is what is read of a consent.
type consentRow struct{ TenantID, Scope string }

func (consentRow) TableName() string { return "consents" }

// takeBack takes a scope out of what people allowed and clients hold.
func takeBack(tx *tenancy.Tx, name string) error {
	const without = "trim(replace(' ' || scope || ' ', ?, ' '))"
	word := " " + name + " "
	for _, holder := range []any{&familyRow{}, &consentRow{}} {
		if err := tx.DB().Model(holder).Where("scope <> "+without, word).Update("scope", gorm.Expr(without, word)).Error; err != nil {
			return fmt.Errorf("take back scope: %w", err)
		}
	}
	return nil
}

type tenantRow struct{ ID string }

func (tenantRow) TableName() string { return "tenants" }

// lockTenant makes changes of a tenant's catalogue take turns, so that each is judged with all others in it.
func lockTenant(tx *tenancy.Tx) error {
	var row tenantRow
	if err := tx.DB().Clauses(clause.Locking{Strength: "NO KEY UPDATE"}).Where("id = ?", tx.Tenant()).First(&row).Error; err != nil {
		return fmt.Errorf("lock workspace: %w", err)
	}
	return nil
}

// Load reads the catalogue of the transaction's tenant.
func Load(tx *tenancy.Tx) (authz.Catalogue, error) {
	all, err := load(tx)
	if err != nil || len(all) == 0 {
		return authz.Catalogue{}, err
	}
	c, err := authz.NewCatalogue(all)
	if err != nil {
		return authz.Catalogue{}, fmt.Errorf("catalogue of scopes: %w", err)
	}
	return c, nil
}

func load(tx *tenancy.Tx) ([]authz.Scope, error) {
	var rows []scopeRow
	if err := tx.DB().Order("position, name").Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("read scopes: %w", err)
	}
	if len(rows) == 0 {
		return nil, nil
	}
	var tools []toolRow
	if err := tx.DB().Order("scope, upstream_id, tool").Find(&tools).Error; err != nil {
		return nil, fmt.Errorf("read tools of scopes: %w", err)
	}
	opens := map[string][]authz.Tool{}
	for _, t := range tools {
		opens[t.Scope] = append(opens[t.Scope], authz.Tool{UpstreamID: t.UpstreamID, Name: t.Tool})
	}
	out := make([]authz.Scope, len(rows))
	for i, r := range rows {
		out[i] = authz.Scope{Name: r.Name, Title: r.Title, Description: r.Description, Initial: r.Initial, Tools: opens[r.Name]}
		if err := json.Unmarshal([]byte(r.Includes), &out[i].Includes); err != nil {
			return nil, fmt.Errorf("read includes of scope %s: %w", r.Name, err)
		}
	}
	return out, nil
}

func create(tx *tenancy.Tx, s authz.Scope, position int) error {
	includes, err := encode(s.Includes)
	if err != nil {
		return err
	}
	row := scopeRow{
		TenantID: tx.Tenant(), Name: s.Name, Title: s.Title, Description: s.Description, Includes: includes,
		Initial: s.Initial, Position: position, CreatedAt: tx.Now(),
	}
	if err := tx.DB().Create(&row).Error; err != nil {
		return fmt.Errorf("store scope: %w", err)
	}
	return nil
}

func update(tx *tenancy.Tx, s authz.Scope) error {
	includes, err := encode(s.Includes)
	if err != nil {
		return err
	}
	err = tx.DB().Model(&scopeRow{}).Where("name = ?", s.Name).Updates(map[string]any{
		"title": s.Title, "description": s.Description, "includes": includes, "initial": s.Initial,
	}).Error
	if err != nil {
		return fmt.Errorf("store scope: %w", err)
	}
	return nil
}

func encode(includes authz.Scopes) (string, error) {
	b, err := json.Marshal(append(authz.Scopes{}, includes...))
	if err != nil {
		return "", fmt.Errorf("encode includes: %w", err)
	}
	return string(b), nil
}

// order numbers the scopes anew.
func order(tx *tenancy.Tx, all []authz.Scope) error {
	for position, s := range all {
		if err := tx.DB().Model(&scopeRow{}).Where("name = ?", s.Name).Update("position", position).Error; err != nil {
			return fmt.Errorf("order scopes: %w", err)
		}
	}
	return nil
}

// behind is the position after the last scope.
func behind(tx *tenancy.Tx) (int, error) {
	var last []scopeRow
	if err := tx.DB().Order("position DESC").Limit(1).Find(&last).Error; err != nil {
		return 0, fmt.Errorf("read scopes: %w", err)
	}
	if len(last) == 0 {
		return 0, nil
	}
	return last[0].Position + 1, nil
}

// putTools replaces what a scope opens at one runtime.
func putTools(tx *tenancy.Tx, scope, upstreamID string, tools []string) error {
	if err := tx.DB().Where("scope = ? AND upstream_id = ?", scope, upstreamID).Delete(&toolRow{}).Error; err != nil {
		return fmt.Errorf("forget tools of scope: %w", err)
	}
	rows := make([]toolRow, len(tools))
	for i, tool := range tools {
		rows[i] = toolRow{TenantID: tx.Tenant(), Scope: scope, UpstreamID: upstreamID, Tool: tool}
	}
	for part := range slices.Chunk(rows, 500) {
		if err := tx.DB().Create(&part).Error; err != nil {
			return fmt.Errorf("store tools of scope: %w", err)
		}
	}
	return nil
}
