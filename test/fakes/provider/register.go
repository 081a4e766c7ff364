package provider

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// register makes a client (RFC 7591, section 3).
func (p *Provider) register(w http.ResponseWriter, r *http.Request, e *Entry) {
	if p.settings.initial != "" && r.Header.Get("Authorization") != "Bearer "+p.settings.initial {
		e.Error = "invalid_token"
		writeJSON(w, http.StatusUnauthorized, map[string]any{"error": "invalid_token"})
		return
	}
	var in struct {
		Redirects []string            `json:"redirect_uris"`
		Auth      string              `json:"token_endpoint_auth_method"`
		KeysURL   string              `json:"jwks_uri"`
		Keys      *jose.JSONWebKeySet `json:"jwks"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || len(in.Redirects) == 0 {
		e.Error = "invalid_redirect_uri"
		writeJSON(w, http.StatusBadRequest, map[string]any{"error": e.Error, "error_description": "At least one redirect URI is needed"})
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	c := &client{id: "dcr-" + strings.ToLower(rand.Text()), redirects: in.Redirects, keys: in.Keys, keysURL: in.KeysURL, public: in.Auth == "none", registration: p.minted("reg_")}
	out := map[string]any{
		"client_id": c.id, "redirect_uris": in.Redirects, "token_endpoint_auth_method": in.Auth, "registration_access_token": c.registration,
		"registration_client_uri": p.Registration + "/" + c.id,
	}
	if !c.public && in.Auth != "private_key_jwt" {
		c.secret = p.minted("cs_")
		out["client_secret"], out["client_secret_expires_at"] = c.secret, 0
		if in.Auth == "" {
			out["token_endpoint_auth_method"] = "client_secret_basic"
		}
	}
	p.clients[c.id] = c
	e.Committed, e.Client = true, c.id
	writeJSON(w, http.StatusCreated, out)
}
