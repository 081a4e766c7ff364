package workspaces

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/internal/names"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/audit"
)

// MaxOwned is the most workspaces that one account may own: whoever can sign up can
// make them, and each costs keys and an origin.
const MaxOwned = 20

// Workspaces creates and lists tenants.
type Workspaces struct {
	db        *tenancy.DB
	placement Placement
	within    func(*tenancy.Tx) error
}

// New makes the use cases. within runs in the transaction that creates a tenant,
// as that tenant: the authorization server makes its first signing key there.
func New(db *tenancy.DB, placement Placement, within func(*tenancy.Tx) error) *Workspaces {
	return &Workspaces{db: db, placement: placement, within: within}
}

// Workspace is a tenant as its members see it.
type Workspace struct {
	ID   string
	Slug string
	Name string
	Role authz.Role
	// Origin is the canonical one, the tenant's issuer.
	Origin string
}

// Placement is how new tenants get their origin.
func (w *Workspaces) Placement() Placement { return w.placement }

// Create makes a workspace with the account as its owner. Errors: Invalid with
// the fields name and slug; a taken slug is Invalid on slug, too, and proposes
// others, and an owner of MaxOwned workspaces is Invalid on name. Conflict where the
// machine has no port left.
func (w *Workspaces) Create(ctx context.Context, accountID, name, slug string) (Workspace, error) {
	name, slug = names.Clean(name), strings.ToLower(strings.TrimSpace(slug))
	if slug == "" {
		slug = SlugFrom(name)
	}
	problems := map[string]string{}
	if n := utf8.RuneCountInString(name); n < 2 || n > 60 {
		problems["name"] = "Use 2 to 60 characters."
	}
	if p := CheckSlug(slug); p != "" {
		problems["slug"] = p
	}
	if err := errs.Fields(problems); err != nil {
		return Workspace{}, err
	}
	ws := Workspace{ID: ids.New("tnt"), Slug: slug, Name: name, Role: authz.Owner}
	actor := tenancy.Actor{Kind: "member", ID: accountID, Role: authz.Owner}
	_, err := w.db.CreateTenant(ctx, ws.ID, slug, actor, func(tx *tenancy.Tx) error {
		return w.insert(tx, accountID, &ws)
	}, func(tx *tenancy.Tx) error {
		if err := w.within(tx); err != nil {
			return err
		}
		tx.Notify(tenancy.ConfigTopic(ws.ID))
		return audit.Record(tx, audit.Entry{
			Action: "workspace.create", TargetKind: "workspace", TargetID: ws.ID,
			After: map[string]string{"slug": ws.Slug, "name": ws.Name, "origin": ws.Origin},
		})
	})
	if err != nil {
		return Workspace{}, fmt.Errorf("create workspace: %w", err)
	}
	return ws, nil
}

func (w *Workspaces) insert(tx *tenancy.Tx, accountID string, ws *Workspace) error {
	if err := checkOwned(tx, accountID); err != nil {
		return err
	}
	var n int64
	if err := tx.DB().Model(&tenantRow{}).Where("slug = ?", ws.Slug).Count(&n).Error; err != nil {
		return err
	}
	if n > 0 {
		return errs.Field("slug", fmt.Sprintf("That address is taken. Try %[1]s-hq, %[1]s-team or %[1]s-mcp.", strings.TrimSuffix(ws.Slug[:min(len(ws.Slug), 27)], "-")))
	}
	now := tx.Now()
	if err := tx.DB().Create(&tenantRow{ID: ws.ID, Slug: ws.Slug, Name: ws.Name, Version: 1, CreatedAt: now}).Error; err != nil {
		if errors.Is(err, gorm.ErrDuplicatedKey) {
			return errs.Field("slug", "That address was taken a moment ago.")
		}
		return err
	}
	origin, err := w.placement.place(tx, ws.ID, ws.Slug)
	if err != nil {
		return err
	}
	ws.Origin = origin.Origin
	return tx.DB().Create(&memberRow{TenantID: ws.ID, AccountID: accountID, Role: string(authz.Owner), CreatedAt: now}).Error
}

// checkOwned counts with the account's row locked: of two creations at the same time
// one waits for the other, and counts it.
func checkOwned(tx *tenancy.Tx, accountID string) error {
	var account accountRow
	if err := tx.DB().Clauses(clause.Locking{Strength: "NO KEY UPDATE"}).Where("id = ?", accountID).First(&account).Error; err != nil {
		return fmt.Errorf("lock account: %w", err)
	}
	var n int64
	if err := tx.DB().Model(&memberRow{}).Where("account_id = ? AND role = ?", accountID, string(authz.Owner)).Count(&n).Error; err != nil {
		return fmt.Errorf("count workspaces: %w", err)
	}
	if n >= MaxOwned {
		return errs.Field("name", fmt.Sprintf("You own %d workspaces, which is the most that one account can have.", n))
	}
	return nil
}

// Of lists the workspaces that the account belongs to, by name.
func (w *Workspaces) Of(ctx context.Context, accountID string) ([]Workspace, error) {
	var out []Workspace
	err := w.db.SystemRead(ctx, tenancy.ReasonResolveMember, func(tx *tenancy.Tx) error {
		var members []memberRow
		if err := tx.DB().Where("account_id = ?", accountID).Find(&members).Error; err != nil {
			return err
		}
		roles := map[string]string{}
		keys := make([]string, 0, len(members))
		for _, m := range members {
			roles[m.TenantID] = m.Role
			keys = append(keys, m.TenantID)
		}
		var tenants []tenantRow
		if err := tx.DB().Where("id IN ?", keys).Order("name, slug").Find(&tenants).Error; err != nil {
			return err
		}
		var origins []originRow
		if err := tx.DB().Where("tenant_id IN ?", keys).Order("created_at, origin").Find(&origins).Error; err != nil {
			return err
		}
		issuers := map[string]string{}
		for _, o := range origins {
			issuers[o.TenantID] = cmp.Or(issuers[o.TenantID], o.Origin)
		}
		for _, t := range tenants {
			out = append(out, Workspace{ID: t.ID, Slug: t.Slug, Name: t.Name, Role: authz.Role(roles[t.ID]), Origin: issuers[t.ID]})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list workspaces: %w", err)
	}
	return out, nil
}

// Tenant is a tenant as the edge's snapshot needs it.
type Tenant struct {
	ID      string
	Slug    string
	Name    string
	Origins []string
	// Generation counts the changes of what the edge serves; every process reads the same number.
	Generation uint64
}

// Handles lists every tenant with a handle, for the snapshot and for schedules.
func (w *Workspaces) Handles(ctx context.Context) ([]tenancy.Handle, error) {
	return w.db.ForEveryTenant(ctx, "snapshot")
}

// Load reads one tenant with its origins, oldest first: the first is the
// canonical one, the issuer.
func Load(tx *tenancy.Tx) (Tenant, error) {
	var t tenantRow
	if err := tx.DB().Where("id = ?", tx.Tenant()).First(&t).Error; err != nil {
		return Tenant{}, fmt.Errorf("load tenant: %w", err)
	}
	var origins []originRow
	if err := tx.DB().Order("created_at, origin").Find(&origins).Error; err != nil {
		return Tenant{}, fmt.Errorf("load origins: %w", err)
	}
	out := Tenant{ID: t.ID, Slug: t.Slug, Name: t.Name, Generation: t.Generation}
	for _, o := range origins {
		out.Origins = append(out.Origins, o.Origin)
	}
	return out, nil
}
