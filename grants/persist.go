package grants

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/fault"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/audit"
)

const (
	// writeTimeout bounds one try to write.
	writeTimeout = 2 * time.Second
	// What could not be written is tried again after minRewrite, doubled up to maxRewrite.
	minRewrite = 200 * time.Millisecond
	maxRewrite = 5 * time.Second
)

// errNotStored answers for a grant whose new tokens exist in this process only.
var errNotStored = func() error {
	e := errs.E(errs.Unavailable, "The connection was renewed, but could not be stored yet. Try again in a moment.", nil)
	e.RetryAfter = time.Second
	return e
}()

// kept names the grants whose new tokens are not written yet. Nobody may use the old
// refresh token of one: the provider would take its second use for a theft.
type kept struct {
	mu     sync.Mutex
	grants map[string]bool
}

func (k *kept) has(tenant, grant string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.grants[tenant+"/"+grant]
}

func (k *kept) set(tenant, grant string, on bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.grants == nil {
		k.grants = map[string]bool{}
	}
	if on {
		k.grants[tenant+"/"+grant] = true
	} else {
		delete(k.grants, tenant+"/"+grant)
	}
}

func (k *kept) len() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.grants)
}

// persist stores what the provider answered, before anybody uses it. Where it cannot
// be written, the caller is refused, and the writing goes on.
func (s *Service) persist(ctx context.Context, h tenancy.Handle, f *flight, tokens provider.Tokens) (Grant, error) {
	s.kept.set(h.Tenant(), f.row.ID, true)
	g, refused, err := s.write(ctx, h, f, tokens)
	if err == nil || errs.Is(err, errs.NotFound) {
		s.kept.set(h.Tenant(), f.row.ID, false)
		if err == nil {
			err = refused
		}
		return g, err
	}
	s.log.ErrorContext(ctx, "new tokens cannot be stored; they are kept until they can be", "tenant_id", h.Tenant(), "grant_id", f.row.ID, "error", err)
	s.running.Add(1)
	go s.keepWriting(context.WithoutCancel(ctx), h, f, tokens)
	return Grant{}, errNotStored
}

// write stores the tokens with a few tries.
func (s *Service) write(ctx context.Context, h tenancy.Handle, f *flight, tokens provider.Tokens) (g Grant, refused, err error) {
	err = s.tries(ctx, func(ctx context.Context) error {
		g, refused, err = s.store(ctx, h, f, tokens)
		return err
	})
	return g, refused, err
}

