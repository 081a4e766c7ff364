package profiles

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/secret"
	"github.com/emcy/gateway/tenancy"
)

// made is a client that is not stored yet.
type made struct {
	kind, id, authMethod         string
	secret, registration         secret.Text
	key                          *jose.JSONWebKey
	registrationURI, redirectURI string
	secretExpiresAt              *time.Time
}

// checkClient tidies what was typed of our client.
func (f faults) checkClient(c *ClientInput) {
	if c.KeyAlg == "" {
		c.KeyAlg = KeyES256
	}
	if c.KeyAlg != KeyES256 && c.KeyAlg != KeyRS256 {
		f.add("key_alg", "Choose one of the two.")
	}
	switch c.Kind {
	case CIMD, DCR:
		if c.Kind == CIMD {
			c.InitialToken = secret.Text{}
		}
		if typed := strings.TrimSpace(c.InitialToken.Reveal()); len(typed) > maxSecret || !printable(typed) {
			f.add("initial_token", "This cannot be a token. Copy it from the provider once more.")
		}
		*c = ClientInput{Kind: c.Kind, KeyAlg: c.KeyAlg, InitialToken: secret.New(strings.TrimSpace(c.InitialToken.Reveal()))}
		return
	case Preregistered:
	default:
		f.add("client_kind", "Choose how the gateway becomes a client of the provider.")
		return
	}
	f.line("client_id", &c.ID, maxField, true)
	if !slices.Contains([]string{AuthNone, AuthBasic, AuthPost, AuthKey}, c.AuthMethod) {
		f.add("auth_method", "Choose how the gateway proves itself.")
	}
	typed := strings.TrimSpace(c.Secret.Reveal())
	c.Secret = secret.New(typed)
	withSecret := c.AuthMethod == AuthBasic || c.AuthMethod == AuthPost
	switch {
	case len(typed) > maxSecret || !printable(typed):
		f.add("client_secret", "This cannot be a client secret. Copy it from the provider once more.")
	case withSecret && typed == "":
		f.add("client_secret", "Type the client secret, or choose another way in which the gateway proves itself.")
	case !withSecret && typed != "":
		f.add("client_secret", "With this way of proving itself the gateway uses no secret. Leave it empty, or choose another way.")
	}
}

// newClient makes the client that was asked for: nil for a kind without one. A client
// that is registered by us is there at the provider when this returns.
func (p *Profiles) newClient(ctx context.Context, h tenancy.Handle, id string, d draft, in ClientInput) (*made, error) {
	if d.Kind == KindAPIKey {
		return nil, nil
	}
	var origin string
	err := p.cfg.DB.Read(ctx, h, func(tx *tenancy.Tx) (err error) {
		origin, err = p.cfg.Origin(tx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read origin: %w", err)
	}
	switch in.Kind {
	case CIMD:
		return cimdClient(origin, id, d, in.KeyAlg)
	case DCR:
		return p.register(ctx, origin, id, d, in)
	}
	out := &made{kind: Preregistered, id: in.ID, authMethod: in.AuthMethod, secret: in.Secret}
	if in.AuthMethod == AuthKey {
		if out.key, err = newKey(in.KeyAlg); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// cimdClient is the client that our document describes. It proves itself with a key
// where the provider takes one.
func cimdClient(origin, id string, d draft, alg string) (*made, error) {
	e := d.endpoints()
	if !e.CIMD && d.Discovery != Manual {
		return nil, errs.Field("client_kind", "This provider's metadata does not say that it takes a client ID metadata document. Register the gateway there instead.")
	}
	out := &made{kind: CIMD, id: origin + DocumentPath(id), authMethod: AuthNone, redirectURI: origin + CallbackPath(id)}
	if !slices.Contains(e.AuthMethods, AuthKey) {
		return out, nil
	}
	out.authMethod = AuthKey
	var err error
	out.key, err = newKey(alg)
	return out, err
}

// store seals the client into a row of its own.
func (m *made) store(tx *tenancy.Tx, profileID string, generation int) error {
	row := clientRow{
		TenantID: tx.Tenant(), ProfileID: profileID, Generation: generation, Kind: m.kind, ClientID: m.id, AuthMethod: m.authMethod,
		RegistrationURI: m.registrationURI, RedirectURI: m.redirectURI, SecretExpiresAt: m.secretExpiresAt, CreatedAt: tx.Now(),
	}
	var key []byte
	if m.key != nil {
		var err error
		if key, err = json.Marshal(m.key); err != nil {
			return errKey
		}
	}
	for _, one := range []struct {
		column string
		plain  []byte
		into   *[]byte
	}{
		{"client_secret", []byte(m.secret.Reveal()), &row.ClientSecret},
		{"private_key", key, &row.PrivateKey},
		{"registration_token", []byte(m.registration.Reveal()), &row.RegistrationToken},
	} {
		sealed, err := tx.Seal(clientsTable, one.column, row.place(), one.plain)
		if err != nil {
			return fmt.Errorf("seal %s: %w", one.column, err)
		}
		*one.into = sealed
	}
	return tx.DB().Create(&row).Error
}

// take puts a draft into the row.
func (r *profileRow) take(d draft) error {
	r.Name, r.Issuer, r.SignIn = d.Name, d.Issuer, d.SignIn
	var err error
	if r.Settings, err = encode(d.Settings); err != nil {
		return err
	}
	if d.Kind == KindAPIKey || d.Discovery == Manual {
		r.Metadata, r.DiscoveredAt, r.DiscoveryError = "", nil, ""
		return nil
	}
	if d.found {
		r.DiscoveryError = ""
		r.Metadata, err = encode(d.discovered)
	}
	return err
}
