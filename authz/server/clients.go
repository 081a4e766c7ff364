package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"
	"gorm.io/gorm"

	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/audit"
)

const (
	maxUnused       = 10_000 // per tenant
	unusedClientTTL = 7 * 24 * time.Hour
	maxRedirects    = 10
	maxClientName   = 60
)

type clientRow struct {
	TenantID        string
	ID              string
	Kind            string
	Name            string
	RedirectURIs    string `gorm:"column:redirect_uris"`
	ApplicationType string
	ClientURI       string `gorm:"column:client_uri"`
	SoftwareID      string
	SoftwareVersion string
	CreatedAt       time.Time
	UsedAt          *time.Time
}

func (clientRow) TableName() string { return "clients" }

func (c clientRow) redirects() ([]string, error) {
	var out []string
	if err := json.Unmarshal([]byte(c.RedirectURIs), &out); err != nil {
		return nil, fmt.Errorf("read redirect uris of %s: %w", c.ID, err)
	}
	return out, nil
}

// metadata is a registration request and its answer (RFC 7591, section 2). It
// lists what a client may choose; everything else in a request is ignored.
type metadata struct {
	RedirectURIs            []string `json:"redirect_uris"`
	ClientName              string   `json:"client_name,omitempty"`
	ClientURI               string   `json:"client_uri,omitempty"`
	ApplicationType         string   `json:"application_type,omitempty"`
	TokenEndpointAuthMethod string   `json:"token_endpoint_auth_method,omitempty"`
	GrantTypes              []string `json:"grant_types,omitempty"`
	ResponseTypes           []string `json:"response_types,omitempty"`
	Scope                   string   `json:"scope,omitempty"`
	SoftwareID              string   `json:"software_id,omitempty"`
	SoftwareVersion         string   `json:"software_version,omitempty"`
}

type registered struct {
	ClientID         string `json:"client_id"`
	ClientIDIssuedAt int64  `json:"client_id_issued_at"` // seconds since 1970 (RFC 7591, section 3.2.1)
	metadata
}

// accept applies the defaults first, keeps the acceptable redirect URIs, and
// replaces what this server does not offer (RFC 7591, section 2: the server may).
func (m metadata) accept() (metadata, *oauthError) {
	if len(m.RedirectURIs) == 0 {
		return m, &oauthError{Code: "invalid_redirect_uri", Description: "redirect_uris is missing."}
	}
	if len(m.RedirectURIs) > maxRedirects {
		return m, &oauthError{Code: "invalid_redirect_uri", Description: fmt.Sprintf("At most %d redirect_uris.", maxRedirects)}
	}
	var uris []string
	for _, uri := range m.RedirectURIs {
		if registrable(uri) {
			uris = append(uris, uri)
		}
	}
	if len(uris) == 0 {
		return m, &oauthError{Code: "invalid_redirect_uri", Description: "None of the redirect_uris can be used: https, http on localhost, 127.0.0.1 or [::1], or a private-use scheme with a dot in it."}
	}
	out := metadata{
		RedirectURIs: uris, ClientName: cleanName(m.ClientName), ClientURI: webURL(m.ClientURI), ApplicationType: "native",
		TokenEndpointAuthMethod: "none", GrantTypes: grantTypes, ResponseTypes: []string{"code"},
		Scope: "mcp offline_access", SoftwareID: cut(cleanText(m.SoftwareID), 128), SoftwareVersion: cut(cleanText(m.SoftwareVersion), 64),
	}
	if m.ApplicationType == "web" {
		out.ApplicationType = "web"
	}
	return out, nil
}

// register stores a client. used is told apart from created so that the sweep can
// take those that never came back.
func register(tx *tenancy.Tx, m metadata) (registered, *oauthError, error) {
	var n int64
	// Only those that nobody signed in with: whoever has no account must not be able
	// to use the room up for good, and they go after a week.
	if err := tx.DB().Model(&clientRow{}).Where("used_at IS NULL").Count(&n).Error; err != nil {
		return registered{}, nil, err
	}
	if n >= maxUnused {
		return registered{}, &oauthError{Code: "temporarily_unavailable", Description: "Too many clients are registered here. Try again tomorrow.", Status: 429, RetryAfter: time.Hour}, nil
	}
	uris, err := json.Marshal(m.RedirectURIs)
	if err != nil {
		return registered{}, nil, fmt.Errorf("encode redirect uris: %w", err)
	}
	now := tx.Now()
	row := clientRow{
		TenantID: tx.Tenant(), ID: ids.New("cli"), Kind: "dcr", Name: m.ClientName, RedirectURIs: string(uris), ApplicationType: m.ApplicationType,
		ClientURI: m.ClientURI, SoftwareID: m.SoftwareID, SoftwareVersion: m.SoftwareVersion, CreatedAt: now,
	}
	if err := tx.DB().Create(&row).Error; err != nil {
		return registered{}, nil, fmt.Errorf("store client: %w", err)
	}
	err = audit.Record(tx, audit.Entry{
		Action: "client.register", TargetKind: "client", TargetID: row.ID,
		After: map[string]any{"name": m.ClientName, "redirect_uris": m.RedirectURIs},
	})
	if err != nil {
		return registered{}, nil, err
	}
	return registered{ClientID: row.ID, ClientIDIssuedAt: now.Unix(), metadata: m}, nil, nil
}

// findClient reads a client; ok is false where there is none.
func findClient(tx *tenancy.Tx, id string) (row clientRow, ok bool, err error) {
	if id == "" || len(id) > 256 || !storable(id) {
		return clientRow{}, false, nil
	}
	err = tx.DB().Where("id = ?", id).First(&row).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return clientRow{}, false, nil
	}
	return row, err == nil, err
}

// ClientNames reads the names that clients gave themselves, for the log.
func ClientNames(tx *tenancy.Tx, keys []string) (map[string]string, error) {
	out := map[string]string{}
	if len(keys) == 0 {
		return out, nil
	}
	var rows []clientRow
	if err := tx.DB().Where("id IN ?", keys).Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("read clients: %w", err)
	}
	for _, r := range rows {
		out[r.ID] = shownName(r.Name)
	}
	return out, nil
}

func shownName(name string) string {
	if name == "" {
		return "An app without a name"
	}
	return name
}

// cleanName makes a name that somebody else chose safe to show: NFC, nothing
// invisible, at most 60 characters.
func cleanName(name string) string {
	clean := strings.Join(strings.Fields(cleanText(norm.NFC.String(cut(name, 1024)))), " ")
	if runes := []rune(clean); len(runes) > maxClientName {
		clean = string(runes[:maxClientName-1]) + "…"
	}
	return clean
}

// cleanText takes out what does not show, or changes how the rest shows.
func cleanText(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		if unicode.IsControl(r) || r == '\u2800' || unicode.In(r, unicode.Cf, unicode.Co, unicode.Cs, unicode.Other_Default_Ignorable_Code_Point) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
}

// webURL keeps an https address and drops everything else.
func webURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || len(raw) > 512 {
		return ""
	}
	return u.String()
}

func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}
