package server

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/go-jose/go-jose/v4"

	"github.com/emcy/gateway/authz/server/clients"
	"github.com/emcy/gateway/authz/server/flow"
	"github.com/emcy/gateway/authz/server/keys"
	"github.com/emcy/gateway/authz/server/oplib"
	"github.com/emcy/gateway/authz/server/scopes"
	"github.com/emcy/gateway/authz/server/settings"
	"github.com/emcy/gateway/internal/dpop"
	"github.com/emcy/gateway/internal/jwks"
	"github.com/emcy/gateway/tenancy"
)

// serverMetadata is RFC 8414, section 2, with what OpenID Connect Discovery 1.0,
// section 3, demands, because clients try both addresses and read one form. It names
// what is on for the tenant, and nothing else.
type serverMetadata struct {
	Issuer                            string   `json:"issuer"`
	AuthorizationEndpoint             string   `json:"authorization_endpoint"`
	TokenEndpoint                     string   `json:"token_endpoint"`
	RegistrationEndpoint              string   `json:"registration_endpoint,omitempty"`
	RevocationEndpoint                string   `json:"revocation_endpoint"`
	IntrospectionEndpoint             string   `json:"introspection_endpoint"`
	PushedRequestEndpoint             string   `json:"pushed_authorization_request_endpoint,omitempty"`
	DeviceAuthorizationEndpoint       string   `json:"device_authorization_endpoint,omitempty"`
	JWKSURI                           string   `json:"jwks_uri"`
	ScopesSupported                   []string `json:"scopes_supported"`
	ResponseTypesSupported            []string `json:"response_types_supported"`
	ResponseModesSupported            []string `json:"response_modes_supported"`
	GrantTypesSupported               []string `json:"grant_types_supported"`
	GrantProfilesSupported            []string `json:"authorization_grant_profiles_supported,omitempty"`
	CodeChallengeMethodsSupported     []string `json:"code_challenge_methods_supported"`
	TokenEndpointAuthMethodsSupported []string `json:"token_endpoint_auth_methods_supported"`
	TokenEndpointAuthSigningAlgs      []string `json:"token_endpoint_auth_signing_alg_values_supported"`
	RevocationAuthMethodsSupported    []string `json:"revocation_endpoint_auth_methods_supported"`
	RevocationAuthSigningAlgs         []string `json:"revocation_endpoint_auth_signing_alg_values_supported"`
	IntrospectionAuthMethodsSupported []string `json:"introspection_endpoint_auth_methods_supported"`
	IntrospectionAuthSigningAlgs      []string `json:"introspection_endpoint_auth_signing_alg_values_supported"`
	DPoPSigningAlgValuesSupported     []string `json:"dpop_signing_alg_values_supported,omitempty"`
	RequirePushedRequests             bool     `json:"require_pushed_authorization_requests,omitempty"`
	MetadataDocumentSupported         bool     `json:"client_id_metadata_document_supported,omitempty"`
	IssParameterSupported             bool     `json:"authorization_response_iss_parameter_supported"`
	SubjectTypesSupported             []string `json:"subject_types_supported"`
	IDTokenSigningAlgValuesSupported  []string `json:"id_token_signing_alg_values_supported"`
}

// documentAge is how long clients may keep a document, in seconds.
const documentAge = "max-age=60"

// authMethods are the ways in which a client can prove itself (RFC 7591, section 2).
var authMethods = []string{clients.AuthNone, clients.AuthBasic, clients.AuthPost, clients.AuthPrivateKey}

func (s *Server) metadata(w http.ResponseWriter, r *http.Request) {
	document, err := s.describe(r.Context())
	if err != nil {
		s.writeError(w, r, err)
		return
	}
	w.Header().Set("Cache-Control", documentAge)
	writeJSON(w, http.StatusOK, document)
}

