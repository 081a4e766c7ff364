package provider

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// halfHash is at_hash for ES256 (OpenID Connect Core, section 3.1.3.6).
func halfHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}

// live finds an access token that works. The lock is held.
func (p *Provider) live(token string) (*access, bool) {
	a, ok := p.access[token]
	if !ok || a.family.revoked || !a.until.IsZero() && !p.settings.now().Before(a.until) {
		return nil, false
	}
	return a, true
}

func (p *Provider) bearer(w http.ResponseWriter, r *http.Request, e *Entry) (*access, bool) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	a, ok := p.live(token)
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		e.Error = "invalid_token"
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		writeJSON(w, http.StatusUnauthorized, map[string]any{"error": "invalid_token"})
		return nil, false
	}
	e.Client, e.User, e.Family = a.family.client, a.family.user.ID, a.family.n
	return a, true
}

func (p *Provider) userinfo(w http.ResponseWriter, r *http.Request, e *Entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a, ok := p.bearer(w, r, e)
	if !ok {
		return
	}
	if p.vendor.openidForUserinfo && !slices.Contains(a.scopes, "openid") {
		e.Error = "insufficient_scope"
		writeJSON(w, http.StatusForbidden, map[string]any{"error": "insufficient_scope", "error_description": "Missing openid scope"})
		return
	}
	e.Committed = true
	u := a.family.user
	if p.vendor.github {
		writeJSON(w, http.StatusOK, map[string]any{"id": json.Number(u.ID), "login": strings.ToLower(strings.Split(u.Name, " ")[0]), "name": u.Name, "email": nil, "type": "User"})
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"sub": p.sub(a.family), "name": u.Name, "email": u.Email, "email_verified": !u.Unverified})
}

// api is a resource: it takes access tokens that are made out to an API.
func (p *Provider) api(w http.ResponseWriter, r *http.Request, e *Entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a, ok := p.bearer(w, r, e)
	if !ok {
		return
	}
	if p.vendor.opaque && a.audience == "" {
		e.Error = "invalid_token"
		writeJSON(w, http.StatusUnauthorized, map[string]any{"error": "invalid_token", "error_description": "The token is opaque: it is for userinfo only"})
		return
	}
	e.Committed = true
	writeJSON(w, http.StatusOK, map[string]any{"user": a.family.user.ID, "name": a.family.user.Name, "scope": strings.Join(a.scopes, " ")})
}

func (p *Provider) introspect(w http.ResponseWriter, r *http.Request, e *Entry) {
	c, err := p.authenticate(r)
	if err != nil {
		p.refuse(w, r, e, http.StatusUnauthorized, "invalid_client", err.Error())
		return
	}
	e.Client = c.id
	p.mu.Lock()
	defer p.mu.Unlock()
	a, ok := p.live(r.PostForm.Get("token"))
	if !ok {
		writeJSON(w, http.StatusOK, map[string]any{"active": false})
		return
	}
	e.Committed = true
	writeJSON(w, http.StatusOK, map[string]any{
		"active": true, "sub": p.sub(a.family), "username": a.family.user.Name, "email": a.family.user.Email, "client_id": a.family.client, "scope": strings.Join(a.scopes, " "), "token_type": "Bearer",
	})
}

// revoke takes a token back, and what followed from the same approval.
func (p *Provider) revoke(w http.ResponseWriter, r *http.Request, e *Entry) {
	if p.vendor.github {
		p.revokeGitHub(w, r, e)
		return
	}
	if p.settings.vendor != "google" { // Google asks for no client
		c, err := p.authenticate(r)
		if err != nil {
			p.refuse(w, r, e, http.StatusUnauthorized, "invalid_client", err.Error())
			return
		}
		e.Client = c.id
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	token := r.PostForm.Get("token")
	var f *family
	if sent, ok := p.refresh[token]; ok {
		f = sent.family
	} else if a, ok := p.access[token]; ok && !p.vendor.revokesRefresh {
		f = a.family
	}
	switch {
	case f == nil && p.settings.vendor == "google", f != nil && f.revoked && p.settings.vendor == "google":
		p.refuse(w, r, e, http.StatusBadRequest, "invalid_token", "Token expired or revoked")
		return
	case f != nil:
		e.Committed, e.Family, e.User, f.revoked = true, f.n, f.user.ID, true
	}
	writeJSON(w, http.StatusOK, map[string]any{})
}

func (p *Provider) revokeGitHub(w http.ResponseWriter, r *http.Request, e *Entry) {
	id, secret, _ := r.BasicAuth()
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.clients[id]; c == nil || c.secret != secret || r.Method != http.MethodDelete {
		writeJSON(w, http.StatusUnauthorized, map[string]any{"message": "Bad credentials"})
		return
	}
	var body struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		writeJSON(w, http.StatusBadRequest, map[string]any{"message": "Problems parsing JSON"})
		return
	}
	a, ok := p.live(body.Token)
	if !ok {
		writeJSON(w, http.StatusNotFound, map[string]any{"message": "Not Found"})
		return
	}
	for _, f := range p.families {
		if f.user.ID == a.family.user.ID && f.client == id {
			f.revoked = true
		}
	}
	e.Committed, e.Client, e.User, e.Family = true, id, a.family.user.ID, a.family.n
	w.WriteHeader(http.StatusNoContent)
}

// subject reads a subject token: an access token of its own, or a JWT of a trusted issuer.
func (p *Provider) subject(r *http.Request) (User, error) {
	raw := r.PostForm.Get("subject_token")
	p.mu.Lock()
	a, ok := p.live(raw)
	p.mu.Unlock()
	if ok {
		return a.family.user, nil
	}
	token, err := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.ES256, jose.RS256, jose.EdDSA})
	if err != nil {
		return User{}, errors.New("neither a token of this server nor a JWT")
	}
	var claims jwt.Claims
	if err := token.UnsafeClaimsWithoutVerification(&claims); err != nil {
		return User{}, err
	}
	p.mu.Lock()
	address, ok := p.trusted[claims.Issuer]
	p.mu.Unlock()
	if !ok {
		return User{}, errors.New("its issuer is not trusted")
	}
	var keys jose.JSONWebKeySet
	if err := getJSON(r.Context(), address, &keys); err != nil {
		return User{}, err
	}
	if err := token.Claims(keys, &claims); err != nil {
		return User{}, err
	}
	if err := claims.Validate(jwt.Expected{Time: p.settings.now()}); err != nil {
		return User{}, err
	}
	return User{ID: claims.Subject, Name: claims.Subject}, nil
}
