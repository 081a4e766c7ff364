package clients

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"gorm.io/gorm"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/tenancy"
)

// Kind is how a client came to be known.
type Kind string

// The kinds.
const (
	KindDCR           Kind = "dcr"           // it registered itself (RFC 7591)
	KindCIMD          Kind = "cimd"          // its id is the URL of its metadata document
	KindPreregistered Kind = "preregistered" // somebody entered it in the console
)

// Status is what a workspace decided about a client.
type Status string

// The statuses.
const (
	Active  Status = "active"
	Held    Status = "held" // waits for somebody who lets it in
	Blocked Status = "blocked"
)

// Ways of client authentication (RFC 7591, section 2; OpenID Connect Core, section 9).
const (
	AuthNone       = "none"
	AuthBasic      = "client_secret_basic"
	AuthPost       = "client_secret_post"
	AuthPrivateKey = "private_key_jwt"
)

// Client is one client of a tenant, without its secrets.
type Client struct {
	ID     string
	Name   string // as it is shown: never empty, see cleanName
	Kind   Kind
	Status Status
	// AuthMethod is how it has to prove itself. AlsoNone says that it may do without: a
	// document can offer both.
	AuthMethod string
	AlsoNone   bool
	// JWKS is a key set as JSON, JWKSURI where to fetch one; at most one is set.
	JWKS, JWKSURI   string
	RedirectURIs    []string
	GrantTypes      []string
	Scope           authz.Scopes // the most it may get; nil is all
	ApplicationType string       // "native" or "web"
	ClientURI       string
	SoftwareID      string
	SoftwareVersion string
	DPoPRequired    bool
	PARRequired     bool
	// Known is the identity of the catalogue that this client has proven, nil for all others.
	Known *Known
	// Impersonates is the brand whose name an unproven client uses, "" where it uses none.
	Impersonates string
	// Host is where a metadata document comes from, "" for other kinds.
	Host       string
	FetchedAt  *time.Time
	FetchError string // why the document could not be read last time, in words
	// Drift says that a known vendor's document is not what the catalogue's copy is: the
	// copy, which serves while the document cannot be had, is to be renewed.
	Drift     string
	CreatedAt time.Time
	UsedAt    *time.Time
	CreatedBy string // the member who entered it
	// SecretUntil is when the secret before the last one ends, nil where there is none.
	SecretUntil *time.Time
	Version     int64
}

// MayGrant reports whether the client may use a grant type.
func (c Client) MayGrant(grantType string) bool { return slices.Contains(c.GrantTypes, grantType) }

// Confidential reports whether the client always proves who it is.
func (c Client) Confidential() bool { return c.AuthMethod != AuthNone && !c.AlsoNone }

// Service reports whether the client acts for itself, without a person.
func (c Client) Service() bool { return c.MayGrant(GrantClientCredentials) }

const maxClientID = 2048 // bytes; a URL may be one

// Load reads a client; ok is false where there is none.
func Load(tx *tenancy.Tx, id string) (c Client, ok bool, err error) {
	r, ok, err := loadRow(tx, id)
	if err != nil || !ok {
		return Client{}, false, err
	}
	c, err = r.client()
	return c, err == nil, err
}

// Names reads the names that clients gave themselves, for the log.
func Names(tx *tenancy.Tx, ids []string) (map[string]string, error) {
	out := map[string]string{}
	if len(ids) == 0 {
		return out, nil
	}
	var rows []row
	if err := tx.DB().Where("id IN ?", ids).Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("read clients: %w", err)
	}
	for _, r := range rows {
		out[r.ID] = shownName(r.Name)
	}
	return out, nil
}

// MarkUsed notes that somebody signed in with the client. Before that it counts as
// one that may never come back, and goes after a week.
func MarkUsed(tx *tenancy.Tx, id string) error {
	now := tx.Now()
	if err := tx.DB().Model(&row{}).Where("id = ?", id).Update("used_at", &now).Error; err != nil {
		return fmt.Errorf("mark client used: %w", err)
	}
	return nil
}

// Storable tells what both databases take as text.
func Storable(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

func loadRow(tx *tenancy.Tx, id string) (r row, ok bool, err error) {
	if id == "" || len(id) > maxClientID || !Storable(id) {
		return row{}, false, nil
	}
	err = tx.DB().Where("id = ?", id).First(&r).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return row{}, false, nil
	}
	if err != nil {
		return row{}, false, fmt.Errorf("read client: %w", err)
	}
	return r, true, nil
}

func (r row) client() (Client, error) {
	c := Client{
		ID: r.ID, Name: shownName(r.Name), Kind: r.Kind, Status: r.Status, AuthMethod: r.AuthMethod, AlsoNone: r.AuthOptional, JWKS: r.JWKS, JWKSURI: r.JWKSURI,
		ApplicationType: r.ApplicationType, ClientURI: r.ClientURI, SoftwareID: r.SoftwareID, SoftwareVersion: r.SoftwareVersion,
		DPoPRequired: r.DPoPRequired, PARRequired: r.PARRequired, FetchedAt: r.FetchedAt, FetchError: r.FetchError,
		CreatedAt: r.CreatedAt, UsedAt: r.UsedAt, CreatedBy: r.CreatedBy, SecretUntil: r.PreviousSecretUntil, Version: r.Version,
	}
	if err := json.Unmarshal([]byte(r.RedirectURIs), &c.RedirectURIs); err != nil {
		return Client{}, fmt.Errorf("read redirect uris of %s: %w", r.ID, err)
	}
	if err := json.Unmarshal([]byte(r.GrantTypes), &c.GrantTypes); err != nil {
		return Client{}, fmt.Errorf("read grant types of %s: %w", r.ID, err)
	}
	if r.Scope != "" {
		c.Scope = authz.ParseScopes(r.Scope)
	}
	who := c.identify()
	if r.Kind == KindCIMD && r.FetchedAt != nil {
		c.Drift = who.drift(r.ID, []byte(r.Document))
	}
	return c, nil
}

// identify says who the client is proven to be, or only says it is. Whom somebody entered
// in the console, that person vouches for.
func (c *Client) identify() (who *identity) {
	switch c.Kind {
	case KindCIMD:
		if u, err := url.Parse(c.ID); err == nil {
			c.Host = u.Host
		}
		who = listed().byDocument(c.ID)
	case KindDCR:
		// Who may take a device's way to a token is not held to its redirect URIs.
		if !c.MayGrant(GrantDevice) {
			who = listed().byRedirects(c.RedirectURIs)
		}
	case KindPreregistered:
		return nil
	}
	if c.Known = who.known(); c.Known == nil {
		c.Impersonates = listed().impersonates(c.Name, c.RedirectURIs)
	}
	return who
}
