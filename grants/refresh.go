package grants

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/fault"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/internal/secret"
	"github.com/emcy/gateway/tenancy"
)

// Why a refresh is asked for.
const (
	// ForCall: a call waits for it.
	ForCall = "call"
	// ForSchedule: the queue renews it early.
	ForSchedule = "schedule"
	// ForPerson: somebody pressed the button; it does not wait out a backoff.
	ForPerson = "person"
)

// poll is how often a refresh of another node is looked at where no notice came.
const poll = 300 * time.Millisecond

// errWait says that another node refreshes the grant now.
var errWait = errors.New("another refresh is running")

// flight is one refresh of one grant.
type flight struct {
	row     grantRow
	profile profiles.Profile
	config  provider.Config
	refresh secret.Text
	lease   string
	// leased is a moment before the lease began, by this process's clock that never steps.
	leased time.Time
	// lost says that an earlier refresh sent this token and nobody knows what became of it.
	lost bool
}

// Refresh renews a grant whose token set is still that of the generation that the
// caller saw; where it is newer, the caller gets the newer one and nothing is called.
// At most one refresh of a grant runs over all nodes; the others wait for it, 18 s at
// most. Errors: errs.NeedsConsent or errs.DownstreamRejected with a *Missing where the
// person has to act, errs.Unavailable with RetryAfter where the provider has to be
// waited for; the grant is kept then.
func (s *Service) Refresh(ctx context.Context, h tenancy.Handle, grantID string, seen int64, why string) (Grant, error) {
	for range 2 { // the flight that is joined may have begun before what the caller saw
		done := s.flights.DoChan(h.Tenant()+"/"+grantID, func() (any, error) {
			return s.fly(context.WithoutCancel(ctx), h, grantID, seen, why)
		})
		select {
		case <-ctx.Done():
			return Grant{}, fmt.Errorf("refresh grant %s: %w", grantID, ctx.Err())
		case result := <-done:
			if result.Err != nil {
				return Grant{}, fmt.Errorf("refresh grant %s: %w", grantID, result.Err)
			}
			if g, ok := result.Val.(Grant); ok && (g.Generation > seen || !result.Shared) {
				return g, nil
			}
		}
	}
	return Grant{}, errs.E(errs.Unavailable, "The connection is being renewed. Try again in a moment.", nil)
}

// fly is Refresh in its one flight of this process.
func (s *Service) fly(ctx context.Context, h tenancy.Handle, grantID string, seen int64, why string) (Grant, error) {
	s.running.Add(1)
	defer s.running.Done()
	if s.kept.has(h.Tenant(), grantID) {
		return Grant{}, errNotStored
	}
	waiting, cancel := context.WithTimeout(ctx, waitLimit)
	defer cancel()
	profileID, err := s.profileOf(waiting, h, grantID)
	if err != nil {
		return Grant{}, err
	}
	release, err := s.slots.take(waiting, h.Tenant()+"/"+profileID)
	if err != nil {
		return Grant{}, err
	}
	defer release()
	f, adopted, err := s.lease(waiting, h, grantID, seen, why)
	if err != nil || f == nil {
		return adopted, err
	}
	fault.Point("grants.leased")
	tokens, err := s.call(ctx, f)
	fault.Point("grants.answered")
	if err != nil {
		return s.failed(ctx, h, f, err)
	}
	return s.persist(ctx, h, f, tokens)
}

// call asks the provider while the lease lives. Its time began with the lease: a process
// that stood still in between, or whose commit took long, must not send a token that
// another node may have sent meanwhile.
func (s *Service) call(ctx context.Context, f *flight) (provider.Tokens, error) {
	calling, end := context.WithDeadline(ctx, f.leased.Add(callTimeout))
	defer end()
	return s.provider.Refresh(calling, f.config, f.refresh, f.row.scopes())
}

func (s *Service) profileOf(ctx context.Context, h tenancy.Handle, grantID string) (id string, err error) {
	err = s.db.Read(ctx, h, func(tx *tenancy.Tx) error {
		row, err := read(tx, "id = ?", grantID)
		id = row.ProfileID
		return err
	})
	return id, err
}

