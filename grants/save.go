package grants

import (
	"fmt"
	"strings"

	"gorm.io/gorm/clause"

	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/internal/secret"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/audit"
)

// Connected is what a connect brought back from a provider.
type Connected struct {
	ProfileID, Subject string
	Tokens             provider.Tokens
	Account            provider.Account
	// ClientGeneration names the profile's client that the tokens were issued to.
	ClientGeneration int
	// Scopes are those that were asked for: the union of what the grant had and of what
	// was missing. They count where the provider does not say what it granted (RFC 6749,
	// section 5.1).
	Scopes []string
}

// Save stores the tokens of a connect: a new grant, or the next token set of the one
// that is there. It is part of the connect's transaction.
func (s *Service) Save(tx *tenancy.Tx, n Connected) (Grant, error) {
	if n.Tokens.Access.Empty() {
		return Grant{}, errs.E(errs.UpstreamFailed, "The provider gave no access token.", nil)
	}
	p, err := profiles.Get(tx, n.ProfileID)
	if err != nil {
		return Grant{}, fmt.Errorf("save grant: %w", err)
	}
	row, err := ensure(tx, n.ProfileID, n.Subject)
	if err != nil {
		return Grant{}, err
	}
	scopes := n.Scopes
	if n.Tokens.Scope != nil {
		scopes = n.Tokens.Scope
	}
	now := tx.Now()
	next := row
	next.State, next.AccountID, next.AccountName, next.Scopes = string(StateConnected), n.Account.ID, n.Account.Name, strings.Join(scopes, " ")
	next.ExpiresAt, next.RefreshExpiresAt, next.ClientGeneration = n.Tokens.ExpiresAt, n.Tokens.RefreshExpiresAt, n.ClientGeneration
	next.Generation, next.ConnectedAt, next.RefreshedAt, next.UsedAt = row.Generation+1, now, nil, nil
	refresh := n.Tokens.Refresh
	if refresh.Empty() && row.keepsRefresh(n) {
		// Some providers give a refresh token with the first consent only; the one that is there goes on.
		if refresh, err = row.refresh(tx); err != nil {
			return Grant{}, err
		}
		next.RefreshExpiresAt = row.RefreshExpiresAt
	}
	if next.AccessToken, next.RefreshToken, err = sealPair(tx, row.ID, n.Tokens.Access, refresh); err != nil {
		return Grant{}, err
	}
	next.RefreshDueAt = next.due(now, p.Settings.KeepAlive)
	changes := map[string]any{
		"state": next.State, "reason": "", "reason_text": "", "account_id": next.AccountID, "account_name": next.AccountName, "scopes": next.Scopes,
		"access_token": next.AccessToken, "refresh_token": next.RefreshToken, "token_type": tokenType(n.Tokens.Type),
		"expires_at": next.ExpiresAt, "refresh_expires_at": next.RefreshExpiresAt, "refresh_due_at": next.RefreshDueAt, "retry_at": nil, "warned_at": nil,
		"client_generation": next.ClientGeneration, "generation": next.Generation, "failures": 0, "rotates": p.Settings.Style.Rotates, "refresh_extends": "",
		"lease_id": "", "lease_until": nil, "flight_started_at": nil, "suspect_at": nil, "connected_at": now, "refreshed_at": nil, "used_at": nil,
	}
	return connected(tx, row, next, changes)
}

// SaveKey stores an API key that a person typed in for a profile of that kind. Errors:
// errs.Invalid about the field "key".
func (s *Service) SaveKey(tx *tenancy.Tx, profileID, subject string, key secret.Text) (Grant, error) {
	p, err := profiles.Get(tx, profileID)
	if err != nil {
		return Grant{}, fmt.Errorf("save key: %w", err)
	}
	if p.Kind != profiles.KindAPIKey {
		return Grant{}, errs.E(errs.Invalid, "This profile takes no keys.", nil)
	}
	value := strings.TrimSpace(key.Reveal())
	if message := keyFault(value); message != "" {
		return Grant{}, errs.Field("key", message)
	}
	row, err := ensure(tx, profileID, subject)
	if err != nil {
		return Grant{}, err
	}
	now := tx.Now()
	next := row
	next.State, next.Generation, next.ConnectedAt = string(StateConnected), row.Generation+1, now
	if next.AccessToken, _, err = sealPair(tx, row.ID, secret.New(value), secret.Text{}); err != nil {
		return Grant{}, err
	}
	changes := wiped(StateConnected, "", "")
	changes["access_token"], changes["generation"], changes["connected_at"] = next.AccessToken, next.Generation, now
	changes["failures"], changes["scopes"], changes["used_at"], changes["refreshed_at"] = 0, "", nil, nil
	next.ExpiresAt, next.RefreshToken, next.RefreshExpiresAt, next.RefreshDueAt, next.Scopes = nil, nil, nil, nil, ""
	return connected(tx, row, next, changes)
}

// maxKey is the longest key, in bytes: it has to fit into a header.
const maxKey = 4096

// keyFault says why a key cannot be one; it goes into a header.
func keyFault(key string) string {
	switch {
	case key == "":
		return "Type in the key."
	case len(key) > maxKey:
		return "The key is too long."
	case strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' }):
		return "The key has a character that cannot be in a key. Copy it again."
	}
	return ""
}

// connected writes a new token set, with its trace in the audit log.
func connected(tx *tenancy.Tx, row, next grantRow, changes map[string]any) (Grant, error) {
	if err := mustUpdate(tx, row, changes); err != nil {
		return Grant{}, fmt.Errorf("store grant: %w", err)
	}
	next.Version, next.Reason, next.ReasonText, next.Failures, next.LeaseID, next.SuspectAt = row.Version+1, "", "", 0, "", nil
	err := audit.Record(tx, audit.Entry{
		Action: "grant.connect", TargetKind: "grant", TargetID: row.ID,
		After: map[string]any{"profile": row.ProfileID, "subject": row.Subject, "account": next.AccountName, "scopes": next.Scopes},
	})
	if err != nil {
		return Grant{}, err
	}
	return next.grant(), nil
}

// ensure gives the row of a profile and subject, locked. A new one is a revoked grant
// until the same transaction connects it.
func ensure(tx *tenancy.Tx, profileID, subject string) (grantRow, error) {
	if subject == "" {
		return grantRow{}, errs.E(errs.Invalid, "A grant needs somebody who it belongs to.", nil)
	}
	now := tx.Now()
	fresh := grantRow{
		TenantID: tx.Tenant(), ID: ids.New("grt"), ProfileID: profileID, Subject: subject, State: string(StateRevoked), TokenType: "Bearer",
		ConnectedAt: now, CreatedAt: now, UpdatedAt: now,
	}
	if err := tx.DB().Clauses(clause.OnConflict{DoNothing: true}).Omit("DatabaseNow").Create(&fresh).Error; err != nil {
		return grantRow{}, fmt.Errorf("make grant: %w", err)
	}
	return lock(tx, "profile_id = ? AND subject = ?", profileID, subject)
}

// keepsRefresh tells whether the stored refresh token goes on beside new tokens that
// came without one: of the same account and client.
func (r grantRow) keepsRefresh(n Connected) bool {
	return r.usable() && len(r.RefreshToken) > 0 && r.AccountID == n.Account.ID && r.ClientGeneration == n.ClientGeneration && r.FlightStartedAt == nil
}

func tokenType(t string) string {
	if t == "" {
		return "Bearer"
	}
	return t
}
