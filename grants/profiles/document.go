package profiles

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/emcy/gateway/tenancy"
)

// DocumentPath is where our client ID metadata document stands on the tenant's origin.
func DocumentPath(profileID string) string { return "/oauth/client/" + profileID }

// KeysPath is where the public keys of a profile's client stand on the tenant's origin.
func KeysPath(profileID string) string { return DocumentPath(profileID) + "/jwks" }

// document is a client ID metadata document (RFC 7591, section 2;
// draft-ietf-oauth-client-id-metadata-document).
type document struct {
	ClientID      string   `json:"client_id"`
	Name          string   `json:"client_name"`
	URI           string   `json:"client_uri"`
	RedirectURIs  []string `json:"redirect_uris"`
	GrantTypes    []string `json:"grant_types"`
	ResponseTypes []string `json:"response_types"`
	AuthMethod    string   `json:"token_endpoint_auth_method"`
	Scope         string   `json:"scope,omitempty"`
	JWKSURI       string   `json:"jwks_uri,omitempty"`
	SigningAlg    string   `json:"token_endpoint_auth_signing_alg,omitempty"`
}

// Document is our client ID metadata document for a profile, on the tenant's origin.
// Errors: errs.NotFound also for a profile whose client is of another kind.
func (p *Profiles) Document(ctx context.Context, h tenancy.Handle, origin, id string) ([]byte, error) {
	var out document
	err := p.cfg.DB.Read(ctx, h, func(tx *tenancy.Tx) error {
		profile, err := Get(tx, id)
		if err != nil {
			return err
		}
		if profile.Client.Kind != CIMD {
			return errNoProfile
		}
		out = describe(profile, origin)
		out.ClientID, out.AuthMethod = origin+DocumentPath(id), profile.Client.AuthMethod
		if profile.Client.HasKey {
			out.JWKSURI = origin + KeysPath(id)
			client, _, err := loadClient(tx, id, profile.Generation)
			if err != nil {
				return err
			}
			key, err := client.key(tx)
			if err != nil {
				return err
			}
			out.SigningAlg = key.Algorithm
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read client document: %w", err)
	}
	return json.Marshal(out)
}

// describe is what a document and a registration say alike.
func describe(profile Profile, origin string) document {
	return document{
		Name: "Emcy Gateway: " + profile.Name, URI: origin + "/", RedirectURIs: []string{origin + CallbackPath(profile.ID)},
		GrantTypes: []string{"authorization_code", "refresh_token"}, ResponseTypes: []string{"code"}, Scope: strings.Join(profile.Settings.Scopes, " "),
	}
}

// JWKS are the public keys of a profile's clients that still count (RFC 7517, section
// 5). Errors: errs.NotFound also for a profile whose clients have no keys.
func (p *Profiles) JWKS(ctx context.Context, h tenancy.Handle, id string) ([]byte, error) {
	var set jose.JSONWebKeySet
	err := p.cfg.DB.Read(ctx, h, func(tx *tenancy.Tx) (err error) {
		set, err = publicKeys(tx, id)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read keys of a client: %w", err)
	}
	return json.Marshal(set)
}

func publicKeys(tx *tenancy.Tx, id string) (jose.JSONWebKeySet, error) {
	var set jose.JSONWebKeySet
	if _, err := loadProfile(tx, id, false); err != nil {
		return set, err
	}
	var rows []clientRow
	if err := tx.DB().Where("profile_id = ? AND retired_at IS NULL", id).Order("generation DESC").Find(&rows).Error; err != nil {
		return set, err
	}
	for _, row := range rows {
		key, err := row.key(tx)
		if err != nil {
			return set, err
		}
		if key != nil {
			set.Keys = append(set.Keys, key.Public())
		}
	}
	if len(set.Keys) == 0 {
		return set, errNoProfile
	}
	return set, nil
}
