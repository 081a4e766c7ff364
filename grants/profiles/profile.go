package profiles

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/tenancy"
)

// Kind is what a profile's grants are made of.
type Kind string

// The kinds.
const (
	// KindOAuth grants come from the provider's authorization code flow.
	KindOAuth Kind = "oauth"
	// KindAPIKey grants are keys that each person types in.
	KindAPIKey Kind = "api_key"
	// KindExchange grants are tokens for which the provider takes our assertion (RFC 8693).
	KindExchange Kind = "exchange"
)

// How a profile's endpoints are found, in Settings.Discovery.
const (
	// ByIssuer reads the issuer's metadata (RFC 8414, OpenID Connect Discovery).
	ByIssuer = "issuer"
	// ByResource asks a runtime that is itself an OAuth resource for its authorization server (RFC 9728).
	ByResource = "resource"
	// Manual takes the endpoints that were typed.
	Manual = "manual"
)

// Whether the account at the provider has to be the person who is signed in, in Settings.Match.
const (
	// MatchAny takes any account.
	MatchAny = "any"
	// MatchEmail wants the person's own, verified e-mail address.
	MatchEmail = "email"
)

// SubjectAssertion is the subject token of an exchange: a JWT signed by the tenant's key.
const SubjectAssertion = "assertion"

// KeyPlaceholder stands in KeyRule.Format where the key goes.
const KeyPlaceholder = "{key}"

// Settings are a profile's settings but for its client.
type Settings struct {
	// Endpoints are the typed ones, of a profile whose Discovery is Manual.
	Endpoints provider.Endpoints `json:"endpoints"`
	// Discovery is ByIssuer, ByResource or Manual.
	Discovery string `json:"discovery,omitempty"`
	// ResourceURL is the runtime that was asked, with ByResource.
	ResourceURL string `json:"resource_url,omitempty"`
	// Scopes is the set from which runtimes take theirs.
	Scopes []string `json:"scopes,omitempty"`
	// ScopeText says in words what a scope is, for pages.
	ScopeText map[string]string `json:"scope_text,omitempty"`
	// Style is how the provider differs from the standards.
	Style provider.Style `json:"style"`
	// Match is MatchAny or MatchEmail.
	Match string `json:"match,omitempty"`
	// KeepAlive is the longest time that a grant goes without a refresh, so that a refresh token which ends unused does not; 0: a day.
	KeepAlive time.Duration `json:"keep_alive,omitempty"`
	// APIKey is the rule of a profile of kind KindAPIKey.
	APIKey KeyRule `json:"api_key"`
	// Exchange is the rule of a profile of kind KindExchange.
	Exchange ExchangeRule `json:"exchange"`
}

// KeyRule says what people type in and how the runtime gets it.
type KeyRule struct {
	// Label and Help stand by the field on the connect page.
	Label string `json:"label,omitempty"`
	Help  string `json:"help,omitempty"`
	// Header carries the key; Format is its value, with KeyPlaceholder in it.
	Header string `json:"header,omitempty"`
	Format string `json:"format,omitempty"`
	// CheckURL answers a GET with a key with 2xx where the key is good; "" checks nothing.
	CheckURL string `json:"check_url,omitempty"`
}

// ExchangeRule says what is asked for in a token exchange (RFC 8693, section 2.1).
type ExchangeRule struct {
	SubjectToken string   `json:"subject_token,omitempty"`
	Audience     string   `json:"audience,omitempty"`
	Resource     string   `json:"resource,omitempty"`
	Scopes       []string `json:"scopes,omitempty"`
}

// Profile is a profile, without any secret.
type Profile struct {
	ID, Name string
	Kind     Kind
	// Preset is the id of the preset that it was made from; "" of an API key.
	Preset string
	// Issuer is the authorization server's; "" where it is not known.
	Issuer   string
	Settings Settings
	// Discovered is what discovery found last; Endpoints are those in force.
	Discovered     provider.Endpoints
	DiscoveredAt   *time.Time
	DiscoveryError string
	// HostsMoved says that the error is about hosts which Rediscover can accept.
	HostsMoved bool
	// SignIn says that the provider is the sign-in of the runtimes that it is attached to.
	SignIn bool
	// Generation is the newest client's.
	Generation int
	// Client is the newest client; the zero value for a kind that has none.
	Client    ClientInfo
	Version   int64
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Endpoints are the provider's endpoints in force.
func (p Profile) Endpoints() provider.Endpoints {
	if p.Settings.Discovery == Manual {
		return p.Settings.Endpoints
	}
	return p.Discovered
}

// CallbackPath is where a provider sends the browser back to, on the tenant's origin.
// Every profile has its own, so that one provider cannot answer for another (RFC
// 9700, section 4.4.2.2).
func CallbackPath(profileID string) string { return "/connect/callback/" + profileID }

var idPattern = regexp.MustCompile(`^prf_[0-9a-z]{26}$`)

// NewID makes the id of a profile to come, so that its redirect URI can be shown, and
// registered at the provider, before there is anything to store.
func NewID() string { return ids.New("prf") }

// ValidID reports whether an id can be a profile's.
func ValidID(id string) bool { return idPattern.MatchString(id) }

var errNoProfile = errs.E(errs.NotFound, "There is no such profile.", nil)

// Get reads a profile with its newest client. Errors: errs.NotFound.
func Get(tx *tenancy.Tx, id string) (Profile, error) {
	row, err := loadProfile(tx, id, false)
	if err != nil {
		return Profile{}, err
	}
	return assembled(tx, row)
}

// List gives the tenant's profiles by name, with their newest clients.
func List(tx *tenancy.Tx) ([]Profile, error) {
	var rows []profileRow
	if err := tx.DB().Order("name, id").Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("list profiles: %w", err)
	}
	var clients []clientRow
	if err := tx.DB().Where("retired_at IS NULL").Find(&clients).Error; err != nil {
		return nil, fmt.Errorf("list clients of profiles: %w", err)
	}
	out := make([]Profile, len(rows))
	for i, row := range rows {
		var err error
		if out[i], err = row.profile(); err != nil {
			return nil, err
		}
		at := slices.IndexFunc(clients, func(c clientRow) bool { return c.ProfileID == row.ID && c.Generation == row.Generation })
		if at >= 0 {
			out[i].Client = clients[at].info()
		}
	}
	return out, nil
}

func assembled(tx *tenancy.Tx, row profileRow) (Profile, error) {
	p, err := row.profile()
	if err != nil {
		return Profile{}, err
	}
	client, found, err := loadClient(tx, row.ID, row.Generation)
	if err != nil {
		return Profile{}, err
	}
	if found {
		p.Client = client.info()
	}
	return p, nil
}

func (r profileRow) profile() (Profile, error) {
	p := Profile{
		ID: r.ID, Name: r.Name, Kind: Kind(r.Kind), Preset: r.Preset, Issuer: r.Issuer, SignIn: r.SignIn, Generation: r.Generation, Version: r.Version,
		DiscoveredAt: r.DiscoveredAt, DiscoveryError: r.DiscoveryError, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
	}
	p.HostsMoved = strings.HasPrefix(p.DiscoveryError, movedTextStart)
	if err := json.Unmarshal([]byte(r.Settings), &p.Settings); err != nil {
		return Profile{}, fmt.Errorf("read settings of %s: %w", r.ID, err)
	}
	if r.Metadata == "" {
		return p, nil
	}
	if err := json.Unmarshal([]byte(r.Metadata), &p.Discovered); err != nil {
		return Profile{}, fmt.Errorf("read metadata of %s: %w", r.ID, err)
	}
	return p, nil
}
