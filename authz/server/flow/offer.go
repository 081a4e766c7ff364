package flow

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/authz/server/settings"
	"github.com/emcy/gateway/tenancy"
)

// ToolKind is how much a tool can do, by the runtime's own words.
type ToolKind int

// The kinds, the mildest first. A tool of which nothing is said is Danger, as the
// MCP specification has it.
const (
	Read ToolKind = iota
	Change
	Danger
)

// Tool is a tool that a scope opens.
type Tool struct {
	Name string
	Kind ToolKind
}

// Scope is one thing that a person is asked for.
type Scope struct {
	ID, Title, Text string
	Tools           []Tool
	// Given was allowed before; Fresh was not, although other things were.
	Given, Fresh bool
}

// Required reports whether there is no yes without the scope.
func (s Scope) Required() bool { return s.ID == authz.ScopeMCP }

// Kind is the most that one of the scope's tools can do.
func (s Scope) Kind() ToolKind {
	worst := Read
	for _, tool := range s.Tools {
		worst = max(worst, tool.Kind)
	}
	return worst
}

// Offer is what a person chooses from: never more than what was asked for now, allowed
// before, or lacked by a call that was refused.
type Offer struct {
	Scopes []Scope
	// Lives are how long a yes may hold, the shortest first. The last one is the
	// tenant's own and the one for who does not choose.
	Lives []time.Duration
	asked authz.Scopes
}

// Offer reads what the attempt's person is asked.
func (f *Flow) Offer(ctx context.Context, h tenancy.Handle, a Attempt) (o Offer, err error) {
	err = f.db.Read(ctx, h, func(tx *tenancy.Tx) error {
		o, err = f.offer(tx, a, a.Person.ID)
		return err
	})
	if err != nil {
		return Offer{}, fmt.Errorf("read offer: %w", err)
	}
	return o, nil
}

func (f *Flow) offer(tx *tenancy.Tx, a Attempt, subject string) (Offer, error) {
	before, consented, err := lastConsent(tx, subject, a.row.ClientID, a.row.UpstreamID)
	if err != nil {
		return Offer{}, err
	}
	needed, err := f.lookup.Needed(tx, subject, a.row.ClientID, a.row.UpstreamID)
	if err != nil {
		return Offer{}, err
	}
	given := authz.ParseScopes(before.Scope)
	all := slices.Clone(a.Scopes)
	for _, scope := range slices.Concat(needed, given) {
		if !all.Has(scope) && (a.Client.Ceiling == nil || a.Client.Ceiling.Has(scope)) {
			all = append(all, scope)
		}
	}
	o := Offer{asked: a.Scopes}
	if o.Scopes, err = f.lookup.Scopes(tx, a.Resource, all); err != nil {
		return Offer{}, fmt.Errorf("describe scopes: %w", err)
	}
	for i, scope := range o.Scopes {
		o.Scopes[i].Given = given.Has(scope.ID)
		o.Scopes[i].Fresh = consented && !given.Has(scope.ID)
	}
	set, err := settings.Load(tx)
	if err != nil {
		return Offer{}, err
	}
	o.Lives = lives(set.Family)
	return o, nil
}

// lives are the choices that a tenant's longest life leaves.
func lives(longest time.Duration) []time.Duration {
	var out []time.Duration
	for _, d := range []time.Duration{oneDay, thirtyDays} {
		if d < longest {
			out = append(out, d)
		}
	}
	return append(out, longest)
}

// take gives the scopes and the life of a decision. What nobody asked for is not
// given, whatever the form says; staying connected needs no tick.
func (o Offer) take(d Decision) (authz.Scopes, time.Duration) {
	var granted authz.Scopes
	for _, scope := range o.Scopes {
		if scope.Required() || d.Scopes.Has(scope.ID) {
			granted = append(granted, scope.ID)
		}
	}
	if o.asked.Has(authz.ScopeOffline) {
		granted = append(granted, authz.ScopeOffline)
	}
	life := o.Lives[len(o.Lives)-1]
	for _, l := range o.Lives {
		if l == d.Life {
			life = l
		}
	}
	return granted, life
}

// lastConsent is what holds between a subject and a client at a runtime. Each yes
// replaces the one before.
func lastConsent(tx *tenancy.Tx, subject, clientID, upstreamID string) (row consentRow, ok bool, err error) {
	err = tx.DB().Where("subject = ? AND client_id = ? AND upstream_id = ? AND revoked_at IS NULL", subject, clientID, upstreamID).Order("created_at DESC").First(&row).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return consentRow{}, false, nil
	}
	if err != nil {
		return consentRow{}, false, fmt.Errorf("read consent: %w", err)
	}
	if !row.until().After(tx.Now()) {
		return consentRow{}, false, nil
	}
	return row, true, nil
}
