package grants

import (
	"slices"
	"strings"
	"time"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/secret"
)

// State is where a grant stands.
type State string

// The states. StateRefreshing is derived from a living lease and never stored; StateNone
// is the state of a grant that does not exist.
const (
	StateNone           State = ""
	StateConnected      State = "connected"
	StateRefreshing     State = "refreshing"
	StateRefreshFailing State = "refresh_failing"
	StateNeedsReconnect State = "needs_reconnect"
	StateRevoked        State = "revoked"
)

// Grant is a grant without its tokens.
type Grant struct {
	ID, ProfileID, Subject string
	State                  State
	// Reason is a code of this package, ReasonText says it in words; both are empty
	// while all is well.
	Reason, ReasonText     string
	AccountID, AccountName string
	Scopes                 []string
	// ExpiresAt is when the access token ends; nil where it does not, or nobody said.
	ExpiresAt *time.Time
	// RefreshExpiresAt is when the refresh token ends, where the provider said so.
	RefreshExpiresAt *time.Time
	// RefreshDueAt is when the queue refreshes it next; nil where it cannot.
	RefreshDueAt *time.Time
	ConnectedAt  time.Time
	RefreshedAt  *time.Time
	// UpdatedAt is when it changed last.
	UpdatedAt time.Time
	// UsedAt is when it was last asked for, to the hour.
	UsedAt *time.Time
	// SuspectAt is when a runtime last refused the token that is current.
	SuspectAt *time.Time
	// Failures counts the refreshes that failed in a row.
	Failures int
	// Rotates tells whether the provider gave a new refresh token with a refresh:
	// "yes", "no", or "" before the first.
	Rotates string
	// Refreshable tells whether there is a refresh token.
	Refreshable bool
	// Generation counts the token sets, Version every change, ClientGeneration names
	// the profile's client that the tokens were issued to.
	Generation, Version int64
	ClientGeneration    int
}

// Query is what a call needs.
type Query struct {
	ProfileID, UpstreamID, Subject string
	// Scopes are those that the call needs.
	Scopes []string
	// Audience asks for a token of another audience, exchanged for the grant's (RFC
	// 8693); "" for the grant's own.
	Audience string
}

// Credential is what the edge sends to a runtime.
type Credential struct {
	Token secret.Text
	// Header and Format say how an API key is sent; empty for tokens.
	Header, Format string
	GrantID        string
	// Generation is the token set's; Suspect and Refresh want it back.
	Generation int64
	// ExpiresAt is nil where the credential does not end by itself.
	ExpiresAt *time.Time
	Scopes    []string
}

// Missing says why there is no credential. It is the cause of an errs.NeedsConsent or
// errs.DownstreamRejected.
type Missing struct {
	ProfileID, Profile string
	// Kind is the profile's: a person types in a key, or signs in.
	Kind string
	// Have and Need are scopes; Need is empty where no scope is the reason.
	Have, Need         []string
	State              State
	Reason, ReasonText string
}

// Error is for logs.
func (m *Missing) Error() string {
	return "no downstream credential of profile " + m.ProfileID + ": " + m.why()
}

func (m *Missing) why() string {
	switch {
	case m.ReasonText != "":
		return m.ReasonText
	case len(m.Need) > 0:
		return "It lacks permissions: " + strings.Join(m.Need, " ") + "."
	}
	return "It is not connected."
}

// refusal is the error that carries m: of a grant that died, or of one that is not
// there or not wide enough.
func (m *Missing) refusal() error {
	name := m.Profile
	if name == "" {
		name = "The account behind this runtime"
	}
	if m.State == StateNeedsReconnect || m.Reason == reasonRefused {
		return errs.E(errs.DownstreamRejected, name+" has to be connected again. "+m.why(), m)
	}
	if len(m.Need) > 0 && m.State != StateNone && m.State != StateRevoked {
		return errs.E(errs.NeedsConsent, name+" has to be connected again with more permissions: "+strings.Join(m.Need, " ")+".", m)
	}
	return errs.E(errs.NeedsConsent, name+" has to be connected first.", m)
}

// Union joins scopes: what a connect asks for where a grant has some already.
func Union(have, need []string) []string {
	return authz.Scopes(have).Union(authz.Scopes(need))
}

// aboutThePerson are the scopes that only say who somebody is, or bring a refresh token
// (OpenID Connect Core, sections 5.4 and 11).
var aboutThePerson = []string{"openid", "profile", "email", "address", "phone", "offline_access"}

// Unlisted are those of the scopes that providers take and do not list among what they
// gave: they count as given.
func Unlisted(p profiles.Profile, scopes []string) []string {
	var out []string
	for _, name := range scopes {
		if slices.Contains(aboutThePerson, name) || name == p.Settings.Style.OfflineScope {
			out = append(out, name)
		}
	}
	return out
}
