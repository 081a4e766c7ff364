package server

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/authz/server/flow"
	"github.com/emcy/gateway/authz/server/scopes"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
)

// shownCalls is how many of an app's latest calls its person sees.
const shownCalls = 10

// Call is something that an app did.
type Call struct {
	At time.Time
	// Name is the tool's, or the method's where no tool was called.
	Name string
	// Outcome is the usage event's.
	Outcome string
}

// Calls tells what somebody's apps did lately.
type Calls interface {
	// Recent gives a person's latest calls through a client at a runtime, newest first.
	Recent(ctx context.Context, h tenancy.Handle, subject, clientID, upstreamID string, limit int) ([]Call, error)
}

// app is a client that can act for a subject at a runtime.
type app struct {
	client      flow.Client
	resource    flow.Resource
	scopes      []string // titles
	first, last time.Time
	ends        time.Time
	calls       []Call
}

// appsOf lists what can act for a subject, the last connected first.
func (s *Server) appsOf(ctx context.Context, h tenancy.Handle, subject string) ([]app, error) {
	var apps []app
	err := s.db.Read(ctx, h, func(tx *tenancy.Tx) (err error) {
		apps, err = s.livingApps(tx, subject)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list apps: %w", err)
	}
	for i := range apps {
		a := &apps[i]
		if a.calls, err = s.calls.Recent(ctx, h, subject, a.client.ID, a.resource.ID, shownCalls); err != nil {
			return nil, fmt.Errorf("list calls: %w", err)
		}
		if len(a.calls) > 0 && a.calls[0].At.After(a.last) {
			a.last = a.calls[0].At
		}
	}
	return apps, nil
}

// livingApps puts together what living token families and consents say.
func (s *Server) livingApps(tx *tenancy.Tx, subject string) ([]app, error) {
	var families []familyRow
	err := tx.DB().Where("subject = ? AND revoked_at IS NULL AND expires_at > ?", subject, tx.Now()).Order("created_at DESC").Find(&families).Error
	if err != nil {
		return nil, fmt.Errorf("list token families: %w", err)
	}
	consents, err := flow.Consents(tx, subject)
	if err != nil {
		return nil, err
	}
	for _, c := range consents {
		families = append(families, familyRow{ClientID: c.ClientID, UpstreamID: c.UpstreamID, Scope: c.Scope, CreatedAt: c.CreatedAt, ExpiresAt: c.Until})
	}
	catalogue, err := scopes.Load(tx)
	if err != nil {
		return nil, err
	}
	var apps []app
	held := map[int]authz.Scopes{}
	for _, family := range families {
		i := slices.IndexFunc(apps, func(a app) bool { return a.client.ID == family.ClientID && a.resource.ID == family.UpstreamID })
		if i < 0 {
			a := app{first: family.CreatedAt, ends: family.ExpiresAt}
			if a.client, err = (lookup{s}).Client(tx, family.ClientID); gone(err) {
				continue
			} else if err != nil {
				return nil, err
			}
			if a.resource, err = s.resources.ByID(tx, family.UpstreamID); gone(err) {
				continue
			} else if err != nil {
				return nil, fmt.Errorf("read runtime: %w", err)
			}
			i = len(apps)
			apps = append(apps, a)
		}
		a := &apps[i]
		held[i] = held[i].Union(authz.ParseScopes(family.Scope))
		if family.CreatedAt.Before(a.first) {
			a.first = family.CreatedAt
		}
		if family.ExpiresAt.After(a.ends) {
			a.ends = family.ExpiresAt
		}
		if a.last, err = lastIssued(tx, family.ID, a.last); err != nil {
			return nil, err
		}
	}
	for i := range apps {
		apps[i].scopes = scopeTitles(catalogue, held[i], apps[i].resource.Name)
	}
	return apps, nil
}

func gone(err error) bool { return errs.Is(err, errs.NotFound) }

// lastIssued is when a family's newest tokens were made, where that is later.
func lastIssued(tx *tenancy.Tx, familyID string, last time.Time) (time.Time, error) {
	if familyID == "" {
		return last, nil
	}
	var newest []refreshRow
	if err := tx.DB().Where("family_id = ?", familyID).Order("generation DESC").Limit(1).Find(&newest).Error; err != nil {
		return last, fmt.Errorf("read refresh token: %w", err)
	}
	if len(newest) == 1 && newest[0].CreatedAt.After(last) {
		return newest[0].CreatedAt, nil
	}
	return last, nil
}

// scopeTitles says scopes in the tenant's words.
func scopeTitles(catalogue authz.Catalogue, held authz.Scopes, runtime string) []string {
	out := []string{"Use " + runtime + " as you"}
	for _, name := range held {
		if scope, ok := catalogue.Get(name); ok {
			out = append(out, scope.Title)
		}
	}
	return out
}

// endApps ends what a client may do for a subject at a runtime, or everything that
// anything may do for them where clientID is empty.
func (s *Server) endApps(ctx context.Context, h tenancy.Handle, subject, clientID, upstreamID, reason string) error {
	err := s.db.Write(ctx, h.As("end_user", subject), func(tx *tenancy.Tx) error {
		find := tx.DB().Where("subject = ? AND revoked_at IS NULL", subject)
		if clientID != "" {
			find = find.Where("client_id = ? AND upstream_id = ?", clientID, upstreamID)
		}
		var families []familyRow
		if err := find.Find(&families).Error; err != nil {
			return fmt.Errorf("list token families: %w", err)
		}
		for _, family := range families {
			if err := s.revokeFamily(tx, family, reason); err != nil {
				return err
			}
		}
		return flow.RevokeConsents(tx, subject, clientID, upstreamID)
	})
	if err != nil {
		return fmt.Errorf("end apps: %w", err)
	}
	return nil
}
