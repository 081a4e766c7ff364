package flow

import "time"

// AttemptLife is how long a person has to sign in and decide.
const AttemptLife = 10 * time.Minute

const (
	maxID         = 64 // bytes
	promptLogin   = "login"
	sessionPrefix = "emc_es"
	// SessionLife ends an end user's session at a tenant's origin. It only saves
	// typing the password again when a second client is connected the same day.
	SessionLife = 12 * time.Hour
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
	CreatedAt     time.Time
	ExpiresAt     time.Time
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
	CreatedAt   time.Time
}

func (consentRow) TableName() string { return "consents" }
