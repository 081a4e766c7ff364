package profiles

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/audit"
)

// discover reads the provider's endpoints as the draft says, and checks that they will
// do. Its errors are messages beside the field that was typed.
func (p *Profiles) discover(ctx context.Context, d *draft) error {
	if d.Kind == KindAPIKey || d.Discovery == Manual {
		return nil
	}
	field := "issuer"
	if d.Discovery == ByResource {
		field = "resource_url"
		if err := p.issuerOf(ctx, d); err != nil {
			return errs.Field(field, explain(err))
		}
	}
	var err error
	d.discovered, err = p.cfg.Provider.Discover(ctx, d.Issuer)
	if err != nil {
		return errs.Field(field, explain(err))
	}
	if text := p.unusable(*d); text != "" {
		return errs.Field(field, text)
	}
	d.found = true
	return nil
}

// issuerOf finds the authorization server of the runtime that was typed. Of several,
// the first is taken: the list is in the order of the resource's preference.
func (p *Profiles) issuerOf(ctx context.Context, d *draft) error {
	resource, err := p.cfg.Provider.DiscoverResource(ctx, d.ResourceURL)
	if err != nil {
		return err
	}
	if len(resource.Servers) == 0 {
		return errs.E(errs.Invalid, "The runtime's metadata names no authorization server.", nil)
	}
	d.Issuer = resource.Servers[0]
	if text := p.badIssuer(d.Issuer); text != "" {
		return errs.E(errs.Invalid, "The runtime names an authorization server that the gateway does not connect to.", nil)
	}
	if d.Style.Resource == "" && !d.Style.OmitResource {
		d.Style.Resource = resource.Resource
	}
	if len(d.Scopes) == 0 {
		d.Scopes = slices.DeleteFunc(slices.Clone(resource.Scopes), func(s string) bool { return !validScope(s) })
	}
	return nil
}

// unusable says what discovered endpoints lack; "" where they will do.
func (p *Profiles) unusable(d draft) string {
	e := d.discovered
	for _, one := range []struct {
		what, url string
		needed    bool
	}{
		{"token endpoint", e.Token, true},
		{"authorization endpoint", e.Authorization, d.Kind == KindOAuth},
		{"userinfo endpoint", e.UserInfo, d.Kind == KindOAuth && d.Style.Identity.From == provider.FromUserInfo && d.Style.Identity.URL == ""},
		{"introspection endpoint", e.Introspection, d.Kind == KindOAuth && d.Style.Identity.From == provider.FromIntrospection && d.Style.Identity.URL == ""},
		{"key set (jwks_uri)", e.JWKS, d.Kind == KindOAuth && d.Style.Identity.From == provider.FromIDToken},
		{"revocation endpoint", e.Revocation, false},
	} {
		switch {
		case one.url == "" && one.needed:
			return "The provider's metadata names no " + one.what + ", and this profile needs one."
		case one.url != "" && p.badURL(&one.url, true) != "":
			return "The provider's metadata names a " + one.what + " that the gateway does not connect to."
		}
	}
	return ""
}

// explain is an error of a provider as a sentence for an administrator.
func explain(err error) string {
	if own, ok := errors.AsType[*provider.Error](err); ok {
		text := own.Public()
		if answer := strings.TrimSpace(own.Code + " " + own.Description); answer != "" && own.Description != "" {
			text += " It said: " + strings.TrimSuffix(answer, ".") + "."
		}
		if own.Cure != "" && own.Cure != text {
			text += " " + own.Cure
		}
		return text
	}
	return errs.Public(err)
}

// Rediscover reads the provider's metadata again. Where it names a host that no
// endpoint was on, the endpoints stay as they are until accept says that people's
// tokens and the client's secret may go there. A failure is kept with the profile, and
// the endpoints stay. Errors: errs.NotFound, errs.Invalid where nothing can be
// discovered, errs.Stale.
func (p *Profiles) Rediscover(ctx context.Context, h tenancy.Handle, id string, accept bool) (Profile, error) {
	var stored Profile
	err := p.cfg.DB.Read(ctx, h, func(tx *tenancy.Tx) (err error) {
		stored, err = Get(tx, id)
		return err
	})
	if err != nil {
		return Profile{}, fmt.Errorf("discover again: %w", err)
	}
	if stored.Kind == KindAPIKey || stored.Settings.Discovery == Manual {
		return Profile{}, errs.E(errs.Invalid, "The endpoints of this profile are typed in: there is nothing to discover.", nil)
	}
	d := draft{Input: Input{Kind: stored.Kind, Issuer: stored.Issuer, Settings: stored.Settings}}
	// The issuer stays, also of a profile that was found by its runtime: another one is another provider.
	d.Discovery = ByIssuer
	problem := ""
	if err := p.discover(ctx, &d); err != nil {
		if problem = errs.Public(err); errs.KindOf(err) != errs.Invalid {
			return Profile{}, fmt.Errorf("discover again: %w", err)
		}
	}
	var out Profile
	err = p.cfg.DB.Write(ctx, h, func(tx *tenancy.Tx) error {
		row, err := loadProfile(tx, id, true)
		if err != nil {
			return err
		}
		before, err := assembled(tx, row)
		if err != nil {
			return err
		}
		if hosts := moved(before.Discovered, d.discovered); problem == "" && len(hosts) > 0 && !accept {
			problem = movedText(hosts)
		}
		row.DiscoveryError = problem
		if problem == "" {
			now := tx.Now()
			row.DiscoveredAt = &now
			if row.Metadata, err = encode(d.discovered); err != nil {
				return err
			}
		}
		if err := row.update(tx, stored.Version); err != nil {
			return err
		}
		if out, err = assembled(tx, row); err != nil {
			return err
		}
		if problem != "" {
			return nil
		}
		tx.Notify(tenancy.ConfigTopic(tx.Tenant()))
		return audit.Record(tx, audit.Entry{Action: "profile.discover", TargetKind: "profile", TargetID: id, Before: before.Discovered, After: out.Discovered})
	})
	if err != nil {
		return Profile{}, fmt.Errorf("discover again: %w", err)
	}
	return out, nil
}

// moved are the origins to which a secret or a token would go with the new endpoints
// and did not with the old ones.
func moved(from, to provider.Endpoints) []string {
	var known, fresh []string
	for _, raw := range trusted(from) {
		known = append(known, originOf(raw))
	}
	for _, raw := range trusted(to) {
		if origin := originOf(raw); !slices.Contains(known, origin) && !slices.Contains(fresh, origin) {
			fresh = append(fresh, origin)
		}
	}
	return fresh
}

// trusted are the endpoints that get a secret or a token.
func trusted(e provider.Endpoints) []string {
	return slices.DeleteFunc([]string{e.Token, e.Revocation, e.UserInfo, e.Introspection}, func(s string) bool { return s == "" })
}

func originOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return raw
	}
	return u.Scheme + "://" + u.Host
}
