package flow

import (
	"time"

	"github.com/emcy/gateway/authz"
)

// AttemptLife is how long a person has to sign in and decide.
const AttemptLife = 10 * time.Minute

const (
	maxID         = 64 // bytes
	promptLogin   = "login"
	promptConsent = "consent"
	sessionPrefix = "emc_es"
	// SessionLife ends an end user's session at a tenant's origin, SessionIdle one
	// that is not used. It only saves typing the password again when a second client
	// is connected the same day.
	SessionLife = 12 * time.Hour
	SessionIdle = 2 * time.Hour
	seenEvery   = 5 * time.Minute

	oneDay     = 24 * time.Hour
	thirtyDays = 30 * oneDay
)

type attemptRow struct {
	TenantID      string
	ID            string
	BrowserHash   string
	ClientID      string
	UpstreamID    string
	RedirectURI   string `gorm:"column:redirect_uri"`
	ResponseMode  string
	State         string
	Scope         string
	Resource      string
	CodeChallenge string
	Nonce         string
	Prompt        string
	Subject       string
	Answer        []byte
	// ConsentID and Granted are a yes whose answer waits for an account to be connected.
	ConsentID  string
	Granted    string
	DPoPJKT    string `gorm:"column:dpop_jkt"`
	DeviceHash string
	TraceID    string
	CreatedAt  time.Time
	ExpiresAt  time.Time
}

func (attemptRow) TableName() string { return "attempts" }

type sessionRow struct {
	TenantID  string
	IDHash    string
	Subject   string
	Origin    string
	CreatedAt time.Time
	SeenAt    time.Time
	ExpiresAt time.Time
}

func (sessionRow) TableName() string { return "end_user_sessions" }

type consentRow struct {
	TenantID    string
	ID          string
	Subject     string
	ClientID    string
	UpstreamID  string
	Scope       string
	RedirectURI string `gorm:"column:redirect_uri"`
	Seconds     int64
	CreatedAt   time.Time
	RevokedAt   *time.Time
}

func (consentRow) TableName() string { return "consents" }

func (c consentRow) scopes() authz.Scopes { return authz.ParseScopes(c.Scope) }

// until is when the consent ends by itself. One without a term is from before there
// was a choice.
func (c consentRow) until() time.Time {
	if c.Seconds == 0 {
		return c.CreatedAt.Add(90 * oneDay)
	}
	return c.CreatedAt.Add(time.Duration(c.Seconds) * time.Second)
}
