package server

import (
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"

	"github.com/emcy/gateway/authz/server/flow"
	"github.com/emcy/gateway/authz/server/settings"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/audit"
)

type familyRow struct {
	TenantID      string
	ID            string
	ClientID      string
	Subject       string
	UpstreamID    string
	Resource      string
	Scope         string
	CreatedAt     time.Time
	ExpiresAt     time.Time
	RevokedAt     *time.Time
	RevokedReason string
	TraceID       string
	Origin        string // the grant that it came from
	ConsentID     string // of what a person said yes to, or the trusted issuer that did
	// DPoPJKT is the key that its refresh tokens are bound to, empty for none.
	DPoPJKT string `gorm:"column:dpop_jkt"`
	// NeededScope is what a call lacked at NeededAt.
	NeededScope string
	NeededAt    *time.Time
	// IdleSeconds is how long a refresh token may lie unused.
	IdleSeconds int64
}

// Origins of a family.
const (
	originCode              = "code"
	originDevice            = "device"
	originClientCredentials = "client_credentials"
	originJWTBearer         = "jwt_bearer"
)

func (familyRow) TableName() string { return "token_families" }

// newFamily starts what a person said yes to.
func newFamily(tx *tenancy.Tx, a flow.Approved, origin string) (familyRow, error) {
	set, err := settings.Load(tx)
	if err != nil {
		return familyRow{}, err
	}
	now := tx.Now()
	family := familyRow{
		TenantID: tx.Tenant(), ID: ids.New("fam"), ClientID: a.ClientID, Subject: a.Subject, UpstreamID: a.UpstreamID, Resource: a.Resource, Scope: a.Scope,
		CreatedAt: now, ExpiresAt: a.Until, Origin: origin, ConsentID: a.ConsentID, TraceID: a.TraceID, IdleSeconds: int64(set.RefreshIdle / time.Second),
	}
	if err := tx.DB().Create(&family).Error; err != nil {
		return familyRow{}, fmt.Errorf("store token family: %w", err)
	}
	return family, nil
}

func loadFamily(tx *tenancy.Tx, id string) (familyRow, error) {
	var family familyRow
	if err := tx.DB().Where("id = ?", id).First(&family).Error; err != nil {
		return familyRow{}, fmt.Errorf("read token family: %w", err)
	}
	return family, nil
}

func (s *Server) revokeFamily(tx *tenancy.Tx, family familyRow, reason string) error {
	now := tx.Now()
	res := tx.DB().Model(&familyRow{}).Where("id = ? AND revoked_at IS NULL", family.ID).Updates(map[string]any{"revoked_at": &now, "revoked_reason": reason})
	if res.Error != nil {
		return fmt.Errorf("revoke token family: %w", res.Error)
	}
	if res.RowsAffected == 0 {
		return nil
	}
	tx.Notify(tenancy.ConfigTopic(tx.Tenant()))
	return audit.Record(tx, audit.Entry{
		Action: "token.revoke", TargetKind: "token_family", TargetID: family.ID,
		After: map[string]string{"reason": reason, "client_id": family.ClientID, "subject": family.Subject},
	})
}

// RevokeUpstream ends everything that was issued for an upstream.
func (s *Server) RevokeUpstream(tx *tenancy.Tx, upstreamID, reason string) error {
	now := tx.Now()
	err := tx.DB().Model(&familyRow{}).Where("upstream_id = ? AND revoked_at IS NULL", upstreamID).
		Updates(map[string]any{"revoked_at": &now, "revoked_reason": reason}).Error
	if err != nil {
		return fmt.Errorf("revoke tokens of upstream: %w", err)
	}
	return nil
}

// Revoked lists the families that ended while their access tokens may still be
// unexpired, for the edge's snapshot.
func Revoked(tx *tenancy.Tx) ([]string, error) {
	var out []string
	err := tx.DB().Model(&familyRow{}).Where("revoked_at > ?", tx.Now().Add(-outlived)).Pluck("id", &out).Error
	if err != nil {
		return nil, fmt.Errorf("list revoked families: %w", err)
	}
	return out, nil
}

// alive tells whether who and what a family stands for are still there.
func (s *Server) alive(tx *tenancy.Tx, family familyRow) (bool, error) {
	if family.Origin != originClientCredentials {
		entitled, err := s.flow.EntitledAt(tx, family.Subject, family.UpstreamID)
		if err != nil || !entitled {
			return false, err
		}
	}
	_, err := s.resources.ByID(tx, family.UpstreamID)
	if errs.Is(err, errs.NotFound) || errors.Is(err, gorm.ErrRecordNotFound) {
		return false, nil
	}
	return err == nil, err
}

// Reuse is a code or refresh token that came a second time, for which its sign-in
// was ended: it, or the client's storage, may be in other hands.
type Reuse struct {
	FamilyID, ClientID, Subject, UpstreamID, Reason string
	SignedInAt, At                                  time.Time
}

const (
	reasonCodeReused    = "authorization code used twice"
	reasonRefreshReused = "refresh token used again"
)

// RecentReuse lists the newest first. They go with their families, after the
// families' lives.
func RecentReuse(tx *tenancy.Tx, limit int) ([]Reuse, error) {
	var rows []familyRow
	err := tx.DB().Where("revoked_at IS NOT NULL AND revoked_reason IN ?", []string{reasonCodeReused, reasonRefreshReused}).
		Order("revoked_at DESC, id").Limit(limit).Find(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("list reused tokens: %w", err)
	}
	out := make([]Reuse, len(rows))
	for i, r := range rows {
		out[i] = Reuse{FamilyID: r.ID, ClientID: r.ClientID, Subject: r.Subject, UpstreamID: r.UpstreamID, Reason: r.RevokedReason, SignedInAt: r.CreatedAt, At: *r.RevokedAt}
	}
	return out, nil
}

// endIfVoid revokes a family whose person is no member any more, or whose runtime
// is gone: a new runtime of the same name is another one.
func (s *Server) endIfVoid(tx *tenancy.Tx, family familyRow) (ended bool, err error) {
	entitled, err := s.flow.EntitledAt(tx, family.Subject, family.UpstreamID)
	if err != nil {
		return false, fmt.Errorf("check subject: %w", err)
	}
	if !entitled {
		return true, s.revokeFamily(tx, family, "the person left the workspace")
	}
	_, err = s.resources.ByID(tx, family.UpstreamID)
	if errs.Is(err, errs.NotFound) || errors.Is(err, gorm.ErrRecordNotFound) {
		return true, s.revokeFamily(tx, family, "the runtime was removed")
	}
	if err != nil {
		return false, fmt.Errorf("check resource: %w", err)
	}
	return false, nil
}

// wrongClient records that a client presented what was issued to another one.
func wrongClient(tx *tenancy.Tx, familyID, clientID string) error {
	return audit.Record(tx, audit.Entry{
		Action: "token.wrong_client", TargetKind: "token_family", TargetID: familyID,
		After: map[string]string{"client_id": clientID},
	})
}
