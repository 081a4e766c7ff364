package clients

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/emcy/gateway/authz/server/settings"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/audit"
)

// keep stores what was fetched.
func (c *Clients) keep(tx *tenancy.Tx, id string, who *identity, got fetched) error {
	s, err := settings.Load(tx)
	if err != nil {
		return err
	}
	r, ok, err := loadRow(tx, id)
	if err != nil {
		return err
	}
	now := tx.Now()
	until := now.Add(got.fresh)
	switch {
	case !ok && got.unchanged:
		return nil // swept meanwhile; the next request fetches it whole
	case !ok:
		return c.keepNew(tx, s, who, row{TenantID: tx.Tenant(), ID: id, Kind: KindCIMD, CreatedAt: now, Status: held(s), FreshUntil: &until}, got)
	}
	changed := map[string]any{"fresh_until": &until, "fetch_error": got.note}
	if got.note == "" {
		changed["fetched_at"], changed["etag"] = &now, got.etag
	}
	if !got.unchanged {
		next := r
		if err := next.takeDocument(got); err != nil {
			return err
		}
		if err := c.replaced(tx, s, who, r, next, changed); err != nil {
			return err
		}
	}
	if err := tx.DB().Model(&row{}).Where("id = ?", id).Updates(changed).Error; err != nil {
		return fmt.Errorf("store client metadata document: %w", err)
	}
	return nil
}

func (c *Clients) keepNew(tx *tenancy.Tx, s settings.Settings, who *identity, r row, got fetched) error {
	// Of the catalogue's whole addresses there are few, so nobody's flood keeps them out.
	if who == nil || who.id != "" {
		if err := room(tx); err != nil {
			return err
		}
	}
	r.Version, r.ETag, r.FetchError = 1, got.etag, got.note
	if got.note == "" {
		r.FetchedAt = &r.CreatedAt
	}
	if err := r.takeDocument(got); err != nil {
		return err
	}
	if err := tx.DB().Create(&r).Error; err != nil {
		return err
	}
	action := "client.document"
	if s.CIMD == settings.Report && who == nil {
		action = "client.document_reported" // the mode "known" would have refused it
	}
	return audit.Record(tx, audit.Entry{
		Action: action, TargetKind: "client", TargetID: r.ID,
		After: map[string]any{"name": got.ClientName, "redirect_uris": got.RedirectURIs, "status": r.Status},
	})
}

// takeDocument copies what a document says into the row.
func (r *row) takeDocument(got fetched) error {
	r.Document, r.AuthOptional = string(got.raw), got.alsoNone
	return r.take(got.Metadata)
}

// replaced puts the columns of a new version together. Where it is materially another
// one, people agreed to something else: what they gave ends, and a workspace that reviews
// new clients reviews this one again, also where it only took another name.
func (c *Clients) replaced(tx *tenancy.Tx, s settings.Settings, who *identity, before, after row, changed map[string]any) error {
	for name, value := range map[string]any{
		"name": after.Name, "redirect_uris": after.RedirectURIs, "grant_types": after.GrantTypes, "application_type": after.ApplicationType,
		"client_uri": after.ClientURI, "software_id": after.SoftwareID, "software_version": after.SoftwareVersion, "auth_method": after.AuthMethod,
		"auth_optional": after.AuthOptional, "jwks": after.JWKS, "jwks_uri": after.JWKSURI, "dpop_required": after.DPoPRequired, "par_required": after.PARRequired,
		"document": after.Document,
	} {
		changed[name] = value
	}
	different, err := material(before, after, who)
	if err != nil || !different && !renamed(before, after, who) {
		return err
	}
	if s.Review && before.Status == Active {
		changed["status"] = Held
	}
	if different {
		if err := c.ended(tx, before.ID, "the client's metadata changed"); err != nil {
			return err
		}
	}
	return audit.Record(tx, audit.Entry{Action: "client.changed", TargetKind: "client", TargetID: before.ID, Before: before.shown(), After: after.shown()})
}

// renamed tells whether a client shows itself otherwise than to who reviewed it, or takes
// ways to a token that were not among those. A known vendor's name is the catalogue's.
func renamed(before, after row, who *identity) bool {
	return who == nil && (before.Name != after.Name || before.GrantTypes != after.GrantTypes)
}

// shown is what the audit log keeps of a client.
func (r row) shown() map[string]any {
	return map[string]any{"name": r.Name, "redirect_uris": json.RawMessage(r.RedirectURIs), "auth_method": r.AuthMethod, "client_uri": r.ClientURI}
}

// material tells whether a client can be reached, or proves itself, in another way than
// people agreed to. A known vendor's new addresses within its own patterns are no such
// change: its name vouches for them.
func material(before, after row, who *identity) (bool, error) {
	if before.AuthMethod != after.AuthMethod || before.AuthOptional != after.AuthOptional || before.JWKS != after.JWKS || before.JWKSURI != after.JWKSURI || hostOf(before.ClientURI) != hostOf(after.ClientURI) {
		return true, nil
	}
	var old, now []string
	if err := json.Unmarshal([]byte(before.RedirectURIs), &old); err != nil {
		return false, fmt.Errorf("read redirect uris of %s: %w", before.ID, err)
	}
	if err := json.Unmarshal([]byte(after.RedirectURIs), &now); err != nil {
		return false, fmt.Errorf("read redirect uris of %s: %w", after.ID, err)
	}
	vendors := func(uri string) bool {
		return who != nil && slices.ContainsFunc(who.client.Redirects, func(p string) bool { _, ok := matchPattern(p, uri); return ok })
	}
	other := func(uri string, in []string) bool { return !slices.Contains(in, uri) && !vendors(uri) }
	return slices.ContainsFunc(now, func(uri string) bool { return other(uri, old) }) || slices.ContainsFunc(old, func(uri string) bool { return other(uri, now) }), nil
}
