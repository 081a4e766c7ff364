package server

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/go-jose/go-jose/v4"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/authz/server/flow"
	"github.com/emcy/gateway/tenancy"
)

// serverMetadata is RFC 8414, section 2, with what OpenID Connect Discovery 1.0,
// section 3, demands, because clients try both addresses and read one form.
type serverMetadata struct {
	Issuer                            string   `json:"issuer"`
	AuthorizationEndpoint             string   `json:"authorization_endpoint"`
	TokenEndpoint                     string   `json:"token_endpoint"`
	RegistrationEndpoint              string   `json:"registration_endpoint"`
	RevocationEndpoint                string   `json:"revocation_endpoint"`
	JWKSURI                           string   `json:"jwks_uri"`
	ScopesSupported                   []string `json:"scopes_supported"`
	ResponseTypesSupported            []string `json:"response_types_supported"`
	ResponseModesSupported            []string `json:"response_modes_supported"`
	GrantTypesSupported               []string `json:"grant_types_supported"`
	CodeChallengeMethodsSupported     []string `json:"code_challenge_methods_supported"`
	TokenEndpointAuthMethodsSupported []string `json:"token_endpoint_auth_methods_supported"`
	RevocationAuthMethodsSupported    []string `json:"revocation_endpoint_auth_methods_supported"`
	IssParameterSupported             bool     `json:"authorization_response_iss_parameter_supported"`
	SubjectTypesSupported             []string `json:"subject_types_supported"`
	IDTokenSigningAlgValuesSupported  []string `json:"id_token_signing_alg_values_supported"`
}

// documentAge is how long clients may keep a document, in seconds.
const documentAge = "max-age=60"

func (s *Server) metadata(w http.ResponseWriter, r *http.Request) {
	issuer := requestFrom(r.Context()).issuer
	w.Header().Set("Cache-Control", documentAge)
	writeJSON(w, http.StatusOK, serverMetadata{
		Issuer:                            issuer,
		AuthorizationEndpoint:             issuer + "/authorize",
		TokenEndpoint:                     issuer + "/token",
		RegistrationEndpoint:              issuer + "/register",
		RevocationEndpoint:                issuer + "/revoke",
		JWKSURI:                           issuer + "/jwks",
		ScopesSupported:                   []string{authz.ScopeMCP, authz.ScopeOffline},
		ResponseTypesSupported:            []string{"code"},
		ResponseModesSupported:            []string{"query"},
		GrantTypesSupported:               grantTypes,
		CodeChallengeMethodsSupported:     []string{"S256"},
		TokenEndpointAuthMethodsSupported: []string{"none"},
		RevocationAuthMethodsSupported:    []string{"none"},
		IssParameterSupported:             true,
		SubjectTypesSupported:             []string{"public"},
		IDTokenSigningAlgValuesSupported:  []string{string(jose.ES256)},
	})
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
	var keys Keys
	err := s.db.Read(r.Context(), requestFrom(r.Context()).handle, func(tx *tenancy.Tx) (err error) {
		keys, err = LoadKeys(tx)
		return err
	})
	if err != nil {
		s.writeError(w, r, fmt.Errorf("serve keys: %w", err))
		return
	}
	w.Header().Set("Cache-Control", "max-age=300")
	writeJSON(w, http.StatusOK, jose.JSONWebKeySet{Keys: keys.Public})
}
