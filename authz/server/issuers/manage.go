package issuers

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/audit"
)

const (
	maxIssuers = 20 // per tenant
	maxName    = 80 // bytes
	maxClients = 100
	maxID      = 2048 // bytes; a client's id may be a URL
)

// Input is what an administrator typed.
type Input struct {
	Name    string
	Issuer  string // of a new one; an existing one keeps its own
	JWKSURI string
	Clients []string
}

// URLs reads an address as outbound.Client does.
type URLs interface {
	CheckURL(raw string) (*url.URL, error)
}

// Add trusts an issuer from now on. Errors: errs.Invalid with a message per field,
// errs.Conflict where the tenant trusts it already.
func Add(tx *tenancy.Tx, urls URLs, in Input) (Issuer, error) {
	in, err := in.checked(urls, true)
	if err != nil {
		return Issuer{}, err
	}
	var n int64
	if err := tx.DB().Model(&row{}).Count(&n).Error; err != nil {
		return Issuer{}, fmt.Errorf("count trusted issuers: %w", err)
	}
	if n >= maxIssuers {
		return Issuer{}, errs.E(errs.Conflict, fmt.Sprintf("A workspace can trust %d issuers at most.", maxIssuers), nil)
	}
	if _, known, err := Trusted(tx, in.Issuer); err != nil || known {
		return Issuer{}, orConflict(err)
	}
	clients, err := json.Marshal(in.Clients)
	if err != nil {
		return Issuer{}, fmt.Errorf("encode clients: %w", err)
	}
	r := row{
		TenantID: tx.Tenant(), ID: ids.New("tis"), Name: in.Name, Issuer: in.Issuer, JWKSURI: in.JWKSURI, Clients: string(clients), CreatedAt: tx.Now(),
	}
	if err := tx.DB().Create(&r).Error; err != nil {
		return Issuer{}, fmt.Errorf("store trusted issuer: %w", err)
	}
	out, err := r.issuer()
	if err != nil {
		return Issuer{}, err
	}
	return out, record(tx, "trusted_issuer.add", r.ID, nil, out.shown())
}

// Update changes everything but the issuer itself: another one is another trust.
func Update(tx *tenancy.Tx, urls URLs, id string, in Input) error {
	before, err := Get(tx, id)
	if err != nil {
		return err
	}
	if in, err = in.checked(urls, false); err != nil {
		return err
	}
	clients, err := json.Marshal(in.Clients)
	if err != nil {
		return fmt.Errorf("encode clients: %w", err)
	}
	err = tx.DB().Model(&row{}).Where("id = ?", id).Updates(map[string]any{"name": in.Name, "jwks_uri": in.JWKSURI, "clients": string(clients)}).Error
	if err != nil {
		return fmt.Errorf("store trusted issuer: %w", err)
	}
	after := Issuer{Name: in.Name, Issuer: before.Issuer, JWKSURI: in.JWKSURI, Clients: in.Clients}
	return record(tx, "trusted_issuer.update", id, before.shown(), after.shown())
}

// Remove ends the trust. What its assertions gave is the caller's to end. Error:
// errs.NotFound.
func Remove(tx *tenancy.Tx, id string) error {
	before, err := Get(tx, id)
	if err != nil {
		return err
	}
	if err := tx.DB().Where("id = ?", id).Delete(&row{}).Error; err != nil {
		return fmt.Errorf("remove trusted issuer: %w", err)
	}
	return record(tx, "trusted_issuer.remove", id, before.shown(), nil)
}

func orConflict(err error) error {
	if err != nil {
		return err
	}
	return errs.E(errs.Conflict, "This workspace trusts that issuer already.", nil)
}

func record(tx *tenancy.Tx, action, id string, before, after any) error {
	return audit.Record(tx, audit.Entry{Action: action, TargetKind: "trusted_issuer", TargetID: id, Before: before, After: after})
}

func (i Issuer) shown() map[string]any {
	return map[string]any{"name": i.Name, "issuer": i.Issuer, "jwks_uri": i.JWKSURI, "clients": i.Clients}
}

func (in Input) checked(urls URLs, fresh bool) (Input, error) {
	wrong := map[string]string{}
	in.Name = strings.TrimSpace(in.Name)
	switch {
	case in.Name == "":
		wrong["name"] = "Give it a name that people know it by."
	case len(in.Name) > maxName || !storable(in.Name):
		wrong["name"] = fmt.Sprintf("Use at most %d characters.", maxName)
	}
	if fresh {
		in.Issuer = strings.TrimSpace(in.Issuer)
		if text := badURL(urls, in.Issuer); text != "" {
			wrong["issuer"] = text
		} else if strings.ContainsAny(in.Issuer, "?#") {
			wrong["issuer"] = "An issuer has neither a query nor a fragment." // RFC 8414, section 2
		}
	}
	in.JWKSURI = strings.TrimSpace(in.JWKSURI)
	if text := badURL(urls, in.JWKSURI); text != "" {
		wrong["jwks_uri"] = text
	}
	clients := []string{}
	for _, id := range in.Clients {
		id = strings.TrimSpace(id)
		if id == "" || slices.Contains(clients, id) {
			continue
		}
		if len(id) > maxID || !storable(id) {
			wrong["clients"] = "One of these is no client id."
		}
		clients = append(clients, id)
	}
	if len(clients) > maxClients {
		wrong["clients"] = fmt.Sprintf("List at most %d clients, or none for all of them.", maxClients)
	}
	in.Clients = clients
	return in, errs.Fields(wrong)
}

func badURL(urls URLs, raw string) string {
	if raw == "" {
		return "Type an address that begins with https://."
	}
	_, err := urls.CheckURL(raw)
	if err == nil {
		return ""
	}
	return "This address cannot be used: " + outbound.Classify(err).Public() + "."
}

// storable tells what both databases take as text.
func storable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}
