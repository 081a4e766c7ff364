package tenancy

import (
	"context"
	"errors"
	"fmt"

	"gorm.io/gorm"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/internal/errs"
)

// Handle is the right to one tenant's rows. Its fields are unexported, so the
// gates below are the only source of one; it travels as a parameter, never in a
// context.
type Handle struct {
	tenant string
	slug   string
	name   string
	actor  Actor
}

// Actor is who acts through a handle, as the audit log names it.
type Actor struct {
	Kind string // "member", "end_user", "job" or "system"
	ID   string
	Role authz.Role // members only
}

// Tenant is the tenant's id.
func (h Handle) Tenant() string { return h.tenant }

// Slug is the tenant's slug.
func (h Handle) Slug() string { return h.slug }

// Name is what the tenant calls itself, for pages.
func (h Handle) Name() string { return h.name }

// Actor is who acts.
func (h Handle) Actor() Actor { return h.actor }

// As is the same tenant with another actor, for example the end user once known.
func (h Handle) As(kind, id string) Handle {
	h.actor = Actor{Kind: kind, ID: id}
	return h
}

// Member is a console user's place in a tenant.
type Member struct {
	TenantID   string
	TenantSlug string
	TenantName string
	Role       authz.Role
}

type memberRow struct {
	TenantID  string
	AccountID string
	Role      string
}

func (memberRow) TableName() string { return "members" }

type tenantRow struct {
	ID   string
	Slug string
	Name string
}

func (tenantRow) TableName() string { return "tenants" }

type originRow struct {
	Origin   string
	TenantID string
}

func (originRow) TableName() string { return "tenant_origins" }

// ForMember is the console's gate: the account's place in the workspace with that
// slug. A workspace that does not exist and one that is not theirs are both
// NotFound.
func (db *DB) ForMember(ctx context.Context, accountID, slug string) (Handle, Member, error) {
	var tenant tenantRow
	var member memberRow
	err := db.SystemRead(ctx, ReasonResolveMember, func(tx *Tx) error {
		if err := tx.DB().Where("slug = ?", slug).First(&tenant).Error; err != nil {
			return err
		}
		return tx.DB().Where("tenant_id = ? AND account_id = ?", tenant.ID, accountID).First(&member).Error
	})
	if errs.Is(err, errs.NotFound) {
		return Handle{}, Member{}, errs.E(errs.NotFound, "There is no such workspace, or you are not a member of it.", nil)
	}
	if err != nil {
		return Handle{}, Member{}, fmt.Errorf("resolve member: %w", err)
	}
	role := authz.Role(member.Role)
	return Handle{tenant: tenant.ID, slug: tenant.Slug, name: tenant.Name, actor: Actor{Kind: "member", ID: accountID, Role: role}},
		Member{TenantID: tenant.ID, TenantSlug: tenant.Slug, TenantName: tenant.Name, Role: role}, nil
}

// Role is the account's role in the handle's tenant, or NotFound: an end user who
// signs in as a member is checked with it.
func (db *DB) Role(ctx context.Context, h Handle, accountID string) (authz.Role, error) {
	var role authz.Role
	err := db.Read(ctx, h, func(tx *Tx) error {
		var err error
		role, err = tx.Role(accountID)
		return err
	})
	return role, err
}

// Role is DB.Role inside a transaction.
func (tx *Tx) Role(accountID string) (authz.Role, error) {
	var member memberRow
	if err := tx.DB().Where("account_id = ?", accountID).First(&member).Error; err != nil {
		return "", fmt.Errorf("read role: %w", translate(err))
	}
	return authz.Role(member.Role), nil
}

// IsMember reports whether the account belongs to the transaction's tenant.
func (tx *Tx) IsMember(accountID string) (bool, error) {
	_, err := tx.Role(accountID)
	if errs.Is(err, errs.NotFound) {
		return false, nil
	}
	return err == nil, err
}