func (s *Server) describe(ctx context.Context) (serverMetadata, error) {
	req := requestFrom(ctx)
	var on offer
	var supported []string
	err := s.db.Read(ctx, req.handle, func(tx *tenancy.Tx) (err error) {
		if on, err = offered(tx); err != nil {
			return err
		}
		catalogue, err := scopes.Load(tx)
		supported = catalogue.Supported()
		return err
	})
	if err != nil {
		return serverMetadata{}, fmt.Errorf("describe the server: %w", err)
	}
	return describe(req.issuer, on, supported), nil
}

func describe(issuer string, on offer, supported []string) serverMetadata {
	set := on.set
	// where is an endpoint's address if it is on.
	where := func(path string, on bool) string {
		if !on {
			return ""
		}
		return issuer + path
	}
	proving := slices.DeleteFunc(slices.Clone(authMethods), func(m string) bool { return m == clients.AuthNone })
	var algs []string
	for _, alg := range jwks.Algorithms {
		algs = append(algs, string(alg))
	}
	out := serverMetadata{
		Issuer:                            issuer,
		AuthorizationEndpoint:             issuer + oplib.AuthorizePath,
		TokenEndpoint:                     issuer + oplib.TokenPath,
		RegistrationEndpoint:              where("/register", set.DCR != settings.Off),
		RevocationEndpoint:                issuer + oplib.RevokePath,
		IntrospectionEndpoint:             issuer + oplib.IntrospectPath,
		PushedRequestEndpoint:             where(parPath, set.PAR != settings.Never),
		DeviceAuthorizationEndpoint:       where(oplib.DeviceAuthorizationPath, slices.Contains(on.grants, oplib.GrantDevice)),
		JWKSURI:                           issuer + "/jwks",
		ScopesSupported:                   supported,
		ResponseTypesSupported:            []string{"code"},
		ResponseModesSupported:            []string{"query"},
		GrantTypesSupported:               on.grants,
		GrantProfilesSupported:            on.profiles,
		CodeChallengeMethodsSupported:     []string{"S256"},
		TokenEndpointAuthMethodsSupported: authMethods,
		TokenEndpointAuthSigningAlgs:      algs,
		RevocationAuthMethodsSupported:    authMethods,
		RevocationAuthSigningAlgs:         algs,
		IntrospectionAuthMethodsSupported: proving,
		IntrospectionAuthSigningAlgs:      algs,
		RequirePushedRequests:             set.PAR == settings.Required,
		MetadataDocumentSupported:         set.CIMD != settings.Off,
		IssParameterSupported:             true,
		SubjectTypesSupported:             []string{"public"},
		IDTokenSigningAlgValuesSupported:  []string{set.SigningAlg},
	}
	if set.DPoP != settings.Never {
		out.DPoPSigningAlgValuesSupported = dpop.Algorithms
	}
	return out
}

// metadataOf is the document at the addresses that name a runtime. Where there is
// none, a client that mistyped its address must not go on to sign in.
func (s *Server) metadataOf(pattern string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		slug, _ := matchPath(pattern, r.URL.Path)
		var all []flow.Resource
		err := s.db.Read(r.Context(), requestFrom(r.Context()).handle, func(tx *tenancy.Tx) (err error) {
			all, err = s.resources.All(tx)
			return err
		})
		switch {
		case err != nil:
			s.writeError(w, r, fmt.Errorf("list resources: %w", err))
		case !slices.ContainsFunc(all, func(u flow.Resource) bool { return u.Slug == slug }):
			s.writeError(w, r, errNothingHere)
		default:
			s.metadata(w, r)
		}
	}
}

func (s *Server) jwks(w http.ResponseWriter, r *http.Request) {
	var set keys.Set
	err := s.db.Read(r.Context(), requestFrom(r.Context()).handle, func(tx *tenancy.Tx) (err error) {
		set, err = keys.LoadAll(tx)
		return err
	})
	if err != nil {
		s.writeError(w, r, fmt.Errorf("serve keys: %w", err))
		return
	}
	w.Header().Set("Cache-Control", "max-age=300")
	writeJSON(w, http.StatusOK, jose.JSONWebKeySet{Keys: set.Public})
}
