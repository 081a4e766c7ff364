package grants

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/fault"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/audit"
)

// tellAfter is how many refreshes in a row fail before anybody is told.
const tellAfter = 3

// failed writes down why a refresh failed, and gives the error that its callers get.
func (s *Service) failed(ctx context.Context, h tenancy.Handle, f *flight, cause error) (Grant, error) {
	answer, ok := errors.AsType[*provider.Error](cause)
	if !ok {
		return Grant{}, cause // a fault of ours: the lease ends by itself
	}
	s.log.WarnContext(ctx, "refresh of a grant failed", "tenant_id", h.Tenant(), "grant_id", f.row.ID, "profile_id", f.row.ProfileID, "kind", string(answer.Kind), "code", answer.Code, "status", answer.Status)
	fault.Point("grants.refused")
	var adopted Grant
	var refused error
	err := s.tries(ctx, func(ctx context.Context) error {
		return s.db.Write(ctx, h, func(tx *tenancy.Tx) error {
			adopted, refused = Grant{}, nil
			row, err := lock(tx, "id = ?", f.row.ID)
			if err != nil {
				return err
			}
			if row.Generation != f.row.Generation && row.usable() {
				adopted = row.grant() // somebody connected it anew meanwhile
				return nil
			}
			if row.LeaseID != f.lease {
				refused = row.missing(f.profile, nil).refusal()
				if row.usable() {
					refused = waitFor(time.Second, "Another refresh of this connection is running.")
				}
				return nil
			}
			refused, err = s.settle(tx, row, f, answer)
			return err
		})
	})
	fault.Point("grants.noted")
	if err == nil {
		err = refused
	}
	return adopted, err
}

// settle moves the grant to where the provider's error puts it.
func (s *Service) settle(tx *tenancy.Tx, row grantRow, f *flight, answer *provider.Error) (refused, err error) {
	fails := row.Failures + 1
	changes := map[string]any{
		"state": string(StateRefreshFailing), "failures": fails, "lease_id": "", "lease_until": nil, "flight_started_at": nil, "retry_at": nil,
	}
	var wait time.Duration
	reason, words := reasonTemporary, "The provider does not answer."
	switch answer.Kind {
	case provider.Rejected, provider.Denied:
		reason, words = reasonRejected, wordsRejected
		if f.lost {
			reason, words = reasonLostAnswer, wordsLostAnswer
		}
		if err := answered(tx, providerKey(f.config)); err != nil { // it works, whatever it says of this one
			return nil, err
		}
		return row.missing(f.profile, nil).died(reason, words).refusal(), s.die(tx, row, f.profile, reason, words)
	case provider.Limited:
		wait = limitedPause
		if answer.RetryAfter > 0 {
			wait = min(answer.RetryAfter, maxLimited)
		}
		reason, words = reasonLimited, "The provider asks to be left alone for a while."
		if err := pause(tx, providerKey(f.config), reason, wait); err != nil {
			return nil, err
		}
		if f.lost {
			changes["flight_started_at"] = row.FlightStartedAt // still nobody knows what became of the earlier one
		}
	case provider.Misconfigured, provider.Unsupported:
		if !answer.OfClient() {
			wait = row.backoff(fails)
			changes["retry_at"] = databaseTime(tx, wait)
			reason, words = reasonUnusable, "The provider does not renew this connection: "+answer.Public()
			break
		}
		wait = misconfiguredPause
		reason, words = reasonMisconfigured, "The provider does not accept this gateway's client: "+answer.Public()
		if err := s.misconfigured(tx, row, f, answer); err != nil {
			return nil, err
		}
	case provider.Temporary, provider.Invalid:
		if answer.Kind == provider.Invalid {
			reason, words = reasonUnusable, "The provider's answer cannot be used."
		}
		wait = row.backoff(fails)
		changes["retry_at"] = databaseTime(tx, wait)
		if answer.Sent && answer.Status < http.StatusMultipleChoices || f.lost {
			changes["flight_started_at"] = row.FlightStartedAt // it may have given a new token that is lost
		}
		// A refusal that cannot be read is about this one: the provider does answer.
		if answer.Kind == provider.Temporary || answer.Status < http.StatusBadRequest {
			if err := countFailure(tx, providerKey(f.config)); err != nil {
				return nil, err
			}
		}
	}
	changes["reason"], changes["reason_text"] = reason, words
	changes["refresh_due_at"] = tx.Now().Add(wait + row.jitter(wait/4))
	if err := mustUpdate(tx, row, changes); err != nil {
		return nil, fmt.Errorf("note failed refresh: %w", err)
	}
	if fails == tellAfter {
		data := row.facts(f.profile, reason, words)
		data["failures"] = strconv.Itoa(fails)
		if err := s.notify.Record(tx, Notice{Event: EventRefreshFailing, Subject: row.Subject, GroupKey: row.ProfileID, Data: data}); err != nil {
			return nil, fmt.Errorf("tell of a failing grant: %w", err)
		}
	}
	return waitFor(wait, words), nil
}

