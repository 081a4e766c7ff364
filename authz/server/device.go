package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/authz/server/oplib"
	"github.com/emcy/gateway/authz/server/scopes"
	"github.com/emcy/gateway/authz/server/trace"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/tenancy"
)

const (
	// DeviceLife is how long a device waits for its person.
	DeviceLife = 10 * time.Minute
	// DevicePath is where the person types the code.
	DevicePath = "/device"

	devicePrefix = "emc_dc"
	pollEvery    = 5 // seconds; slow_down adds as many (RFC 8628, section 3.5)

	// userCodeLetters have no vowel, so that no word comes of them (RFC 8628, section
	// 6.1). Eight of twenty are 34 bits.
	userCodeLetters = "BCDFGHJKLMNPQRSTVWXZ"
	userCodeLength  = 8
	userCodeTries   = 5
)

// States of a device code.
const (
	devicePending  = "pending"
	deviceApproved = "approved"
	deviceDenied   = "denied"
	deviceUsed     = "used"
)

type deviceRow struct {
	TenantID   string
	Hash       string
	UserCode   string
	ClientID   string
	UpstreamID string
	Resource   string
	Scope      string
	DPoPJKT    string `gorm:"column:dpop_jkt"`
	State      string
	FamilyID   string
	TraceID    string
	PolledAt   *time.Time
	Interval   int64     `gorm:"column:interval_s"`
	CreatedAt  time.Time `gorm:"autoCreateTime:false"`
	ExpiresAt  time.Time
}

func (deviceRow) TableName() string { return "device_codes" }

// DeviceAuthorization gives a device its two codes (RFC 8628, section 3.2).
func (s *Server) DeviceAuthorization(ctx context.Context, r oplib.DeviceAuthorizationRequest) (oplib.DeviceAuthorization, error) {
	req := requestFrom(ctx)
	resource, target, err := s.target(ctx, req, r.Resources)
	if err != nil {
		return oplib.DeviceAuthorization{}, s.failure(ctx, err)
	}
	proof, err := s.readProof(ctx, oplib.DeviceAuthorizationPath, r.Proofs)
	if err != nil {
		return oplib.DeviceAuthorization{}, s.failure(ctx, err)
	}
	code := ids.Secret(devicePrefix)
	row := deviceRow{
		Hash: ids.Hash(code), ClientID: r.ClientID, UpstreamID: resource.ID, Resource: target, State: devicePending, Interval: pollEvery, TraceID: trace.Begin(ctx, r.ClientID, resource.ID),
	}
	var refused error
	err = s.db.Write(ctx, req.handle, func(tx *tenancy.Tx) error {
		to, no, err := readGrantee(tx, r.ClientID, oplib.GrantDevice)
		if refused = no; err != nil || refused != nil {
			return err
		}
		if proof != nil { // a code that was asked for with a key is redeemed with it
			if row.DPoPJKT, no, err = s.bind(ctx, tx, to.set, to.client, proof, ""); err != nil || no != nil {
				refused = no
				return err
			}
		}
		catalogue, err := scopes.Load(tx)
		if err != nil {
			return err
		}
		now := tx.Now()
		row.TenantID, row.CreatedAt, row.ExpiresAt = tx.Tenant(), now, now.Add(DeviceLife)
		row.Scope = catalogue.At(resource.ID).Narrow(authz.ParseScopes(r.Scope), to.client.Scope).String()
		return row.store(tx)
	})
	if err != nil {
		return oplib.DeviceAuthorization{}, s.failure(ctx, fmt.Errorf("begin device authorization: %w", err))
	}
	if refused != nil {
		return oplib.DeviceAuthorization{}, refused
	}
	shown := showUserCode(row.UserCode)
	page := req.issuer + DevicePath
	return oplib.DeviceAuthorization{
		DeviceCode: code, UserCode: shown, VerificationURI: page, VerificationURIComplete: page + "?user_code=" + url.QueryEscape(shown),
		ExpiresIn: int64(DeviceLife / time.Second), Interval: pollEvery,
	}, nil
}

// store gives the row a user code that no other one has.
func (d *deviceRow) store(tx *tenancy.Tx) error {
	for range userCodeTries {
		d.UserCode = newUserCode()
		res := tx.DB().Clauses(clause.OnConflict{DoNothing: true}).Create(d)
		if res.Error != nil {
			return fmt.Errorf("store device code: %w", res.Error)
		}
		if res.RowsAffected == 1 {
			return nil
		}
	}
	return errors.New("no free user code was found")
}

func newUserCode() string {
	code := make([]byte, 0, userCodeLength)
	var b [1]byte
	for len(code) < userCodeLength {
		_, _ = rand.Read(b[:])                                         // crypto/rand never fails since Go 1.24
		if int(b[0]) < 256/len(userCodeLetters)*len(userCodeLetters) { // the rest would favour some letters
			code = append(code, userCodeLetters[int(b[0])%len(userCodeLetters)])
		}
	}
	return string(code)
}

// showUserCode writes a code as people read it: BCDF-GHJK.
func showUserCode(code string) string { return code[:userCodeLength/2] + "-" + code[userCodeLength/2:] }

// readUserCode takes a code as people type it: in any letters, with or without the dash
// or spaces (RFC 8628, section 6.1). "" is what can be no code.
func readUserCode(typed string) string {
	if len(typed) > 64 {
		return ""
	}
	code := make([]byte, 0, userCodeLength)
	for i := range len(typed) {
		c := typed[i]
		if c >= 'a' && c <= 'z' {
			c -= 'a' - 'A'
		}
		switch {
		case c >= 'A' && c <= 'Z':
			code = append(code, c)
		case c != '-' && c != ' ':
			return ""
		}
	}
	if len(code) != userCodeLength {
		return ""
	}
	return string(code)
}

// pendingDevice finds what waits under a user code; ok is false where nothing does.
func pendingDevice(tx *tenancy.Tx, userCode string) (row deviceRow, ok bool, err error) {
	if userCode == "" {
		return deviceRow{}, false, nil
	}
	err = tx.DB().Where("user_code = ? AND state = ? AND expires_at > ?", userCode, devicePending, tx.Now()).First(&row).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return deviceRow{}, false, nil
	}
	if err != nil {
		return deviceRow{}, false, fmt.Errorf("find device code: %w", err)
	}
	return row, true, nil
}
