package clients

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/audit"
)

// SecretOverlap is how long the secret before the last one is taken, so that an app can
// be given the new one without a gap.
const SecretOverlap = 24 * time.Hour

// Spec is what somebody enters of a client in the console.
type Spec struct {
	Name string
	// Service is a client that acts for itself by client_credentials, and has no redirects.
	Service      bool
	Device       bool // it may also sign people in on another device (RFC 8628)
	RedirectURIs []string
	// AuthMethod is one of the four; a service's is never AuthNone. A secret is taken from
	// the header and from the body, whichever of the two is said here.
	AuthMethod                string
	JWKS, JWKSURI             string
	Scope                     authz.Scopes // the most it may get; nil is all
	DPoPRequired, PARRequired bool
}

// check gives the row's columns, or errs.Invalid with a message per field.
func (c *Clients) check(in Spec) (map[string]any, error) {
	wrong := map[string]string{}
	name := cleanName(in.Name)
	if name == "" {
		wrong["name"] = "Give the client a name."
	}
	grants := slices.Clone(usual)
	if in.Service {
		grants = []string{GrantClientCredentials}
	}
	if in.Device {
		grants = append(grants, GrantDevice)
	}
	switch {
	case in.Service && len(in.RedirectURIs) > 0:
		wrong["redirect_uris"] = "A service acts for itself: nobody is sent back to it."
	case !in.Service && !in.Device && len(in.RedirectURIs) == 0:
		wrong["redirect_uris"] = "List where people are sent back to."
	case len(in.RedirectURIs) > maxDocumentRedirects:
		wrong["redirect_uris"] = fmt.Sprintf("List at most %d addresses.", maxDocumentRedirects)
	}
	for _, uri := range in.RedirectURIs {
		if !Registrable(uri) && wrong["redirect_uris"] == "" {
			wrong["redirect_uris"] = "“" + cut(uri, 200) + "” cannot be used: write https, http on localhost, 127.0.0.1 or [::1], or a private-use scheme with a dot in it."
		}
	}
	c.checkMethod(in, wrong)
	for _, scope := range in.Scope {
		if !authz.ValidScope(scope) {
			wrong["scope"] = fmt.Sprintf("Scope names are printable ASCII without quotes and backslashes, at most %d characters each.", authz.MaxScopeName)
		}
	}
	if err := errs.Fields(wrong); err != nil {
		return nil, err
	}
	uris, err := json.Marshal(append([]string{}, in.RedirectURIs...))
	if err != nil {
		return nil, fmt.Errorf("encode redirect uris: %w", err)
	}
	types, err := json.Marshal(grants)
	if err != nil {
		return nil, fmt.Errorf("encode grant types: %w", err)
	}
	application := "native"
	if in.Service || slices.ContainsFunc(in.RedirectURIs, isWeb) {
		application = "web"
	}
	return map[string]any{
		"name": name, "redirect_uris": string(uris), "grant_types": string(types), "application_type": application, "auth_method": in.AuthMethod,
		"jwks": in.JWKS, "jwks_uri": in.JWKSURI, "scope": in.Scope.String(), "dpop_required": in.DPoPRequired, "par_required": in.PARRequired,
	}, nil
}

func (c *Clients) checkMethod(in Spec, wrong map[string]string) {
	switch in.AuthMethod {
	case AuthNone:
		if in.Service {
			wrong["auth_method"] = "A service has to prove who it is: choose a secret or a key."
		}
	case AuthBasic, AuthPost:
	case AuthPrivateKey:
		if in.JWKS != "" && in.JWKSURI != "" {
			wrong["jwks_uri"] = "Give the keys or their address, not both."
		} else if in.JWKS == "" && in.JWKSURI == "" {
			wrong["jwks"] = "Type the address of the client's public keys."
		} else if err := checkKeys(c.outbound, jsontext.Value(in.JWKS), in.JWKSURI); err != nil {
			wrong["jwks"] = "The client's keys: " + err.Error() + "."
		}
		return
	default:
		wrong["auth_method"] = "Choose none, a secret or a key."
	}
	if in.JWKS != "" || in.JWKSURI != "" {
		wrong["jwks"] = "Keys are for private_key_jwt only."
	}
}

