package connect

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"gorm.io/gorm/clause"

	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/audit"
)

const subjectPrefix = "pu"

// IsSubject reports whether a subject's id is of somebody who signed in at a profile's
// provider.
func IsSubject(id string) bool { return strings.HasPrefix(id, subjectPrefix+"_") }

// User is somebody who signed in at a profile's provider.
type User struct {
	ID, ProfileID string
	// ExternalID is the provider's own, which never changes.
	ExternalID  string
	Email, Name string
	CreatedAt   time.Time
	SignedInAt  time.Time
	BlockedAt   *time.Time
}

type userRow struct {
	TenantID   string
	ID         string
	ProfileID  string
	ExternalID string
	Email      string
	Name       string
	CreatedAt  time.Time
	SignedInAt time.Time
	BlockedAt  *time.Time
}

func (userRow) TableName() string { return "profile_users" }

func (r userRow) user() User {
	return User{
		ID: r.ID, ProfileID: r.ProfileID, ExternalID: r.ExternalID, Email: r.Email, Name: r.Name,
		CreatedAt: r.CreatedAt, SignedInAt: r.SignedInAt, BlockedAt: r.BlockedAt,
	}
}

var errNoUser = errs.E(errs.NotFound, "There is no such end user.", nil)

func userOf(tx *tenancy.Tx, id string) (User, error) {
	users, err := Users(tx, []string{id})
	if err != nil {
		return User{}, err
	}
	u, ok := users[id]
	if !ok {
		return User{}, errNoUser
	}
	return u, nil
}

// Users reads those of the subjects that are such people, by id.
func Users(tx *tenancy.Tx, subjects []string) (map[string]User, error) {
	var rows []userRow
	if err := tx.DB().Where("id IN ?", subjects).Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("read people of profiles: %w", err)
	}
	out := make(map[string]User, len(rows))
	for _, r := range rows {
		out[r.ID] = r.user()
	}
	return out, nil
}

// Known gives somebody who may act: not blocked, and of a profile that signs people in.
// Errors: errs.NotFound.
func (c *Connects) Known(tx *tenancy.Tx, id string) (User, error) {
	u, err := userOf(tx, id)
	if err != nil {
		return User{}, err
	}
	if u.BlockedAt != nil {
		return User{}, errNoUser
	}
	p, err := profiles.Get(tx, u.ProfileID)
	if err != nil {
		return User{}, err
	}
	if !signsIn(p) {
		return User{}, errNoUser
	}
	return u, nil
}

// admit stores what a provider said of somebody, who is made at their first sign-in.
func admit(tx *tenancy.Tx, p profiles.Profile, account provider.Account) (id string, refused *Refused, err error) {
	if account.ID == "" {
		return "", refuse("no_account", http.StatusBadGateway, p.Name+" does not say whose account it is.", "Tell the workspace's owner: the profile's identity rule finds nobody.", nil), nil
	}
	now := tx.Now()
	row := userRow{
		TenantID: tx.Tenant(), ID: ids.New(subjectPrefix), ProfileID: p.ID, ExternalID: account.ID, Email: account.Email, Name: account.Name, CreatedAt: now, SignedInAt: now,
	}
	res := tx.DB().Clauses(clause.OnConflict{DoNothing: true}).Create(&row)
	if res.Error != nil {
		return "", nil, fmt.Errorf("create end user: %w", res.Error)
	}
	if res.RowsAffected == 1 {
		after := map[string]string{"profile": p.ID, "email": account.Email}
		if err := audit.Record(tx, audit.Entry{Action: "end_user.create", TargetKind: "end_user", TargetID: row.ID, After: after}); err != nil {
			return "", nil, err
		}
	}
	known := tx.DB().Model(&userRow{}).Where("profile_id = ? AND external_id = ?", p.ID, account.ID)
	if err := known.Updates(map[string]any{"email": account.Email, "name": account.Name}).Error; err != nil {
		return "", nil, fmt.Errorf("update end user: %w", err)
	}
	var found userRow
	if err := tx.DB().Where("profile_id = ? AND external_id = ?", p.ID, account.ID).First(&found).Error; err != nil {
		return "", nil, fmt.Errorf("read end user: %w", err)
	}
	if found.BlockedAt != nil {
		blocked := refuse("blocked", http.StatusForbidden, "You are signed in at "+p.Name+", but your access to this workspace was blocked.", "Ask the workspace's owner to let you in again.", nil)
		return "", blocked, nil
	}
	return found.ID, nil, tx.DB().Model(&userRow{}).Where("id = ?", found.ID).Update("signed_in_at", now).Error
}