// keepWriting goes on until the tokens are stored, the grant is gone, or the service
// is stopped. It renews the lease where it can, so that no other node takes the old
// refresh token meanwhile.
func (s *Service) keepWriting(ctx context.Context, h tenancy.Handle, f *flight, tokens provider.Tokens) {
	defer s.running.Done()
	defer s.kept.set(h.Tenant(), f.row.ID, false)
	for pause := minRewrite; ; pause = min(2*pause, maxRewrite) {
		timer := time.NewTimer(pause)
		select {
		case <-s.ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		once, cancel := context.WithTimeout(ctx, writeTimeout)
		_, _, err := s.store(once, h, f, tokens)
		cancel()
		if err == nil || errs.Is(err, errs.NotFound) {
			s.log.WarnContext(ctx, "the kept tokens are stored", "tenant_id", h.Tenant(), "grant_id", f.row.ID)
			return
		}
		s.holdLease(ctx, h, f)
	}
}

// holdLease is best effort: where nothing can be written, no other node can take the
// lease either.
func (s *Service) holdLease(ctx context.Context, h tenancy.Handle, f *flight) {
	once, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	_ = s.db.Write(once, h, func(tx *tenancy.Tx) error {
		return tx.DB().Model(&grantRow{}).Where("id = ? AND lease_id = ?", f.row.ID, f.lease).Update("lease_until", databaseTime(tx, leaseLife)).Error
	})
}

// store is the second transaction of a refresh: the new token set in the place of the
// one that was sent, and of no other.
func (s *Service) store(ctx context.Context, h tenancy.Handle, f *flight, tokens provider.Tokens) (g Grant, refused, err error) {
	err = s.db.Write(ctx, h, func(tx *tenancy.Tx) error {
		g, refused = Grant{}, nil
		row, err := lock(tx, "id = ?", f.row.ID)
		if err != nil {
			return err
		}
		if row.Generation != f.row.Generation {
			// Somebody connected it anew, or another node got further: what is there is newer.
			if g = row.grant(); !row.usable() {
				refused = row.missing(f.profile, nil).refusal()
			}
			return nil
		}
		if row.State == string(StateRevoked) {
			// It was taken back while the provider renewed it: the new tokens go the same way.
			refused = row.missing(f.profile, nil).refusal()
			if tokens.Refresh.Empty() {
				tokens.Refresh = f.refresh
			}
			return s.queueRevocation(tx, f.row, f.profile.Kind, "", tokens.Access, tokens.Refresh)
		}
		g, err = s.renew(tx, row, f, tokens)
		return err
	})
	if err == nil {
		fault.Point("grants.stored")
	}
	return g, refused, err
}

// renew writes the new token set. A row that another node gave up meanwhile
// (needs_reconnect) lives again: these tokens are newer than what that node tried.
func (s *Service) renew(tx *tenancy.Tx, row grantRow, f *flight, tokens provider.Tokens) (Grant, error) {
	now := tx.Now()
	next := row
	next.State, next.Generation, next.RefreshedAt, next.ExpiresAt = string(StateConnected), row.Generation+1, &now, tokens.ExpiresAt
	if tokens.Scope != nil {
		next.Scopes = strings.Join(Union(tokens.Scope, Unlisted(f.profile, row.scopes())), " ")
	}
	next.RefreshExpiresAt = f.row.RefreshExpiresAt
	refresh := tokens.Refresh
	next.Rotates = "yes"
	if refresh.Empty() || refresh.Reveal() == f.refresh.Reveal() {
		refresh, next.Rotates = f.refresh, "no"
	} else {
		next.RefreshExpiresAt = nil
	}
	if tokens.RefreshExpiresAt != nil {
		next.RefreshExpiresAt = tokens.RefreshExpiresAt
	}
	var err error
	if next.AccessToken, next.RefreshToken, err = sealPair(tx, row.ID, tokens.Access, refresh); err != nil {
		return Grant{}, err
	}
	next.Reason, next.ReasonText, next.Failures, next.LeaseID, next.SuspectAt = "", "", 0, "", nil
	next.RefreshDueAt = next.due(now, f.profile.Settings.KeepAlive)
	changes := map[string]any{
		"state": next.State, "reason": "", "reason_text": "", "scopes": next.Scopes, "access_token": next.AccessToken, "refresh_token": next.RefreshToken,
		"token_type": tokenType(tokens.Type), "expires_at": next.ExpiresAt, "refresh_expires_at": next.RefreshExpiresAt, "refresh_due_at": next.RefreshDueAt,
		"retry_at": nil, "generation": next.Generation, "failures": 0, "rotates": next.Rotates, "lease_id": "", "lease_until": nil,
		"flight_started_at": nil, "suspect_at": nil, "refreshed_at": now,
	}
	if next.RefreshExpiresAt != nil && f.row.RefreshExpiresAt != nil {
		changes["refresh_extends"] = "no"
		if next.RefreshExpiresAt.Sub(*f.row.RefreshExpiresAt) > time.Second {
			changes["refresh_extends"], changes["warned_at"] = "yes", nil // another end, another warning
		}
	}
	fault.Point("grants.storing")
	if err := mustUpdate(tx, row, changes); err != nil {
		return Grant{}, fmt.Errorf("store refreshed grant: %w", err)
	}
	if err := answered(tx, providerKey(f.config), profileKey(f.profile, row.ClientGeneration)); err != nil {
		return Grant{}, err
	}
	next.Version = row.Version + 1
	// What goes on as it was leaves its time in the row; a change of state, and what a
	// person asked for, are worth an entry.
	if row.State != next.State || tx.Handle().Actor().Kind == "member" {
		err = audit.Record(tx, audit.Entry{
			Action: "grant.refresh", TargetKind: "grant", TargetID: row.ID,
			Before: map[string]any{"state": row.State}, After: map[string]any{"state": next.State},
		})
	}
	fault.Point("grants.written")
	return next.grant(), err
}
