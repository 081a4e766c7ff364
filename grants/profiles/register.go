package profiles

import (
	"context"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/secret"
)

// register makes a client at the provider (RFC 7591, section 3), with the first way of
// proving itself that the provider has.
func (p *Profiles) register(ctx context.Context, origin, id string, d draft, in ClientInput) (*made, error) {
	e := d.endpoints()
	if e.Registration == "" {
		return nil, errs.Field("client_kind", "This provider has no registration endpoint. Register the gateway there by hand.")
	}
	out := &made{kind: DCR, redirectURI: origin + CallbackPath(id)}
	method, err := out.prove(e.AuthMethods, in.KeyAlg)
	if err != nil {
		return nil, err
	}
	said := describe(Profile{ID: id, Name: d.Name, Settings: d.Settings}, origin)
	ask := provider.Registration{
		RedirectURIs: said.RedirectURIs, Name: said.Name, URI: said.URI, AuthMethod: method, GrantTypes: said.GrantTypes, Scope: said.Scope, InitialToken: in.InitialToken,
	}
	if d.Kind == KindExchange {
		ask.GrantTypes = []string{"urn:ietf:params:oauth:grant-type:token-exchange"}
	}
	if out.key != nil {
		ask.JWKS = &jose.JSONWebKeySet{Keys: []jose.JSONWebKey{out.key.Public()}} // its own address does not answer before the profile is stored
	}
	client, token, uri, expires, err := p.cfg.Provider.Register(ctx, provider.Config{Endpoints: e, Style: d.Style, RedirectURI: out.redirectURI}, ask)
	if err != nil {
		return nil, errs.Field("client_kind", explain(err))
	}
	if client.AuthMethod == AuthKey && out.key == nil {
		return nil, errs.Field("client_kind", "The provider registered a client that proves itself with a key, which was not asked for. Register the gateway there by hand.")
	}
	if client.AuthMethod != AuthKey {
		out.key = nil
	}
	out.id, out.authMethod, out.secret = client.ID, client.AuthMethod, client.Secret
	if client.AuthMethod == AuthNone || client.AuthMethod == AuthKey {
		out.secret, expires = secret.Text{}, nil
	}
	out.registration, out.registrationURI, out.secretExpiresAt = token, uri, expires
	return out, nil
}

// prove chooses how the client proves itself; none said is AuthBasic (RFC 8414, section 2).
func (m *made) prove(offered []string, alg string) (method string, err error) {
	if len(offered) == 0 {
		return AuthBasic, nil
	}
	for _, method := range []string{AuthBasic, AuthPost, AuthKey, AuthNone} {
		if !slices.Contains(offered, method) {
			continue
		}
		if method == AuthKey {
			m.key, err = newKey(alg)
		}
		return method, err
	}
	return "", errs.Field("client_kind", "The provider takes none of the ways in which the gateway can prove itself. It offers "+clip(strings.Join(offered, ", "))+".")
}
