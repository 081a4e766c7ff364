package server

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"

	"github.com/emcy/gateway/authz/server/clients"
	"github.com/emcy/gateway/authz/server/flow"
	"github.com/emcy/gateway/authz/server/oplib"
	"github.com/emcy/gateway/internal/dpop"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/audit"
)

// The answers to a device that asks (RFC 8628, section 3.5).
var (
	errDevice        = invalidGrant("The device code is not valid, or was used already.")
	errDevicePending = &oplib.Error{Code: "authorization_pending", Description: "The person has not decided yet. Ask again after the interval."}
	errDeviceSlow    = &oplib.Error{Code: "slow_down", Description: "Ask five seconds less often from now on."}
	errDeviceDenied  = &oplib.Error{Code: "access_denied", Description: "The person declined."}
	errDeviceExpired = &oplib.Error{Code: "expired_token", Description: "Nobody decided in time. Start again."}
)

// DeviceToken tells a device what its person decided, and gives it the tokens once. Who
// is not the code's client learns nothing and uses nothing up.
func (s *Server) DeviceToken(ctx context.Context, r oplib.DeviceTokenRequest) (tokens oplib.Tokens, err error) {
	req := requestFrom(ctx)
	if !ids.ValidSecret(devicePrefix, r.DeviceCode) {
		return oplib.Tokens{}, s.refuse(ctx, r.ClientID, errDevice)
	}
	proof, err := s.readProof(ctx, oplib.TokenPath, r.Proofs)
	if err != nil {
		return oplib.Tokens{}, s.failure(ctx, err)
	}
	var granted grant
	var refused error
	err = s.db.Write(ctx, req.handle, func(tx *tenancy.Tx) error {
		granted, refused, err = s.poll(ctx, tx, r, proof)
		return err
	})
	if err == nil && refused == nil {
		tokens, err = granted.tokens(req.issuer)
	}
	if err != nil {
		return oplib.Tokens{}, s.failure(ctx, fmt.Errorf("poll device code: %w", err))
	}
	return tokens, refused
}

// poll keeps refusals apart from failures: a refusal commits.
func (s *Server) poll(ctx context.Context, tx *tenancy.Tx, r oplib.DeviceTokenRequest, proof *dpop.Proof) (_ grant, refused, err error) {
	var none grant
	to, refused, err := readGrantee(tx, r.ClientID, oplib.GrantDevice)
	if err != nil || refused != nil {
		return none, refused, err
	}
	var row deviceRow
	err = tx.DB().Where("hash = ?", ids.Hash(r.DeviceCode)).First(&row).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return none, errDevice, nil
	}
	if err != nil {
		return none, nil, fmt.Errorf("read device code: %w", err)
	}
	if row.ClientID != r.ClientID {
		return none, errDevice, audit.Record(tx, audit.Entry{
			Action: "token.wrong_client", TargetKind: "client", TargetID: row.ClientID, After: map[string]string{"client_id": r.ClientID},
		})
	}
	if refused := checkResources(r.Resources, row.Resource); refused != nil {
		return none, refused, nil
	}
	switch {
	case row.State == deviceUsed:
		return none, errDevice, s.revokeUsed(tx, row)
	case row.State == deviceDenied:
		return none, errDeviceDenied, nil
	case tx.Now().After(row.ExpiresAt):
		return none, errDeviceExpired, nil
	case row.State == devicePending:
		refused, err = row.wait(tx)
		return none, refused, err
	}
	// Before the code is used: a client that is asked for a nonce comes again with it.
	jkt, refused, err := s.bind(ctx, tx, to.set, to.client, proof, row.DPoPJKT)
	if err != nil || refused != nil {
		return none, refused, err
	}
	return s.useDevice(tx, to, row, jkt)
}

// wait answers a device whose person has not decided, and slows down one that asks too
// often.
func (d deviceRow) wait(tx *tenancy.Tx) (refused, err error) {
	now := tx.Now()
	refused = errDevicePending
	changes := map[string]any{"polled_at": &now}
	if d.PolledAt != nil && now.Sub(*d.PolledAt) < time.Duration(d.Interval)*time.Second {
		refused = errDeviceSlow
		changes["interval_s"] = d.Interval + pollEvery
	}
	if err := tx.DB().Model(&deviceRow{}).Where("hash = ?", d.Hash).Updates(changes).Error; err != nil {
		return nil, fmt.Errorf("note poll: %w", err)
	}
	return refused, nil
}

// useDevice gives the tokens of an approved code to the first who asks.
func (s *Server) useDevice(tx *tenancy.Tx, to grantee, row deviceRow, jkt string) (_ grant, refused, err error) {
	var none grant
	res := tx.DB().Model(&deviceRow{}).Where("hash = ? AND state = ?", row.Hash, deviceApproved).Update("state", deviceUsed)
	if res.Error != nil {
		return none, nil, fmt.Errorf("use device code: %w", res.Error)
	}
	if res.RowsAffected == 0 {
		return none, errDevice, s.revokeUsed(tx, row)
	}
	family, err := loadFamily(tx, row.FamilyID)
	if err != nil {
		return none, nil, err
	}
	if family.RevokedAt != nil {
		return none, errDevice, nil
	}
	if ended, err := s.endIfVoid(tx, family); err != nil || ended {
		return none, errDevice, err
	}
	if err := clients.MarkUsed(tx, row.ClientID); err != nil {
		return none, nil, err
	}
	if err := boundFamily(tx, &family, to.client, jkt); err != nil {
		return none, nil, fmt.Errorf("bind token family: %w", err)
	}
	granted, err := begin(tx, family)
	granted.jkt = jkt
	return granted, nil, err
}

// revokeUsed ends what a code gave that is presented again: like an authorization code's
// (RFC 6749, section 4.1.2), its holder is not the only one who has it.
func (s *Server) revokeUsed(tx *tenancy.Tx, row deviceRow) error {
	family, err := loadFamily(tx, row.FamilyID)
	if err != nil {
		return err
	}
	return s.revokeFamily(tx, family, "device code used twice")
}

var errDeviceOver = errs.E(errs.NotFound, "The code on your device has expired, or was decided on already.", nil)

// ApproveDevice starts the token family that the device will get.
func (s *Server) ApproveDevice(tx *tenancy.Tx, a flow.Approved) error {
	family, err := newFamily(tx, a, originDevice)
	if err != nil {
		return err
	}
	return decideDevice(tx, a.DeviceHash, map[string]any{"state": deviceApproved, "family_id": family.ID})
}

// DenyDevice tells the device that its person said no.
func (s *Server) DenyDevice(tx *tenancy.Tx, hash string) error {
	return decideDevice(tx, hash, map[string]any{"state": deviceDenied})
}

// decideDevice takes the first decision; a later one finds the code gone.
func decideDevice(tx *tenancy.Tx, hash string, changes map[string]any) error {
	res := tx.DB().Model(&deviceRow{}).Where("hash = ? AND state = ? AND expires_at > ?", hash, devicePending, tx.Now()).Updates(changes)
	if res.Error != nil {
		return fmt.Errorf("decide device code: %w", res.Error)
	}
	if res.RowsAffected == 0 {
		return errDeviceOver
	}
	return nil
}
