package profiles

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/audit"
)

// Update changes a profile; its kind and preset stay. The provider is asked again where
// it is another one. Where tokens and secrets would go to a host that they did not go to
// before, the profile must have no connected people, and a client that proves itself
// with a secret has it typed anew in in.Client, which is then a new generation. Errors:
// errs.Invalid with Fields, errs.NotFound, errs.Stale.
func (p *Profiles) Update(ctx context.Context, h tenancy.Handle, id string, in Input, version int64) (Profile, error) {
	var stored Profile
	err := p.cfg.DB.Read(ctx, h, func(tx *tenancy.Tx) (err error) {
		stored, err = Get(tx, id)
		return err
	})
	if err != nil {
		return Profile{}, fmt.Errorf("update profile: %w", err)
	}
	in.Kind, in.Preset = stored.Kind, stored.Preset
	d, err := p.checked(in, false)
	if err != nil {
		return Profile{}, err
	}
	d.discovered = stored.Discovered
	if stored.Settings.Discovery != d.Discovery || stored.Settings.ResourceURL != d.ResourceURL || d.Discovery == ByIssuer && stored.Issuer != d.Issuer {
		d.discovered = provider.Endpoints{}
		if err := p.discover(ctx, &d); err != nil {
			return Profile{}, err
		}
	} else if d.Discovery == ByResource {
		d.Issuer = stored.Issuer // it is not typed
	}
	if text := p.unusable(d); text != "" && d.Discovery != Manual && d.Kind != KindAPIKey {
		return Profile{}, errs.Field("issuer", text)
	}
	client, err := p.moving(ctx, h, stored, d)
	if err != nil {
		return Profile{}, err
	}
	var out Profile
	err = p.cfg.DB.Write(ctx, h, func(tx *tenancy.Tx) error {
		row, err := loadProfile(tx, id, true)
		if err != nil {
			return err
		}
		if row.Version != version || row.Version != stored.Version {
			return errs.E(errs.Stale, "Somebody changed this profile while you were editing. Look at the current values, then save again.", nil)
		}
		if err := stillFits(tx, stored, d); err != nil {
			return err
		}
		if err := row.take(d); err != nil {
			return err
		}
		if d.found {
			now := tx.Now()
			row.DiscoveredAt = &now
		}
		if client != nil {
			row.Generation++
			if err := client.store(tx, id, row.Generation); err != nil {
				return err
			}
		}
		if err := row.update(tx, version); err != nil {
			return err
		}
		if out, err = assembled(tx, row); err != nil {
			return err
		}
		if stored.SignIn && !out.SignIn {
			if err := p.endSignIns(tx, id, "", "the profile no longer signs people in"); err != nil {
				return err
			}
		}
		tx.Notify(tenancy.ConfigTopic(tx.Tenant()))
		return audit.Record(tx, audit.Entry{Action: "profile.update", TargetKind: "profile", TargetID: id, Before: stored.facts(), After: out.facts()})
	})
	if err != nil {
		return Profile{}, fmt.Errorf("update profile: %w", err)
	}
	return out, nil
}

// moving makes the client that a provider at another host needs; nil where the one that
// is there stays.
func (p *Profiles) moving(ctx context.Context, h tenancy.Handle, stored Profile, d draft) (*made, error) {
	if len(goesElsewhere(stored, d)) == 0 || stored.Client.Kind == "" {
		return nil, nil
	}
	switch stored.Client.Kind {
	case CIMD:
		return nil, nil // its key signs for the one who is asked, and its document says where people are sent
	case DCR:
		return p.newClient(ctx, h, stored.ID, d, ClientInput{Kind: DCR})
	}
	if !stored.Client.HasSecret {
		return nil, nil
	}
	if d.Client.Secret.Empty() {
		return nil, errs.Field("client_secret", "The provider is at another host now. Type the client secret again, so that it is not sent to a host that it was not meant for.")
	}
	f := faults{}
	in := d.Client
	in.Kind, in.AuthMethod = Preregistered, stored.Client.AuthMethod
	if in.ID == "" {
		in.ID = stored.Client.ID
	}
	f.checkClient(&in)
	if err := errs.Fields(f); err != nil {
		return nil, err
	}
	return p.newClient(ctx, h, stored.ID, d, in)
}

// goesElsewhere are the origins that would get tokens and secrets with the draft, and
// did not.
func goesElsewhere(stored Profile, d draft) []string {
	from, to := stored.Endpoints(), d.endpoints()
	out := moved(from, to)
	if at := d.Style.Identity.URL; at != "" && at != stored.Settings.Style.Identity.URL {
		known := append(trusted(from), trusted(to)...)
		if !slices.ContainsFunc(known, func(one string) bool { return originOf(one) == originOf(at) }) {
			out = append(out, originOf(at))
		}
	}
	return out
}

// stillFits refuses what would take something away from those who use the profile.
func stillFits(tx *tenancy.Tx, stored Profile, d draft) error {
	counts, err := CountGrants(tx, stored.ID)
	if err != nil {
		return err
	}
	if hosts := goesElsewhere(stored, d); len(hosts) > 0 && counts.Live() > 0 && stored.Kind != KindAPIKey {
		text := fmt.Sprintf("%s connected, and their tokens would go to %s, where they did not go before. Make another profile, or revoke the connections first.", people(counts.Live()), strings.Join(hosts, " and "))
		return errs.Field(movedField(d), text)
	} else if len(hosts) > 0 {
		if err := nothingUnderWay(tx, stored.ID, d, hosts); err != nil {
			return err
		}
	}
	if stored.Issuer != d.Issuer && counts.Live() > 0 && stored.Kind != KindAPIKey {
		text := fmt.Sprintf("%s connected, and their tokens are of another issuer. Make another profile, or revoke the connections first.", people(counts.Live()))
		return errs.Field("issuer", text)
	}
	if err := samePeople(tx, stored, d); err != nil {
		return err
	}
	rows, err := attachmentRows(tx, "profile_id = ?", stored.ID)
	if err != nil {
		return err
	}
	for _, row := range rows {
		a, err := row.attachment()
		if err != nil {
			return err
		}
		for _, s := range a.All() {
			if !slices.Contains(d.Scopes, s) {
				return errs.Field("scopes", fmt.Sprintf("“%s” is asked for by %s that the profile is attached to. Take it away there first.", clip(s), many(len(rows), "runtime")))
			}
		}
	}
	return nil
}

// movedField is the field that the endpoints come from.
func movedField(d draft) string {
	switch d.Discovery {
	case Manual:
		return "token_endpoint"
	case ByResource:
		return "resource_url"
	}
	return "issuer"
}
