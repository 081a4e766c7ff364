package grants

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/internal/secret"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/audit"
)

// Disconnect takes back a grant for its subject: at once here, and at the provider by
// a job with retries. A grant of somebody else is errs.NotFound; one that is taken back
// already is no error.
func (s *Service) Disconnect(ctx context.Context, h tenancy.Handle, subject, grantID string) error {
	err := s.db.Write(ctx, h, func(tx *tenancy.Tx) error {
		row, err := lock(tx, "id = ? AND subject = ?", grantID, subject)
		if err != nil {
			return err
		}
		p, err := profiles.Get(tx, row.ProfileID)
		if err != nil {
			return err
		}
		return s.takeBack(tx, row, p.Kind, "", reasonDisconnected, "The person disconnected it.")
	})
	if err != nil {
		return fmt.Errorf("disconnect grant: %w", err)
	}
	return nil
}

// takeBack revokes a locked grant here, and queues what the provider has to be told.
func (s *Service) takeBack(tx *tenancy.Tx, row grantRow, kind profiles.Kind, batch, reason, words string) error {
	if row.State == string(StateRevoked) {
		return nil
	}
	access, err := row.access(tx)
	if err != nil {
		return err
	}
	refresh, err := row.refresh(tx)
	if err != nil {
		return err
	}
	if err := s.queueRevocation(tx, row, kind, batch, access, refresh); err != nil {
		return err
	}
	// A refresh that is in flight finds the state, and has its new tokens revoked too.
	if err := mustUpdate(tx, row, wiped(StateRevoked, reason, words)); err != nil {
		return fmt.Errorf("revoke grant: %w", err)
	}
	if batch != "" {
		return nil // the batch has its own entry
	}
	return audit.Record(tx, audit.Entry{
		Action: "grant.revoke", TargetKind: "grant", TargetID: row.ID,
		Before: map[string]any{"state": row.State, "profile": row.ProfileID, "subject": row.Subject}, After: map[string]any{"reason": reason},
	})
}

// queueRevocation stores the tokens until the provider has taken them back. Keys that
// were typed in are nobody's to revoke but their owner's.
func (s *Service) queueRevocation(tx *tenancy.Tx, row grantRow, kind profiles.Kind, batch string, access, refresh secret.Text) error {
	if kind != profiles.KindOAuth || access.Empty() && refresh.Empty() {
		return nil
	}
	r, err := newRevocation(tx, row, batch, access, refresh)
	if err != nil {
		return err
	}
	if err := tx.DB().Create(&r).Error; err != nil {
		return fmt.Errorf("queue revocation: %w", err)
	}
	if batch != "" {
		return nil // RevokeDue goes through them
	}
	return s.queue.EnqueueRevoke(tx, RevokeArgs{TenantID: tx.Tenant(), RevocationID: r.ID})
}

// pair is what is sealed of a grant that waits for its revocation.
type pair struct {
	Access  string `json:"a,omitempty"`
	Refresh string `json:"r,omitempty"`
	// Account is whose they are at the provider.
	Account string `json:"u,omitempty"`
}

func newRevocation(tx *tenancy.Tx, row grantRow, batch string, access, refresh secret.Text) (revocationRow, error) {
	now := tx.Now()
	r := revocationRow{
		TenantID: tx.Tenant(), ID: ids.New("rvk"), BatchID: batch, GrantID: row.ID, ProfileID: row.ProfileID, Subject: row.Subject,
		ClientGeneration: row.ClientGeneration, State: revocationPending, NextAt: now, CreatedAt: now,
	}
	plain, err := json.Marshal(pair{access.Reveal(), refresh.Reveal(), row.AccountID})
	if err != nil {
		return revocationRow{}, fmt.Errorf("encode tokens: %w", err)
	}
	if r.Tokens, err = tx.Seal(revocationTable, "tokens", r.ID, plain); err != nil {
		return revocationRow{}, fmt.Errorf("seal tokens: %w", err)
	}
	return r, nil
}

func (r revocationRow) open(tx *tenancy.Tx) (access, refresh secret.Text, account string, err error) {
	plain, err := tx.Open(revocationTable, "tokens", r.ID, r.Tokens)
	if err != nil {
		return secret.Text{}, secret.Text{}, "", fmt.Errorf("open tokens of %s: %w", r.ID, err)
	}
	var p pair
	if err := json.Unmarshal(plain, &p); err != nil {
		return secret.Text{}, secret.Text{}, "", errs.E(errs.Internal, "", fmt.Errorf("read tokens of %s", r.ID)) // the cause would quote them
	}
	return secret.New(p.Access), secret.New(p.Refresh), p.Account, nil
}

// endsAnother reports whether to take the tokens back would end a connection that lives:
// some providers end all that an account gave to a client at once, and the account was
// connected again meanwhile, or by somebody else. A mass revoke is told all the same:
// there, what may be in wrong hands matters more.
func (r revocationRow) endsAnother(tx *tenancy.Tx, account string) (bool, error) {
	if r.BatchID != "" || account == "" {
		return false, nil
	}
	var n int64
	err := tx.DB().Model(&grantRow{}).Where("profile_id = ? AND account_id = ? AND state IN ?", r.ProfileID, account, living).Count(&n).Error
	if err != nil {
		return false, fmt.Errorf("look for the account's other grants: %w", err)
	}
	return n > 0, nil
}
