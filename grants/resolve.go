package grants

import (
	"context"
	"fmt"
	"time"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
)

// gate lets a reading of the database through; the Source bounds how many there are.
type gate func(ctx context.Context, read func(ctx context.Context) error) error

func ungated(ctx context.Context, read func(context.Context) error) error { return read(ctx) }

// Resolve gives the credential that a call needs, from the database; a token that ends
// now is refreshed first. Errors: errs.NeedsConsent and errs.DownstreamRejected with a
// *Missing where the person has to connect, errs.Unavailable where the provider does
// not answer and the last token is over, errs.UpstreamFailed where it refuses an
// exchange.
func (s *Service) Resolve(ctx context.Context, h tenancy.Handle, q Query) (Credential, error) {
	return s.resolve(ctx, h, q, ungated)
}

func (s *Service) resolve(ctx context.Context, h tenancy.Handle, q Query, through gate) (Credential, error) {
	found, err := s.look(ctx, h, q, through)
	if err != nil {
		return Credential{}, err
	}
	if found.profile.Kind == profiles.KindExchange {
		return s.exchangeAssertion(ctx, h, q, found)
	}
	if now := s.now(); !found.row.inTime(now, found.row.skew()) {
		err := found.row.mayRetry()
		if err == nil {
			_, err = s.Refresh(ctx, h, found.row.ID, found.row.Generation, ForCall)
		}
		switch {
		case err == nil:
			if found, err = s.look(ctx, h, q, through); err != nil {
				return Credential{}, err
			}
		case !found.row.inTime(s.now(), 0) || died(err):
			return Credential{}, err
		}
	}
	s.touch(ctx, h, found)
	if q.Audience != "" && found.profile.Kind == profiles.KindOAuth {
		return s.exchangeToken(ctx, h, q, found)
	}
	return found.credential, nil
}

// mayRetry refuses a refresh whose pause after a failure is not over: it spares calls
// the way to the lease.
func (r grantRow) mayRetry() error {
	if r.RetryAt == nil || !r.DatabaseNow.Before(*r.RetryAt) {
		return nil
	}
	return waitFor(r.RetryAt.Sub(r.DatabaseNow), "The provider did not renew the connection.")
}

// found is what the database has for a query.
type found struct {
	profile    profiles.Profile
	row        grantRow
	credential Credential
}

func died(err error) bool {
	return errs.Is(err, errs.DownstreamRejected) || errs.Is(err, errs.NeedsConsent)
}

// look reads the grant and opens its token.
func (s *Service) look(ctx context.Context, h tenancy.Handle, q Query, through gate) (out found, err error) {
	err = through(ctx, func(ctx context.Context) error {
		return s.db.Read(ctx, h, func(tx *tenancy.Tx) error {
			out, err = look(tx, q)
			return err
		})
	})
	if err != nil {
		return found{}, fmt.Errorf("resolve grant: %w", err)
	}
	return out, nil
}

func look(tx *tenancy.Tx, q Query) (found, error) {
	p, err := profiles.Get(tx, q.ProfileID)
	if err != nil || p.Kind == profiles.KindExchange {
		return found{profile: p}, err
	}
	row, err := read(tx, "profile_id = ? AND subject = ?", q.ProfileID, q.Subject)
	if errs.Is(err, errs.NotFound) {
		return found{}, (&Missing{ProfileID: p.ID, Profile: p.Name, Kind: string(p.Kind), Need: q.Scopes}).refusal()
	}
	if err != nil {
		return found{}, err
	}
	if !row.usable() {
		return found{}, row.missing(p, q.Scopes).refusal()
	}
	out := found{profile: p, row: row, credential: Credential{GrantID: row.ID, Generation: row.Generation, ExpiresAt: row.ExpiresAt, Scopes: row.scopes()}}
	if out.credential.Token, err = row.access(tx); err != nil {
		return found{}, err
	}
	if p.Kind == profiles.KindAPIKey {
		out.credential.Header, out.credential.Format = p.Settings.APIKey.Header, p.Settings.APIKey.Format
		return out, nil
	}
	if !covers(row.scopes(), q.Scopes) {
		return found{}, row.missing(p, q.Scopes).refusal()
	}
	return out, nil
}