// misconfigured leaves a profile alone whose client the provider refuses, and tells of
// it once: its grants are not at fault.
func (s *Service) misconfigured(tx *tenancy.Tx, row grantRow, f *flight, answer *provider.Error) error {
	key := profileKey(f.profile, row.ClientGeneration)
	known, err := pauseRows(tx, "provider = ?", key)
	if err != nil {
		return err
	}
	if err := pause(tx, key, reasonMisconfigured, misconfiguredPause); err != nil {
		return err
	}
	if len(known) > 0 {
		return nil
	}
	data := map[string]string{"profile": f.profile.ID, "profile_name": f.profile.Name, "reason": answer.Code, "reason_text": strings.TrimSpace(answer.Public() + " " + answer.Cure)}
	if err := s.notify.Record(tx, Notice{Event: EventMisconfigured, GroupKey: f.profile.ID, Data: data}); err != nil {
		return fmt.Errorf("tell of a misconfigured profile: %w", err)
	}
	return nil
}

// die marks a grant that only its person can renew, and tells of it.
func (s *Service) die(tx *tenancy.Tx, row grantRow, p profiles.Profile, reason, words string) error {
	if err := mustUpdate(tx, row, wiped(StateNeedsReconnect, reason, words)); err != nil {
		return fmt.Errorf("mark dead grant: %w", err)
	}
	err := s.notify.Record(tx, Notice{
		Event: EventNeedsReconnect, Subject: row.Subject, GroupKey: row.ProfileID, Users: []string{row.Subject}, Data: row.facts(p, reason, words),
	})
	if err != nil {
		return fmt.Errorf("tell of a dead grant: %w", err)
	}
	return audit.Record(tx, audit.Entry{
		Action: "grant.needs_reconnect", TargetKind: "grant", TargetID: row.ID,
		Before: map[string]any{"state": row.State}, After: map[string]any{"state": string(StateNeedsReconnect), "reason": reason},
	})
}

func (r grantRow) facts(p profiles.Profile, reason, words string) map[string]string {
	return map[string]string{
		"profile": p.ID, "profile_name": p.Name, "grant": r.ID, "subject": r.Subject, "account": r.AccountName, "reason": reason, "reason_text": words,
	}
}

func (r grantRow) missing(p profiles.Profile, need []string) *Missing {
	return &Missing{
		ProfileID: r.ProfileID, Profile: p.Name, Kind: string(p.Kind), Have: r.scopes(), Need: need, State: State(r.State), Reason: r.Reason, ReasonText: r.ReasonText,
	}
}

// died is m of a grant that dies in this transaction.
func (m *Missing) died(reason, words string) *Missing {
	m.State, m.Reason, m.ReasonText = StateNeedsReconnect, reason, words
	return m
}

// pauses are those between the first tries to write; after the last one there is none.
var pauses = []time.Duration{50 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond, 0}

// tries does a write again that failed, a few times, whoever has gone meanwhile.
func (s *Service) tries(ctx context.Context, write func(context.Context) error) error {
	var err error
	for _, pause := range pauses {
		once, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
		err = write(once)
		cancel()
		if err == nil || errs.Is(err, errs.NotFound) || pause == 0 {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-s.ctx.Done():
			timer.Stop()
			return err
		}
	}
	return err
}