// lease takes the lease, or waits for the one who has it. Without a flight, the grant
// is one that needs no refresh any more.
func (s *Service) lease(ctx context.Context, h tenancy.Handle, grantID string, seen int64, why string) (*flight, Grant, error) {
	var changed *tenancy.Subscription
	for {
		f, g, err := s.take(ctx, h, grantID, seen, why)
		if !errors.Is(err, errWait) {
			return f, g, err
		}
		if changed == nil {
			topic := tenancy.GrantsTopic(h.Tenant())
			changed = s.db.Notices().Subscribe(func(t tenancy.Topic) bool { return t == topic })
			defer changed.Close()
			continue // it may have ended before anybody listened
		}
		timer := time.NewTimer(poll)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, Grant{}, waitFor(time.Second, "Another refresh of this connection is running.")
		case <-changed.Wake():
			changed.Take()
		case <-timer.C:
		}
		timer.Stop()
	}
}

// take is one try to take the lease: the first transaction of a refresh.
func (s *Service) take(ctx context.Context, h tenancy.Handle, grantID string, seen int64, why string) (f *flight, g Grant, err error) {
	var refused error
	err = s.db.Write(ctx, h, func(tx *tenancy.Tx) error {
		f, refused = nil, nil
		row, err := lock(tx, "id = ?", grantID)
		if err != nil {
			return err
		}
		p, err := profiles.Get(tx, row.ProfileID)
		if err != nil {
			return err
		}
		switch {
		case !row.usable():
			return row.missing(p, nil).refusal()
		case row.Generation != seen:
			g = row.grant()
			return nil
		case row.leased():
			return errWait
		case len(row.RefreshToken) == 0:
			refused, err = s.cannotRefresh(tx, row, p)
			return err
		case why != ForPerson && row.mayRetry() != nil:
			return row.mayRetry()
		}
		f, refused, err = s.prepare(tx, row, p, why)
		return err
	})
	if err == nil {
		err = refused
	}
	if err != nil {
		return nil, Grant{}, err
	}
	return f, g, nil
}

// prepare writes the lease, and opens what the call needs.
func (s *Service) prepare(tx *tenancy.Tx, row grantRow, p profiles.Profile, why string) (_ *flight, refused, err error) {
	f := &flight{row: row, profile: p, lease: ids.New("lse"), lost: row.FlightStartedAt != nil}
	f.config, err = profiles.Config(tx, p.ID, row.ClientGeneration, "")
	if errs.Is(err, errs.NotFound) {
		return nil, row.missing(p, nil).died(reasonRejected, wordsClientGone).refusal(), s.die(tx, row, p, reasonRejected, wordsClientGone)
	}
	if err != nil {
		return nil, nil, err
	}
	keys := []string{providerKey(f.config)}
	if why != ForPerson {
		keys = append(keys, profileKey(p, row.ClientGeneration))
	}
	if err := mayCall(tx, keys...); err != nil {
		return nil, nil, err
	}
	if f.refresh, err = row.refresh(tx); err != nil {
		return nil, nil, err
	}
	f.leased = time.Now() // contexts end by the process's own time
	res := tx.DB().Model(&grantRow{}).Where("id = ? AND version = ?", row.ID, row.Version).Updates(map[string]any{
		"lease_id": f.lease, "lease_until": databaseTime(tx, leaseLife), "flight_started_at": databaseTime(tx, 0), "version": row.Version + 1,
	})
	if res.Error != nil {
		return nil, nil, fmt.Errorf("lease grant: %w", res.Error)
	}
	if res.RowsAffected != 1 {
		return nil, nil, errWait
	}
	return f, nil, nil
}

// cannotRefresh judges a grant without a refresh token: it lives as long as its access
// token does.
func (s *Service) cannotRefresh(tx *tenancy.Tx, row grantRow, p profiles.Profile) (refused, err error) {
	if row.inTime(tx.Now(), 0) {
		return nil, errs.E(errs.Invalid, "This connection cannot be renewed: there is no refresh token.", nil)
	}
	return row.missing(p, nil).died(reasonNoRefresh, wordsNoRefresh).refusal(), s.die(tx, row, p, reasonNoRefresh, wordsNoRefresh)
}
