package server

import (
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"

	"github.com/emcy/gateway/internal/errs"
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
}

func (familyRow) TableName() string { return "token_families" }

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

// endIfVoid revokes a family whose person is no member any more, or whose runtime
// is gone: a new runtime of the same name is another one.
func (s *Server) endIfVoid(tx *tenancy.Tx, family familyRow) (ended bool, err error) {
	member, err := tx.IsMember(family.Subject)
	if err != nil {
		return false, fmt.Errorf("check membership: %w", err)
	}
	if !member {
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
