package idp

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm/clause"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/audit"
)

const subjectPrefix = "eu"

// IsSubject reports whether a subject's id is an end user's, and not a member's account.
func IsSubject(id string) bool { return strings.HasPrefix(id, subjectPrefix+"_") }

// User is an end user who came from a provider.
type User struct {
	ID         string
	ProviderID string
	// ExternalID is the provider's own subject.
	ExternalID string
	Email      string
	Name       string
	Groups     []string
	CreatedAt  time.Time
	SignedInAt time.Time
	BlockedAt  *time.Time
}

type userRow struct {
	TenantID   string
	ID         string
	ProviderID string
	ExternalID string
	Email      string
	Name       string
	Groups     string
	CreatedAt  time.Time
	SignedInAt time.Time
	BlockedAt  *time.Time
}

func (userRow) TableName() string { return "end_users" }

func (r userRow) user() (User, error) {
	u := User{
		ID: r.ID, ProviderID: r.ProviderID, ExternalID: r.ExternalID, Email: r.Email, Name: r.Name,
		CreatedAt: r.CreatedAt, SignedInAt: r.SignedInAt, BlockedAt: r.BlockedAt,
	}
	if err := json.Unmarshal([]byte(r.Groups), &u.Groups); err != nil {
		return User{}, fmt.Errorf("read groups: %w", err)
	}
	return u, nil
}

var errNoUser = errs.E(errs.NotFound, "There is no such end user.", nil)

// UserOf reads an end user; errs.NotFound where there is none.
func UserOf(tx *tenancy.Tx, id string) (User, error) {
	var rows []userRow
	if err := tx.DB().Where("id = ?", id).Limit(1).Find(&rows).Error; err != nil {
		return User{}, fmt.Errorf("read end user: %w", err)
	}
	if len(rows) == 0 {
		return User{}, errNoUser
	}
	return rows[0].user()
}

// Active gives an end user, and whether they may act: known, not blocked, and let in
// by an enabled provider with what it said of them last.
func Active(tx *tenancy.Tx, id string) (u User, active bool, err error) {
	u, err = UserOf(tx, id)
	if errs.Is(err, errs.NotFound) {
		return User{}, false, nil
	}
	if err != nil {
		return User{}, false, err
	}
	p, err := Get(tx, u.ProviderID)
	if err != nil {
		return User{}, false, err
	}
	return u, u.BlockedAt == nil && p.Enabled && p.admits(u.Email, u.Groups) == "", nil
}

// Page bounds a reading of end users.
type Page struct {
	// ProviderID narrows to one provider; empty lists all.
	ProviderID string
	// Search is a part of the e-mail address or the name; empty lists all.
	Search string
	// Limit is the most that are given, at least 1.
	Limit int
}

// Users lists end users, who signed in last first, and counts all that match.
func Users(tx *tenancy.Tx, page Page) (users []User, total int64, err error) {
	q := tx.DB().Model(&userRow{})
	if page.ProviderID != "" {
		q = q.Where("provider_id = ?", page.ProviderID)
	}
	if page.Search != "" {
		like := "%" + strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(strings.ToLower(page.Search)) + "%"
		q = q.Where(`lower(email) LIKE ? ESCAPE '\' OR lower(name) LIKE ? ESCAPE '\'`, like, like)
	}
	if err := q.Count(&total).Error; err != nil {
		return nil, 0, fmt.Errorf("count end users: %w", err)
	}
	var rows []userRow
	if err := q.Order("signed_in_at DESC, id").Limit(max(page.Limit, 1)).Find(&rows).Error; err != nil {
		return nil, 0, fmt.Errorf("list end users: %w", err)
	}
	users = make([]User, len(rows))
	for i, r := range rows {
		if users[i], err = r.user(); err != nil {
			return nil, 0, err
		}
	}
	return users, total, nil
}

// SetBlocked blocks an end user, who is then signed out everywhere, or lets them in
// again. To do it twice changes nothing.
func (p *Providers) SetBlocked(ctx context.Context, h tenancy.Handle, id string, blocked bool) error {
	err := p.db.Write(ctx, h, func(tx *tenancy.Tx) error {
		u, err := UserOf(tx, id)
		if err != nil || (u.BlockedAt != nil) == blocked {
			return err
		}
		action, change := "end_user.unblock", map[string]any{"blocked_at": nil}
		if blocked {
			now := tx.Now()
			action, change = "end_user.block", map[string]any{"blocked_at": &now}
		}
		if err := tx.DB().Model(&userRow{}).Where("id = ?", id).Updates(change).Error; err != nil {
			return err
		}
		if blocked {
			if err := p.revoke(tx, []string{id}, "the person was blocked"); err != nil {
				return err
			}
		}
		return audit.Record(tx, audit.Entry{Action: action, TargetKind: "end_user", TargetID: id, After: map[string]string{"email": u.Email, "provider": u.ProviderID}})
	})
	if err != nil {
		return fmt.Errorf("block or unblock end user: %w", err)
	}
	return nil
}

