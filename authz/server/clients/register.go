package clients

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/emcy/gateway/authz/server/oplib"
	"github.com/emcy/gateway/authz/server/scopes"
	"github.com/emcy/gateway/authz/server/settings"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/audit"
)

// Prefixes of what a registration gives out.
const (
	secretPrefix     = "emc_cs"
	managementPrefix = "emc_rat"
)

// Registered is the answer to a registration, and to its reading and update (RFC 7591,
// section 3.2.1; RFC 7592, section 3).
type Registered struct {
	ClientID         string `json:"client_id"`
	ClientIDIssuedAt int64  `json:"client_id_issued_at"` // seconds since 1970
	// ClientSecret is there only when it was just made, ClientSecretExpiresAt, which is
	// zero because secrets do not expire, whenever the client has one.
	ClientSecret            string `json:"client_secret,omitempty"`
	ClientSecretExpiresAt   *int64 `json:"client_secret_expires_at,omitempty"`
	RegistrationAccessToken string `json:"registration_access_token,omitempty"`
	RegistrationClientURI   string `json:"registration_client_uri,omitempty"`
	Metadata
}

// ErrRegistrationOff is the answer where the tenant takes no registrations: as if the
// endpoint were not there.
var ErrRegistrationOff = &oplib.Error{Code: "invalid_request", Description: "This workspace takes no registrations. Ask an administrator for a client_id.", Status: 404}

// Register stores a client that registers itself. issuer is where it is to come back to
// manage the registration.
func (c *Clients) Register(ctx context.Context, h tenancy.Handle, issuer string, asked Metadata) (out Registered, err error) {
	err = c.db.Write(ctx, h, func(tx *tenancy.Tx) error {
		s, err := settings.Load(tx)
		if err != nil {
			return err
		}
		if s.DCR == settings.Off {
			return ErrRegistrationOff
		}
		m, refused := asked.accept(c.outbound, s)
		if refused != nil {
			return refused
		}
		if err := room(tx); err != nil {
			return err
		}
		out, err = c.register(tx, issuer, m, held(s))
		return err
	})
	return out, err
}

// room refuses a client too many. Only those that nobody signed in with count: whoever
// has no account must not be able to use the room up for good, and they go after a week.
func room(tx *tenancy.Tx) error {
	var n int64
	if err := tx.DB().Model(&row{}).Where("used_at IS NULL AND kind <> ?", KindPreregistered).Count(&n).Error; err != nil {
		return fmt.Errorf("count unused clients: %w", err)
	}
	if n < maxUnused {
		return nil
	}
	return makeRoom(tx)
}

// crowded is how many of the oldest registrations go at once where there is no room, and
// spared for how long a new one may still be on its way to a sign-in.
const (
	crowded = 100
	spared  = time.Hour
)

// makeRoom forgets the oldest registrations that nobody signed in with, so that whoever
// fills the room keeps nobody else out.
func makeRoom(tx *tenancy.Tx) error {
	var oldest []string
	err := tx.DB().Model(&row{}).Where("used_at IS NULL AND kind <> ? AND created_at < ?", KindPreregistered, tx.Now().Add(-spared)).
		Order("created_at, id").Limit(crowded).Pluck("id", &oldest).Error
	if err != nil {
		return fmt.Errorf("find unused clients: %w", err)
	}
	if len(oldest) == 0 {
		full := errs.E(errs.RateLimited, "Too many clients are registered here. Try again in an hour.", nil)
		full.RetryAfter = time.Hour
		return full
	}
	if err := tx.DB().Where("id IN ? AND used_at IS NULL", oldest).Delete(&row{}).Error; err != nil {
		return fmt.Errorf("forget unused clients: %w", err)
	}
	return nil
}

func (c *Clients) register(tx *tenancy.Tx, issuer string, m Metadata, status Status) (Registered, error) {
	now := tx.Now()
	r := row{TenantID: tx.Tenant(), ID: ids.New("cli"), Kind: KindDCR, CreatedAt: now, Status: status, Version: 1}
	if err := r.take(m); err != nil {
		return Registered{}, err
	}
	management := ids.Secret(managementPrefix)
	r.ManagementHash = ids.Hash(management)
	secret := r.newSecret()
	if err := tx.DB().Create(&r).Error; err != nil {
		return Registered{}, fmt.Errorf("store client: %w", err)
	}
	err := audit.Record(tx, audit.Entry{
		Action: "client.register", TargetKind: "client", TargetID: r.ID,
		After: map[string]any{"name": m.ClientName, "redirect_uris": m.RedirectURIs},
	})
	if err != nil {
		return Registered{}, err
	}
	return r.registered(tx, issuer, m, secret, management)
}

// take copies accepted metadata into the row.
func (r *row) take(m Metadata) error {
	uris, err := json.Marshal(m.RedirectURIs)
	if err != nil {
		return fmt.Errorf("encode redirect uris: %w", err)
	}
	grants, err := json.Marshal(m.GrantTypes)
	if err != nil {
		return fmt.Errorf("encode grant types: %w", err)
	}
	r.Name, r.RedirectURIs, r.GrantTypes, r.ApplicationType, r.ClientURI = m.ClientName, string(uris), string(grants), m.ApplicationType, m.ClientURI
	r.SoftwareID, r.SoftwareVersion, r.AuthMethod = m.SoftwareID, m.SoftwareVersion, m.TokenEndpointAuthMethod
	r.JWKS, r.JWKSURI, r.DPoPRequired, r.PARRequired = string(m.JWKS), m.JWKSURI, m.DPoPBound, m.RequirePAR
	return nil
}

// newSecret makes one where the client proves itself by one; "" elsewhere: some clients
// take a secret that they did not ask for as the order to send it.
func (r *row) newSecret() (secret string) {
	if r.AuthMethod != AuthBasic && r.AuthMethod != AuthPost {
		return ""
	}
	secret = ids.Secret(secretPrefix)
	r.SecretHash = ids.Hash(secret)
	return secret
}

// registered is the answer. Its scope is what every client may ask for: nothing is
// registered of it, because the tenant's scopes change.
func (r *row) registered(tx *tenancy.Tx, issuer string, m Metadata, secret, management string) (Registered, error) {
	catalogue, err := scopes.Load(tx)
	if err != nil {
		return Registered{}, err
	}
	m.Scope = catalogue.Supported().String()
	out := Registered{
		ClientID: r.ID, ClientIDIssuedAt: r.CreatedAt.Unix(), ClientSecret: secret, Metadata: m,
		RegistrationAccessToken: management, RegistrationClientURI: issuer + "/register/" + r.ID,
	}
	if r.SecretHash != "" {
		out.ClientSecretExpiresAt = new(int64)
	}
	return out, nil
}
