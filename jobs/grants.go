package jobs

import (
	"context"
	"time"

	"github.com/riverqueue/river"

	"github.com/emcy/gateway/grants"
	"github.com/emcy/gateway/tenancy"
)

// GrantsWork is what the jobs of downstream grants call. Every field is required.
type GrantsWork struct {
	// ClaimDue asks for the refreshes that are due.
	ClaimDue func(ctx context.Context) error
	// Refresh renews one grant early; RefreshNow because a person asked for it.
	Refresh    func(ctx context.Context, h tenancy.Handle, grantID string) error
	RefreshNow func(ctx context.Context, h tenancy.Handle, grantID string) error
	// RevokeDue goes through the revocations that are due; Revoke does one of them.
	RevokeDue func(ctx context.Context) error
	Revoke    func(ctx context.Context, h tenancy.Handle, revocationID string) error
}

func (w GrantsWork) complete() bool {
	return w.ClaimDue != nil && w.Refresh != nil && w.RefreshNow != nil && w.RevokeDue != nil && w.Revoke != nil
}

const (
	claimGrantsEvery  = 15 * time.Second
	revokeGrantsEvery = 30 * time.Second
	// early is the priority of what nobody waits for; River's own is 1.
	early = 2
	// grantsQueue has workers of its own: a provider that is slow must not hold up the
	// other jobs.
	grantsQueue      = "grants"
	maxGrantsWorkers = 10
)

// WorkOn is all there is to do for a grants service.
func WorkOn(s *grants.Service) GrantsWork {
	return GrantsWork{ClaimDue: s.ClaimDue, Refresh: s.RefreshDue, RefreshNow: s.RefreshNow, RevokeDue: s.RevokeDue, Revoke: s.RevokeOne}
}

// EnqueueRefresh asks for an early refresh of a grant. What fails has its next time in
// the grant itself, so the queue tries again only what did not get that far.
func (q *Queue) EnqueueRefresh(tx *tenancy.Tx, args grants.RefreshArgs) error {
	return q.insert(tx, args, &river.InsertOpts{Queue: grantsQueue, MaxAttempts: 3, Priority: early, UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: waiting}})
}

// EnqueueRefreshNow asks for the refresh that a person wants.
func (q *Queue) EnqueueRefreshNow(tx *tenancy.Tx, args grants.RefreshNowArgs) error {
	return q.insert(tx, args, &river.InsertOpts{Queue: grantsQueue, MaxAttempts: 3, UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: waiting}})
}

// EnqueueRevoke asks for tokens to be taken back at their provider.
func (q *Queue) EnqueueRevoke(tx *tenancy.Tx, args grants.RevokeArgs) error {
	return q.insert(tx, args, &river.InsertOpts{Queue: grantsQueue, MaxAttempts: 3, UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: waiting}})
}