// endUnadmitted signs out everywhere whom the provider, as it is now, does not let in.
func (p *Providers) endUnadmitted(tx *tenancy.Tx, row providerRow) error {
	provider, err := row.provider()
	if err != nil {
		return err
	}
	if provider.Enabled && len(provider.AllowedDomains) == 0 && len(provider.AllowedGroups) == 0 {
		return nil
	}
	var rows []userRow
	if err := tx.DB().Where("provider_id = ?", row.ID).Find(&rows).Error; err != nil {
		return fmt.Errorf("list end users of a provider: %w", err)
	}
	var out []string
	for _, r := range rows {
		u, err := r.user()
		if err != nil {
			return err
		}
		if !provider.Enabled || provider.admits(u.Email, u.Groups) != "" {
			out = append(out, u.ID)
		}
	}
	if len(out) == 0 {
		return nil
	}
	return p.revoke(tx, out, "the sign-in provider does not let the person in any more")
}

// admits gives the reason why a person is not let in, "" where they are.
func (p Provider) admits(email string, groups []string) string {
	_, domain, _ := strings.Cut(email, "@")
	if len(p.AllowedDomains) > 0 && !slices.Contains(p.AllowedDomains, strings.ToLower(domain)) {
		return "the domain of the e-mail address"
	}
	if len(p.AllowedGroups) > 0 && !slices.ContainsFunc(p.AllowedGroups, func(g string) bool { return slices.Contains(groups, g) }) {
		return "the groups"
	}
	return ""
}

// admit stores what a provider said of a person and gives the end user; they are made
// at their first sign-in. A refusal comes back as one and not as an error, because
// what was stored is to stay: a person who lost a group is signed out everywhere.
func (p *Providers) admit(tx *tenancy.Tx, provider Provider, who identity) (u User, refused *Refused, err error) {
	rule := provider.admits(who.Email, who.Groups)
	groups, err := json.Marshal(slices.Concat([]string{}, who.Groups))
	if err != nil {
		return User{}, nil, err
	}
	now := tx.Now()
	if rule == "" {
		row := userRow{
			TenantID: tx.Tenant(), ID: ids.New(subjectPrefix), ProviderID: provider.ID, ExternalID: who.Subject,
			Email: who.Email, Name: who.Name, Groups: string(groups), CreatedAt: now, SignedInAt: now,
		}
		res := tx.DB().Clauses(clause.OnConflict{DoNothing: true}).Create(&row)
		if res.Error != nil {
			return User{}, nil, fmt.Errorf("create end user: %w", res.Error)
		}
		if res.RowsAffected == 1 {
			after := map[string]string{"provider": provider.ID, "email": who.Email}
			if err := audit.Record(tx, audit.Entry{Action: "end_user.create", TargetKind: "end_user", TargetID: row.ID, After: after}); err != nil {
				return User{}, nil, err
			}
		}
	}
	known := tx.DB().Model(&userRow{}).Where("provider_id = ? AND external_id = ?", provider.ID, who.Subject)
	if err := known.Updates(map[string]any{"email": who.Email, "name": who.Name, "groups": string(groups)}).Error; err != nil {
		return User{}, nil, fmt.Errorf("update end user: %w", err)
	}
	var rows []userRow
	if err := tx.DB().Where("provider_id = ? AND external_id = ?", provider.ID, who.Subject).Limit(1).Find(&rows).Error; err != nil {
		return User{}, nil, fmt.Errorf("read end user: %w", err)
	}
	if rule != "" {
		if len(rows) == 1 {
			err = p.revoke(tx, []string{rows[0].ID}, "the sign-in provider does not let the person in any more")
		}
		return User{}, notAdmitted(provider, rule), err
	}
	if u, err = rows[0].user(); err != nil {
		return User{}, nil, err
	}
	if u.BlockedAt != nil {
		return User{}, refuse("blocked", http403, "You are signed in at "+provider.Name+", but your access to this workspace was blocked.", "Ask the workspace's owner to let you in again.", nil), nil
	}
	u.SignedInAt = now
	return u, nil, tx.DB().Model(&userRow{}).Where("id = ?", u.ID).Updates(map[string]any{"signed_in_at": now}).Error
}
