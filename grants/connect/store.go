package connect

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/emcy/gateway/grants"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
)

const (
	connectsTable = "connects"
	secretsField  = "secrets"
)

// Purpose is what a way to a provider is for.
type Purpose string

// The purposes.
const (
	// ForConnect makes a grant of somebody who is signed in.
	ForConnect Purpose = "connect"
	// ForSignIn signs somebody in, and makes their grant.
	ForSignIn Purpose = "sign_in"
	// ForTrial shows an administrator what the provider does.
	ForTrial Purpose = "trial"
)

type connectRow struct {
	TenantID         string
	StateHash        string
	ProfileID        string
	Purpose          string
	Subject          string
	UpstreamID       string
	AttemptID        string
	LinkHash         string
	BrowserHash      string
	Issuer           string
	Scopes           string
	ClientGeneration int
	Secrets          []byte
	CreatedAt        time.Time
	ExpiresAt        time.Time
	UsedAt           *time.Time
}

func (connectRow) TableName() string { return connectsTable }

func (r connectRow) scopes() []string { return strings.Fields(r.Scopes) }

// secrets are what only the one who began can know.
type secrets struct {
	Nonce    string `json:"nonce"`
	Verifier string `json:"verifier"`
}

func (r *connectRow) seal(tx *tenancy.Tx, own secrets) error {
	raw, err := json.Marshal(own)
	if err != nil {
		return err
	}
	r.Secrets, err = tx.Seal(connectsTable, secretsField, r.StateHash, raw)
	return err
}

func (r connectRow) open(tx *tenancy.Tx) (own secrets, err error) {
	raw, err := tx.Open(connectsTable, secretsField, r.StateHash, r.Secrets)
	if err == nil {
		err = json.Unmarshal(raw, &own)
	}
	return own, err
}

// grantOf is a person's grant of a profile; the zero Grant where there is none.
func grantOf(tx *tenancy.Tx, profileID, subject string) (grants.Grant, error) {
	if subject == "" {
		return grants.Grant{}, nil
	}
	g, err := grants.Find(tx, profileID, subject)
	if errs.Is(err, errs.NotFound) {
		return grants.Grant{}, nil
	}
	return g, err
}

// lives reports whether calls can go on with a grant.
func lives(g grants.Grant) bool {
	switch g.State {
	case grants.StateConnected, grants.StateRefreshing, grants.StateRefreshFailing:
		return true
	case grants.StateNone, grants.StateNeedsReconnect, grants.StateRevoked:
	}
	return false
}
