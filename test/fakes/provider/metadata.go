package provider

import (
	"net/http"

	"github.com/go-jose/go-jose/v4"
)

func (p *Provider) metadata(w http.ResponseWriter) {
	doc := map[string]any{
		"issuer": p.Issuer, "authorization_endpoint": p.Authorization, "token_endpoint": p.Token, "jwks_uri": p.JWKS, "response_types_supported": []string{"code"},
		"subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{"ES256"}, "token_endpoint_auth_methods_supported": p.vendor.auth,
		"scopes_supported": []string{"openid", "profile", "email"},
	}
	for name, address := range map[string]string{
		"revocation_endpoint": p.Revocation, "userinfo_endpoint": p.UserInfo, "introspection_endpoint": p.Introspection, "registration_endpoint": p.Registration,
	} {
		if address != "" {
			doc[name] = address
		}
	}
	if p.vendor.iss {
		doc["authorization_response_iss_parameter_supported"] = true
	}
	if p.vendor.pkce {
		doc["code_challenge_methods_supported"] = []string{"S256"}
		doc["client_id_metadata_document_supported"] = true
	}
	if p.settings.metadata != nil {
		p.settings.metadata(doc)
	}
	writeJSON(w, http.StatusOK, doc)
}

const kid = "fake-1"

func (p *Provider) jwks(w http.ResponseWriter) {
	writeJSON(w, http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: p.key.Public(), KeyID: kid, Use: "sig", Algorithm: string(jose.ES256)}}})
}
