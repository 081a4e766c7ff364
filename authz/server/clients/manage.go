package clients

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/emcy/gateway/authz/server/oplib"
	"github.com/emcy/gateway/authz/server/settings"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/audit"
)

// ErrManagement is the one answer to a wrong registration access token, to another
// client's, and for a client that is none (RFC 7592, section 2.1).
var ErrManagement = &oplib.Error{Code: "invalid_token", Description: "This registration access token is not valid for this client.", Status: http.StatusUnauthorized}

// Change is a request to update a registration (RFC 7592, section 2.2). The members that
// only the server sets are read to be refused.
type Change struct {
	ClientID                string         `json:"client_id"`
	ClientSecret            string         `json:"client_secret,omitempty"`
	RegistrationAccessToken jsontext.Value `json:"registration_access_token,omitempty"`
	RegistrationClientURI   jsontext.Value `json:"registration_client_uri,omitempty"`
	ClientSecretExpiresAt   jsontext.Value `json:"client_secret_expires_at,omitempty"`
	ClientIDIssuedAt        jsontext.Value `json:"client_id_issued_at,omitempty"`
	Metadata
}

// ReadRegistration gives a self-registered client its registration (RFC 7592, section
// 2.1). The secret is not in it: only its hash is kept.
func (c *Clients) ReadRegistration(ctx context.Context, h tenancy.Handle, issuer, id, token string) (out Registered, err error) {
	err = c.db.Read(ctx, h, func(tx *tenancy.Tx) error {
		r, err := managed(tx, id, token)
		if err != nil {
			return err
		}
		m, err := r.metadata()
		if err != nil {
			return err
		}
		out, err = r.registered(tx, issuer, m, "", token)
		return err
	})
	return out, err
}

// UpdateRegistration replaces a registration: what the change leaves out goes back to its
// default. The registration access token is a new one afterwards.
func (c *Clients) UpdateRegistration(ctx context.Context, h tenancy.Handle, issuer, id, token string, change Change) (out Registered, err error) {
	err = c.db.Write(ctx, h, func(tx *tenancy.Tx) error {
		r, err := managed(tx, id, token)
		if err != nil {
			return err
		}
		s, err := settings.Load(tx)
		if err != nil {
			return err
		}
		if refused := change.check(r, tx); refused != nil {
			return refused
		}
		m, refused := change.accept(c.outbound, s)
		if refused != nil {
			return refused
		}
		out, err = c.update(tx, s, issuer, r, m)
		return err
	})
	return out, err
}

func (ch Change) check(r row, tx *tenancy.Tx) *oplib.Error {
	switch {
	case ch.ClientID != r.ID:
		return refuseMetadata("invalid_client_metadata", "client_id must be the client's own.")
	case present(ch.RegistrationAccessToken) || present(ch.RegistrationClientURI) || present(ch.ClientSecretExpiresAt) || present(ch.ClientIDIssuedAt):
		return refuseMetadata("invalid_client_metadata", "registration_access_token, registration_client_uri, client_secret_expires_at and client_id_issued_at are the server's to set.")
	case ch.ClientSecret != "" && !r.secretIs(ch.ClientSecret, tx.Now()):
		return refuseMetadata("invalid_client_metadata", "client_secret must be the current one, or left out.")
	}
	return nil
}

func (c *Clients) update(tx *tenancy.Tx, s settings.Settings, issuer string, before row, m Metadata) (Registered, error) {
	after := before
	if err := after.take(m); err != nil {
		return Registered{}, err
	}
	management := ids.Secret(managementPrefix)
	after.ManagementHash = ids.Hash(management)
	var secret string
	switch {
	case after.AuthMethod != AuthBasic && after.AuthMethod != AuthPost:
		after.SecretHash, after.PreviousSecretHash = "", ""
	case after.SecretHash == "":
		secret = after.newSecret()
	}
	changed := map[string]any{"management_hash": after.ManagementHash, "secret_hash": after.SecretHash, "previous_secret_hash": after.PreviousSecretHash, "version": before.Version + 1}
	if err := c.replaced(tx, s, nil, before, after, changed); err != nil {
		return Registered{}, err
	}
	if err := tx.DB().Model(&row{}).Where("id = ?", before.ID).Updates(changed).Error; err != nil {
		return Registered{}, fmt.Errorf("update client: %w", err)
	}
	return after.registered(tx, issuer, m, secret, management)
}

// DeleteRegistration forgets a client, and ends what it was given (RFC 7592, section 2.3).
func (c *Clients) DeleteRegistration(ctx context.Context, h tenancy.Handle, id, token string) error {
	return c.db.Write(ctx, h, func(tx *tenancy.Tx) error {
		r, err := managed(tx, id, token)
		if err != nil {
			return err
		}
		return c.remove(tx, r, "the client deleted its registration")
	})
}

func (c *Clients) remove(tx *tenancy.Tx, r row, reason string) error {
	if err := c.ended(tx, r.ID, reason); err != nil {
		return err
	}
	if err := tx.DB().Where("id = ?", r.ID).Delete(&row{}).Error; err != nil {
		return fmt.Errorf("delete client: %w", err)
	}
	return audit.Record(tx, audit.Entry{Action: "client.delete", TargetKind: "client", TargetID: r.ID, Before: r.shown()})
}

// managed finds the client whose registration access token this is.
func managed(tx *tenancy.Tx, id, token string) (row, error) {
	if !ids.ValidSecret(managementPrefix, token) {
		return row{}, ErrManagement
	}
	r, ok, err := loadRow(tx, id)
	switch {
	case err != nil:
		return row{}, err
	case !ok || r.Kind != KindDCR || !same(ids.Hash(token), r.ManagementHash):
		return row{}, ErrManagement
	case r.Status == Blocked:
		return row{}, &oplib.Error{Code: "access_denied", Description: words[Barred], Status: http.StatusForbidden}
	}
	return r, nil
}

// metadata is the registration as it is stored.
func (r row) metadata() (Metadata, error) {
	m := Metadata{
		ClientName: r.Name, ClientURI: r.ClientURI, ApplicationType: r.ApplicationType, TokenEndpointAuthMethod: r.AuthMethod,
		ResponseTypes: []string{"code"}, SoftwareID: r.SoftwareID, SoftwareVersion: r.SoftwareVersion,
		JWKSURI: r.JWKSURI, DPoPBound: r.DPoPRequired, RequirePAR: r.PARRequired,
	}
	if r.JWKS != "" {
		m.JWKS = jsontext.Value(r.JWKS)
	}
	if err := json.Unmarshal([]byte(r.RedirectURIs), &m.RedirectURIs); err != nil {
		return m, fmt.Errorf("read redirect uris of %s: %w", r.ID, err)
	}
	if err := json.Unmarshal([]byte(r.GrantTypes), &m.GrantTypes); err != nil {
		return m, fmt.Errorf("read grant types of %s: %w", r.ID, err)
	}
	return m, nil
}