func covers(have, need []string) bool { return authz.Scopes(have).Covers(need) }

// touch writes the last use, to the hour, and wakes the schedule of a grant that was
// idle. The call goes on without it.
func (s *Service) touch(ctx context.Context, h tenancy.Handle, f found) {
	now := s.now()
	if f.row.UsedAt != nil && now.Sub(*f.row.UsedAt) < usedEvery {
		return
	}
	err := s.db.Write(ctx, h, func(tx *tenancy.Tx) error {
		row, err := lock(tx, "id = ?", f.row.ID)
		if err != nil || !row.usable() {
			return err
		}
		changes := map[string]any{"used_at": now}
		if row.UsedAt = &now; row.State == string(StateConnected) && !row.leased() {
			changes["refresh_due_at"] = row.due(now, f.profile.Settings.KeepAlive)
		}
		return tx.DB().Model(&grantRow{}).Where("id = ?", row.ID).Updates(changes).Error
	})
	if err != nil {
		s.log.WarnContext(ctx, "the use of a grant was not noted", "tenant_id", h.Tenant(), "grant_id", f.row.ID, "error", err)
	}
}

// suspectAgain is how soon after a token set was made a runtime's refusal of it no
// longer asks for another one: a runtime that refuses everything must not make the
// provider rotate with every call.
const suspectAgain = time.Minute

// Suspect is told when a runtime refused the token of a generation. It marks the grant
// and refreshes it once; a token that is newer already is simply given. Errors: as
// Refresh's; errs.DownstreamRejected as well where a fresh token is refused, or one
// that cannot be refreshed. The grant is not given up then: other runtimes may share it.
func (s *Service) Suspect(ctx context.Context, tenantID, grantID string, generation int64) (Credential, error) {
	h, err := s.db.ForJob(ctx, tenantID, "grants.suspect")
	if err != nil {
		return Credential{}, fmt.Errorf("suspect grant: %w", err)
	}
	row, err := s.mark(ctx, h, grantID, generation)
	if err != nil {
		return Credential{}, fmt.Errorf("suspect grant: %w", err)
	}
	if row.Generation == generation {
		if _, err := s.Refresh(ctx, h, grantID, generation, ForCall); err != nil {
			return Credential{}, err
		}
	}
	found, err := s.look(ctx, h, Query{ProfileID: row.ProfileID, Subject: row.Subject}, ungated)
	return found.credential, err
}

// mark notes that the token is refused, or says why no refresh will help.
func (s *Service) mark(ctx context.Context, h tenancy.Handle, grantID string, generation int64) (row grantRow, err error) {
	var refused error
	err = s.db.Write(ctx, h, func(tx *tenancy.Tx) error {
		refused = nil
		if row, err = lock(tx, "id = ?", grantID); err != nil {
			return err
		}
		p, err := profiles.Get(tx, row.ProfileID)
		if err != nil {
			return err
		}
		if !row.usable() {
			return row.missing(p, nil).refusal()
		}
		if row.Generation != generation {
			return nil
		}
		now := tx.Now()
		made := row.ConnectedAt
		if row.RefreshedAt != nil {
			made = *row.RefreshedAt
		}
		words := wordsRefused
		if p.Kind == profiles.KindAPIKey {
			words = wordsKeyRefused
		}
		if len(row.RefreshToken) == 0 || (row.RefreshedAt != nil && now.Sub(made) < suspectAgain) {
			m := row.missing(p, nil)
			m.Reason, m.ReasonText = reasonRefused, words
			refused = m.refusal()
		}
		return tx.DB().Model(&grantRow{}).Where("id = ?", row.ID).Updates(map[string]any{"suspect_at": now}).Error
	})
	if err == nil {
		err = refused
	}
	return row, err
}