// Preregister enters a client. The secret, "" where it has none, is shown once: only its
// hash is kept.
func (c *Clients) Preregister(tx *tenancy.Tx, in Spec) (created Client, secret string, err error) {
	columns, err := c.check(in)
	if err != nil {
		return Client{}, "", err
	}
	r := row{
		TenantID: tx.Tenant(), ID: ids.New("cli"), Kind: KindPreregistered, CreatedAt: tx.Now(), Status: Active, Version: 1,
		AuthMethod: in.AuthMethod, RedirectURIs: "[]", GrantTypes: "[]", CreatedBy: tx.Handle().Actor().ID,
	}
	secret = r.newSecret()
	if err := tx.DB().Create(&r).Error; err != nil {
		return Client{}, "", fmt.Errorf("store client: %w", err)
	}
	if err := tx.DB().Model(&row{}).Where("id = ?", r.ID).Updates(columns).Error; err != nil {
		return Client{}, "", fmt.Errorf("store client: %w", err)
	}
	created, err = c.audited(tx, "client.create", r.ID, nil)
	return created, secret, err
}

// audited reads the client as it now is, and records what happened to it.
func (c *Clients) audited(tx *tenancy.Tx, action, id string, before any) (Client, error) {
	r, err := c.row(tx, id)
	if err != nil {
		return Client{}, err
	}
	after := r.shown()
	after["status"], after["grant_types"], after["scope"] = r.Status, json.RawMessage(r.GrantTypes), r.Scope
	if err := audit.Record(tx, audit.Entry{Action: action, TargetKind: "client", TargetID: id, Before: before, After: after}); err != nil {
		return Client{}, err
	}
	return r.client()
}

func (c *Clients) row(tx *tenancy.Tx, id string) (row, error) {
	r, ok, err := loadRow(tx, id)
	if err == nil && !ok {
		err = errs.E(errs.NotFound, "There is no such client.", nil)
	}
	return r, err
}

// Update changes a preregistered client. version must be the one that was read:
// errs.Stale says that somebody else changed it meanwhile. What it was given ends where it
// can be reached, or proves itself, in another way than before, or may get less. secret is there where a
// client that had none has to have one from now on.
func (c *Clients) Update(tx *tenancy.Tx, id string, version int64, in Spec) (updated Client, secret string, err error) {
	before, err := c.row(tx, id)
	if err != nil {
		return Client{}, "", err
	}
	if before.Kind != KindPreregistered {
		return Client{}, "", errs.E(errs.Invalid, "This client describes itself: it can be blocked or deleted, not edited.", nil)
	}
	columns, err := c.check(in)
	if err != nil {
		return Client{}, "", err
	}
	after := before
	after.AuthMethod, after.JWKS, after.JWKSURI, after.RedirectURIs = in.AuthMethod, in.JWKS, in.JWKSURI, fmt.Sprint(columns["redirect_uris"])
	secretly := in.AuthMethod == AuthBasic || in.AuthMethod == AuthPost
	switch {
	case !secretly:
		columns["secret_hash"], columns["previous_secret_hash"], columns["previous_secret_until"] = "", "", nil
	case before.SecretHash == "":
		secret = after.newSecret()
		columns["secret_hash"] = after.SecretHash
	}
	columns["version"] = version + 1
	res := tx.DB().Model(&row{}).Where("id = ? AND version = ?", id, version).Updates(columns)
	if res.Error != nil {
		return Client{}, "", fmt.Errorf("update client: %w", res.Error)
	}
	if res.RowsAffected == 0 {
		return Client{}, "", errs.E(errs.Stale, "Somebody changed this client while you were editing. Look at it again, then save.", nil)
	}
	different, err := material(before, after, nil)
	if err == nil && (different || narrower(before.Scope, in.Scope)) {
		err = c.ended(tx, id, "the client was changed")
	}
	if err != nil {
		return Client{}, "", err
	}
	updated, err = c.audited(tx, "client.update", id, before.shown())
	return updated, secret, err
}

