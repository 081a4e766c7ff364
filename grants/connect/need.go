package connect

import (
	"context"
	"fmt"
	"net/url"
	"slices"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/grants"
	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
)

// ErrNothing is a runtime without a profile, or one whose profile needs nobody's account.
var ErrNothing = errs.E(errs.NotFound, "There is nothing to connect here.", nil)

// Missing reports whether the runtime's calls for the subject lack an account, or
// permissions there.
func (c *Connects) Missing(tx *tenancy.Tx, subject, upstreamID string) (bool, error) {
	a, p, ok, err := profiles.Attached(tx, upstreamID)
	if err != nil || !ok || a.NeededFor == profiles.NeededForNothing || p.Kind == profiles.KindExchange {
		return false, err
	}
	g, err := grantOf(tx, p.ID, subject)
	return !lives(g) || !covers(p, g, a.Scopes), err
}

// covers reports whether a grant has all scopes; a key has none of its own.
func covers(p profiles.Profile, g grants.Grant, need []string) bool {
	return p.Kind == profiles.KindAPIKey || authz.Scopes(g.Scopes).Covers(authz.Scopes(need))
}

// SignIn is the profile whose provider signs people in for a runtime, "" for none.
func (c *Connects) SignIn(tx *tenancy.Tx, upstreamID string) (profileID string, err error) {
	_, p, ok, err := profiles.Attached(tx, upstreamID)
	if err != nil || !ok || !signsIn(p) {
		return "", err
	}
	return p.ID, nil
}

func signsIn(p profiles.Profile) bool { return p.SignIn && p.Kind == profiles.KindOAuth }

// SignIns are the profiles whose providers sign people in.
func SignIns(tx *tenancy.Tx) ([]profiles.Profile, error) {
	all, err := profiles.List(tx)
	return slices.DeleteFunc(all, func(p profiles.Profile) bool { return !signsIn(p) }), err
}

// Query names what somebody is to connect.
type Query struct {
	// Subject is "" where nobody is signed in yet.
	Subject string
	// ProfileID may be "" where UpstreamID or LinkHash tells it.
	ProfileID, UpstreamID, LinkHash string
	// Trial is a ticket of NewTrial.
	Trial string
}

// Scope is a permission at a provider.
type Scope struct {
	Name, Text string
	// Have says that the connection has it already.
	Have bool
}

// Card is what a person is shown before they connect.
type Card struct {
	Profile profiles.Profile
	// Host is the provider's that the browser goes to, Authorization its address there;
	// both are "" of an API key.
	Host, Authorization string
	// Missing says that calls lack something.
	Missing bool
	// Grant is what is connected so far.
	Grant  grants.Grant
	Scopes []Scope
}

// Card reads what somebody is to connect. Errors: errs.NotFound; *Refused for a trial
// that is over.
func (c *Connects) Card(ctx context.Context, h tenancy.Handle, q Query) (card Card, err error) {
	err = c.db.Read(ctx, h, func(tx *tenancy.Tx) error {
		asked, err := wanted(tx, &q)
		if err != nil {
			return err
		}
		p := asked.profile
		if q.Trial != "" {
			if err := checkTrial(tx, p.ID, q.Trial); err != nil {
				return err
			}
		}
		g, err := grantOf(tx, p.ID, q.Subject)
		if err != nil {
			return err
		}
		card = Card{Profile: p, Grant: g, Missing: !lives(g) || !covers(p, g, asked.need)}
		if p.Kind == profiles.KindOAuth {
			card.Authorization = p.Endpoints().Authorization
			if u, err := url.Parse(card.Authorization); err == nil {
				card.Host = u.Host
			}
		}
		have := authz.Scopes(nil)
		if lives(g) {
			have = authz.Scopes(g.Scopes)
		}
		for _, name := range union(g.Scopes, asked.need) {
			card.Scopes = append(card.Scopes, Scope{Name: name, Text: p.Settings.ScopeText[name], Have: have.Has(name)})
		}
		return nil
	})
	if err != nil {
		return Card{}, fmt.Errorf("read what is to be connected: %w", err)
	}
	return card, nil
}

// wish is what is asked for at a provider.
type wish struct {
	profile profiles.Profile
	need    []string
}

// wanted finds the profile and the scopes that a runtime, a link or a trial needs; it
// completes the query.
func wanted(tx *tenancy.Tx, q *Query) (w wish, err error) {
	if q.LinkHash != "" {
		link, err := openLink(tx, q.LinkHash)
		if err != nil {
			return wish{}, err
		}
		q.ProfileID, q.UpstreamID, w.need = link.ProfileID, link.UpstreamID, link.scopes()
	}
	if q.UpstreamID != "" {
		a, p, ok, err := profiles.Attached(tx, q.UpstreamID)
		if err != nil {
			return wish{}, err
		}
		if ok && (q.ProfileID == "" || q.ProfileID == p.ID) {
			q.ProfileID, w.profile, w.need = p.ID, p, union(a.Scopes, w.need)
		}
	}
	if w.profile.ID == "" {
		if w.profile, err = profiles.Get(tx, q.ProfileID); err != nil {
			return wish{}, err
		}
	}
	if w.profile.Kind == profiles.KindExchange {
		return wish{}, ErrNothing
	}
	if q.Trial != "" {
		w.need = w.profile.Settings.Scopes
	}
	w.need = allowed(w.profile, w.need)
	return w, nil
}

// allowed are those of the scopes that the profile may ask for.
func allowed(p profiles.Profile, scopes []string) []string {
	return slices.DeleteFunc(slices.Clone(scopes), func(s string) bool { return !slices.Contains(p.Settings.Scopes, s) })
}

func union(a, b []string) []string { return grants.Union(a, b) }

// identityScopes are what the profile's identity rule needs beside what calls need.
func identityScopes(p profiles.Profile) []string {
	rule := p.Settings.Style.Identity
	var out []string
	if rule.From == provider.FromIDToken {
		out = append(out, "openid")
	}
	if signsIn(p) || p.Settings.Match == profiles.MatchEmail {
		for _, name := range []string{"openid", "profile", "email"} {
			if slices.Contains(p.Settings.Scopes, name) && !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	return out
}

// given are the scopes of an answer: what it says, and those of the asked ones that no
// provider has to say.
func given(p profiles.Profile, asked, said []string) []string {
	if said == nil {
		return nil // what was asked for (RFC 6749, section 5.1)
	}
	return grants.Union(said, grants.Unlisted(p, asked))
}
