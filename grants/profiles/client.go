package profiles

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/secret"
	"github.com/emcy/gateway/tenancy"
)

// Kinds of our client at a provider.
const (
	// Preregistered was made by hand at the provider.
	Preregistered = "preregistered"
	// CIMD is a client ID metadata document of our own.
	CIMD = "cimd"
	// DCR was registered by us (RFC 7591).
	DCR = "dcr"
)

// How our client proves itself (OpenID Connect Core, section 9; RFC 7591, section 2).
const (
	AuthNone  = provider.AuthNone
	AuthBasic = provider.AuthBasic
	AuthPost  = provider.AuthPost
	AuthKey   = provider.AuthPrivateKey
)

// ClientInfo is our client at a provider, without what it proves itself with.
type ClientInfo struct {
	// Kind is Preregistered, CIMD or DCR; "" of a profile that has no client.
	Kind string
	// ID is the client ID.
	ID         string
	Generation int
	// AuthMethod is AuthNone, AuthBasic, AuthPost or AuthKey.
	AuthMethod        string
	HasSecret, HasKey bool
	// RedirectURI is the one that was registered; "" where we registered nothing.
	RedirectURI string
	// SecretExpiresAt is when the provider ends the secret; nil when it does not.
	SecretExpiresAt *time.Time
	CreatedAt       time.Time
}

func (r clientRow) info() ClientInfo {
	return ClientInfo{
		Kind: r.Kind, ID: r.ClientID, Generation: r.Generation, AuthMethod: r.AuthMethod, HasSecret: len(r.ClientSecret) > 0, HasKey: len(r.PrivateKey) > 0,
		RedirectURI: r.RedirectURI, SecretExpiresAt: r.SecretExpiresAt, CreatedAt: r.CreatedAt,
	}
}

// Config opens what is needed to speak to a profile's provider as the client of a
// generation; 0 is the newest. The generation names a client ID: its newest credential
// is used, because a provider that rotated a secret takes the old one no more, for old
// grants either. origin is the tenant's; it may be "" where no redirect URI is needed.
// Errors: errs.NotFound.
func Config(tx *tenancy.Tx, profileID string, generation int, origin string) (provider.Config, error) {
	row, err := loadProfile(tx, profileID, false)
	if err != nil {
		return provider.Config{}, err
	}
	p, err := row.profile()
	if err != nil {
		return provider.Config{}, err
	}
	if generation == 0 {
		generation = row.Generation
	}
	client, found, err := loadClient(tx, profileID, generation)
	if err != nil {
		return provider.Config{}, err
	}
	if found && generation != row.Generation {
		client, found, err = newestOf(tx, profileID, client.ClientID)
		if err != nil {
			return provider.Config{}, err
		}
	}
	if !found || client.RetiredAt != nil {
		return provider.Config{}, errs.E(errs.NotFound, "The profile has no such client any more.", nil)
	}
	out := provider.Config{Endpoints: p.Endpoints(), Style: p.Settings.Style}
	if origin != "" {
		out.RedirectURI = origin + CallbackPath(profileID)
	}
	if out.Client, err = client.open(tx); err != nil {
		return provider.Config{}, err
	}
	return out, nil
}

// place is the row that a client's secrets are sealed for.
func (r clientRow) place() string { return fmt.Sprintf("%s/%d", r.ProfileID, r.Generation) }

func (r clientRow) open(tx *tenancy.Tx) (provider.Client, error) {
	out := provider.Client{ID: r.ClientID, AuthMethod: r.AuthMethod}
	plain, err := tx.Open(clientsTable, "client_secret", r.place(), r.ClientSecret)
	if err != nil {
		return provider.Client{}, fmt.Errorf("open client secret of %s: %w", r.place(), err)
	}
	out.Secret = secret.New(string(plain))
	if out.Key, err = r.key(tx); err != nil {
		return provider.Client{}, err
	}
	return out, nil
}

// key opens the private key, nil where the client has none.
func (r clientRow) key(tx *tenancy.Tx) (*jose.JSONWebKey, error) {
	plain, err := tx.Open(clientsTable, "private_key", r.place(), r.PrivateKey)
	if err != nil {
		return nil, fmt.Errorf("open private key of %s: %w", r.place(), err)
	}
	if plain == nil {
		return nil, nil
	}
	var key jose.JSONWebKey
	if err := json.Unmarshal(plain, &key); err != nil {
		return nil, fmt.Errorf("read private key of %s: %w", r.place(), errKey)
	}
	return &key, nil
}