// narrower tells whether a new ceiling leaves something out of the old one: what was
// given under that holds more than the client may have now.
func narrower(before string, now authz.Scopes) bool {
	return len(now) > 0 && (before == "" || !now.Covers(authz.ParseScopes(before)))
}

// RotateSecret gives a preregistered client a new secret; the old one is taken for
// SecretOverlap more, and any before that no longer.
func (c *Clients) RotateSecret(tx *tenancy.Tx, id string) (secret string, err error) {
	r, err := c.row(tx, id)
	if err != nil {
		return "", err
	}
	if r.Kind != KindPreregistered || r.SecretHash == "" {
		return "", errs.E(errs.Invalid, "This client has no secret that can be changed here.", nil)
	}
	old, until := r.SecretHash, tx.Now().Add(SecretOverlap)
	secret = r.newSecret()
	err = tx.DB().Model(&row{}).Where("id = ?", id).Updates(map[string]any{
		"secret_hash": r.SecretHash, "previous_secret_hash": old, "previous_secret_until": &until, "version": r.Version + 1,
	}).Error
	if err != nil {
		return "", fmt.Errorf("rotate client secret: %w", err)
	}
	_, err = c.audited(tx, "client.rotate_secret", id, nil)
	return secret, err
}

// SetStatus lets a client in, holds it or blocks it. What a blocked one was given ends.
func (c *Clients) SetStatus(tx *tenancy.Tx, id string, status Status) error {
	if !slices.Contains([]Status{Active, Held, Blocked}, status) {
		return errs.Field("status", "Choose active, held or blocked.")
	}
	r, err := c.row(tx, id)
	if err != nil || r.Status == status {
		return err
	}
	if err := tx.DB().Model(&row{}).Where("id = ?", id).Updates(map[string]any{"status": status, "version": r.Version + 1}).Error; err != nil {
		return fmt.Errorf("set client status: %w", err)
	}
	if status != Active {
		if err := c.ended(tx, id, "an administrator "+map[Status]string{Held: "held", Blocked: "blocked"}[status]+" the client"); err != nil {
			return err
		}
	}
	_, err = c.audited(tx, "client."+string(status), id, map[string]any{"status": r.Status})
	return err
}

// Delete forgets a client and ends what it was given. One that describes itself may come
// back as a new one: who is not to come back is to be blocked.
func (c *Clients) Delete(tx *tenancy.Tx, id string) error {
	r, err := c.row(tx, id)
	if err != nil {
		return err
	}
	return c.remove(tx, r, "an administrator deleted the client")
}

// Get reads one client; errs.NotFound where there is none.
func (c *Clients) Get(tx *tenancy.Tx, id string) (Client, error) {
	r, err := c.row(tx, id)
	if err != nil {
		return Client{}, err
	}
	return r.client()
}

// Filter chooses from the list; empty members choose nothing.
type Filter struct {
	Kind   Kind
	Status Status
	Text   string // in the name or id, whatever its case
	Limit  int    // at most 500; zero is 100
	Offset int
}

// List gives the clients, the newest first.
func (c *Clients) List(tx *tenancy.Tx, f Filter) ([]Client, error) {
	q := tx.DB().Order("created_at DESC, id")
	if f.Kind != "" {
		q = q.Where("kind = ?", f.Kind)
	}
	if f.Status != "" {
		q = q.Where("status = ?", f.Status)
	}
	if f.Text != "" && Storable(f.Text) {
		like := "%" + strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(strings.ToLower(cut(f.Text, 200))) + "%"
		q = q.Where(`lower(name) LIKE ? ESCAPE '\' OR lower(id) LIKE ? ESCAPE '\'`, like, like)
	}
	if f.Limit == 0 {
		f.Limit = 100
	}
	var rows []row
	if err := q.Limit(min(f.Limit, 500)).Offset(f.Offset).Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("list clients: %w", err)
	}
	out := make([]Client, len(rows))
	for i, r := range rows {
		var err error
		if out[i], err = r.client(); err != nil {
			return nil, err
		}
	}
	return out, nil
}
