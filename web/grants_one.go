package web

import (
	"context"
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"github.com/emcy/gateway/authz/server"
	"github.com/emcy/gateway/grants"
	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/notify"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/ui/pages"
	"github.com/emcy/gateway/upstreams"
	"github.com/emcy/gateway/usage/event"
)

// oneGrant is a grant with what its page tells about.
type oneGrant struct {
	grant       grants.Grant
	profile     profiles.Profile
	attachments []profiles.Attachment
	runtimes    []upstreams.Name
	person      notify.Person
}

func (k *Console) oneGrant(ctx context.Context, v Visit, id string) (o oneGrant, err error) {
	err = k.cfg.DB.Read(ctx, v.Handle, func(tx *tenancy.Tx) error {
		if o.grant, err = grants.Get(tx, id); err != nil {
			return err
		}
		if o.profile, err = profiles.Get(tx, o.grant.ProfileID); err != nil {
			return err
		}
		if o.attachments, err = profiles.AttachedTo(tx, o.profile.ID); err != nil {
			return err
		}
		o.runtimes, err = upstreams.Names(tx)
		return err
	})
	if err != nil {
		return oneGrant{}, err
	}
	people, err := k.cfg.People.Named(ctx, v.Handle, []string{o.grant.Subject})
	o.person = people[o.grant.Subject]
	return o, err
}

func (k *Console) grant(c echo.Context, v Visit) error {
	ctx := c.Request().Context()
	o, err := k.oneGrant(ctx, v, c.Param("grant"))
	if err != nil {
		return err
	}
	used, err := k.usedWith(ctx, v, o)
	if err != nil {
		return err
	}
	names := nameProfiles([]profiles.Profile{o.profile})
	view := pages.GrantPage{
		Row: grantRow(o.grant, o.person, names, v), Live: grantLive(o.grant, o.profile, o.called(), v), Facts: grantFacts(o.grant), Scopes: o.grant.Scopes,
		Steps: grantSteps(o.grant, k.clock.Now()), Runtimes: grantRuntimes(o, v), Clients: used, ProfileHref: v.path("profiles", o.profile.ID),
		Revoked: o.grant.State == grants.StateRevoked, CanRefresh: o.grant.Refreshable,
	}
	view.Title = o.called() + ", " + view.Row.Profile
	view.Live.Stream = v.path("-", "stream") + "?topics=grant:" + o.grant.ID
	if view.Shell, err = k.grantsShell(c, v); err != nil {
		return err
	}
	_, view.CanMail = k.cfg.Notify.MailFrom()
	return k.page(c, http.StatusOK, pages.Grant(view))
}

// called is what the grant's person is called.
func (o oneGrant) called() string { return calledOf(o.grant.Subject, o.person) }

// usedWith are the clients that may act for the person at the profile's runtimes.
func (k *Console) usedWith(ctx context.Context, v Visit, o oneGrant) ([]pages.GrantClient, error) {
	var held []server.Held
	err := k.cfg.DB.Read(ctx, v.Handle, func(tx *tenancy.Tx) (err error) {
		held, err = server.HeldBy(tx, o.grant.Subject)
		return err
	})
	if err != nil {
		return nil, err
	}
	held = slices.DeleteFunc(held, func(h server.Held) bool {
		return !slices.ContainsFunc(o.attachments, func(a profiles.Attachment) bool { return a.UpstreamID == h.UpstreamID })
	})
	var events []event.Event
	for _, h := range held {
		events = append(events, event.Event{ClientID: h.ClientID})
	}
	n, err := k.names(ctx, v.Handle, o.runtimes, events)
	if err != nil {
		return nil, err
	}
	var out []pages.GrantClient
	for _, h := range held {
		out = append(out, pages.GrantClient{
			Name: n.client(event.Event{ClientID: h.ClientID}), Href: v.path("clients", clientKey(h.ClientID)), Runtime: n.runtimes[h.UpstreamID].name, At: moment(h.Since),
		})
	}
	return out, nil
}

// grantRefresh asks the queue, before everything else that waits there. The page shows
// what comes of it.
func (k *Console) grantRefresh(c echo.Context, v Visit) error {
	id := c.Param("grant")
	err := k.cfg.DB.Write(c.Request().Context(), v.Handle, func(tx *tenancy.Tx) error { return k.cfg.Grants.RequestRefresh(tx, id) })
	if err != nil {
		return err
	}
	return k.seeWith(c, v.Session, v.path("grants", id), "A refresh is asked for. What comes of it shows below by itself.")
}

func (k *Console) grantRevoke(c echo.Context, v Visit) error {
	o, err := k.oneGrant(c.Request().Context(), v, c.Param("grant"))
	if err != nil {
		return err
	}
	names := nameProfiles([]profiles.Profile{o.profile})
	view := pages.GrantRevokePage{Row: grantRow(o.grant, o.person, names, v), Impact: revokeImpact(o)}
	view.Title = o.called() + ", " + view.Row.Profile
	if view.Shell, err = k.grantsShell(c, v); err != nil {
		return err
	}
	return k.page(c, http.StatusOK, pages.GrantRevoke(view))
}

func (k *Console) grantRevoked(c echo.Context, v Visit) error {
	ctx := c.Request().Context()
	o, err := k.oneGrant(ctx, v, c.Param("grant"))
	if err != nil {
		return err
	}
	if _, err := k.cfg.Grants.RevokeAll(ctx, v.Handle, grants.Target{Kind: grants.TargetGrant, ID: o.grant.ID}, "one grant, in the console"); err != nil {
		return err
	}
	return k.seeWith(c, v.Session, v.path("grants", o.grant.ID), "The grant is revoked here. Its provider is told next.")
}