// MembersAmong gives those of the accounts that belong to the transaction's tenant.
func (tx *Tx) MembersAmong(accountIDs []string) ([]string, error) {
	var members []string
	if err := tx.DB().Model(&memberRow{}).Where("account_id IN ?", accountIDs).Pluck("account_id", &members).Error; err != nil {
		return nil, fmt.Errorf("read members: %w", translate(err))
	}
	return members, nil
}

// ForOrigin is the gate of a tenant's public side: the tenant that owns the
// origin (scheme, host, port). Unknown is NotFound.
func (db *DB) ForOrigin(ctx context.Context, origin string) (Handle, error) {
	var row originRow
	var tenant tenantRow
	err := db.SystemRead(ctx, ReasonResolveOrigin, func(tx *Tx) error {
		if err := tx.DB().Where("origin = ?", origin).First(&row).Error; err != nil {
			return err
		}
		return tx.DB().Where("id = ?", row.TenantID).First(&tenant).Error
	})
	if err != nil {
		return Handle{}, fmt.Errorf("resolve origin: %w", err)
	}
	return Handle{tenant: tenant.ID, slug: tenant.Slug, name: tenant.Name, actor: Actor{Kind: "end_user"}}, nil
}

// ForJob is the worker's gate: a job names its tenant, and the tenant must exist.
func (db *DB) ForJob(ctx context.Context, tenantID, kind string) (Handle, error) {
	var tenant tenantRow
	err := db.SystemRead(ctx, ReasonResolveJob, func(tx *Tx) error {
		return tx.DB().Where("id = ?", tenantID).First(&tenant).Error
	})
	if err != nil {
		return Handle{}, fmt.Errorf("resolve job tenant: %w", err)
	}
	return Handle{tenant: tenant.ID, slug: tenant.Slug, name: tenant.Name, actor: Actor{Kind: "job", ID: kind}}, nil
}

// ForEveryTenant is ForJob for all tenants at once, in one query, for work that goes
// through all of them.
func (db *DB) ForEveryTenant(ctx context.Context, kind string) ([]Handle, error) {
	var tenants []tenantRow
	err := db.SystemRead(ctx, ReasonSnapshot, func(tx *Tx) error {
		return tx.DB().Order("id").Find(&tenants).Error
	})
	if err != nil {
		return nil, fmt.Errorf("list tenants: %w", err)
	}
	out := make([]Handle, len(tenants))
	for i, t := range tenants {
		out[i] = Handle{tenant: t.ID, slug: t.Slug, name: t.Name, actor: Actor{Kind: "job", ID: kind}}
	}
	return out, nil
}

// newTenantHandle is for the one act that happens before anybody can be a member.
func newTenantHandle(id, slug string, actor Actor) Handle {
	return Handle{tenant: id, slug: slug, actor: actor}
}

// HandleForTest mints a handle without a database look-up. It takes the test so
// that no other code can call it by accident.
func HandleForTest(t interface{ Helper() }, tenantID, slug string) Handle {
	t.Helper()
	return Handle{tenant: tenantID, slug: slug, actor: Actor{Kind: "system", ID: "test"}}
}

// translate turns a driver's error into a kind, once, here.
func translate(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*errs.Error](err); ok {
		return err
	}
	switch {
	case errors.Is(err, gorm.ErrRecordNotFound):
		return errs.E(errs.NotFound, "Not found.", err)
	case errors.Is(err, gorm.ErrDuplicatedKey):
		return errs.E(errs.Conflict, "That already exists.", err)
	case errors.Is(err, gorm.ErrForeignKeyViolated):
		return errs.E(errs.Conflict, "Something this refers to is gone.", err)
	case isUnstorable(err):
		// Nothing can be stored under such a name, so nothing is found under it.
		return errs.E(errs.NotFound, "Not found.", err)
	case isBusy(err):
		return errs.E(errs.Unavailable, "The database is busy. Try again in a moment.", err)
	}
	return err
}
