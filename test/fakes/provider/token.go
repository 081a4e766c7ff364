package provider

import (
	"crypto/rand"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// access is an access token.
type access struct {
	family   *family
	scopes   []string
	audience string
	until    time.Time // zero: it does not expire
}

// refresh is a refresh token.
type refresh struct {
	family     *family
	n          int
	replaced   bool
	replacedAt time.Time
	successor  string
	until      time.Time // zero: unused, it does not expire
}

func (p *Provider) token(w http.ResponseWriter, r *http.Request, e *Entry) {
	if r.Method != http.MethodPost || r.PostForm == nil {
		http.Error(w, "POST a form", http.StatusMethodNotAllowed)
		return
	}
	c, err := p.authenticate(r)
	if err != nil {
		code, status := "invalid_client", http.StatusUnauthorized
		if p.vendor.github {
			code = "incorrect_client_credentials"
		}
		p.refuse(w, r, e, status, code, "The client is not accepted: "+err.Error())
		return
	}
	e.Client = c.id
	for name, refusal := range p.vendor.refuses {
		if r.PostForm.Has(name) {
			code, description, _ := strings.Cut(refusal, " ")
			p.refuse(w, r, e, http.StatusBadRequest, code, description)
			return
		}
	}
	switch e.Grant {
	case "authorization_code", "": // GitHub's documentation has no grant_type
		p.redeem(w, r, e, c)
	case "refresh_token":
		p.renew(w, r, e, c)
	case "urn:ietf:params:oauth:grant-type:token-exchange":
		p.exchange(w, r, e, c)
	default:
		p.refuse(w, r, e, http.StatusBadRequest, "unsupported_grant_type", "This grant type is not supported")
	}
}

func (p *Provider) redeem(w http.ResponseWriter, r *http.Request, e *Entry, c *client) {
	p.mu.Lock()
	defer p.mu.Unlock()
	g, ok := p.codes[r.PostForm.Get("code")]
	if ok {
		e.Family, e.User = g.family.n, g.family.user.ID
	}
	if ok && g.used {
		g.family.revoked = true
	}
	if !ok || g.used || g.family.client != c.id || g.redirect != r.PostForm.Get("redirect_uri") || p.settings.now().After(g.until) || !challengeFits(g.challenge, r.PostForm.Get("code_verifier")) {
		p.refuseGrant(w, r, e, p.vendor.codeError, "The code is not accepted")
		return
	}
	g.used, e.Committed = true, true
	answer := p.issue(g.family, g.family.scopes)
	if g.family.offline {
		p.renewable(answer, g.family)
	}
	if slices.Contains(g.family.scopes, "openid") && p.Issuer != "" {
		answer["id_token"] = p.idToken(g.family, answer["access_token"], g.nonce)
	}
	p.answer(w, r, answer)
}

func (p *Provider) renew(w http.ResponseWriter, r *http.Request, e *Entry, c *client) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.settings.now()
	sent, ok := p.refresh[r.PostForm.Get("refresh_token")]
	if !ok || sent.family.client != c.id {
		p.refuseGrant(w, r, e, p.vendor.refreshError, "The refresh token is not known")
		return
	}
	f := sent.family
	e.Family, e.Rotation, e.User = f.n, sent.n, f.user.ID
	if p.vendor.scopeOnRefresh && !r.PostForm.Has("scope") {
		p.refuse(w, r, e, http.StatusBadRequest, "invalid_request", "AADSTS90009: Application is requesting a token for itself. This scenario is supported only if resource is specified using the GUID based App Identifier.")
		return
	}
	graced := sent.replaced && p.settings.grace > 0 && !now.After(sent.replacedAt.Add(p.settings.grace))
	if sent.replaced && !graced {
		e.Reused = true
		f.revoked = f.revoked || p.strict()
	}
	if f.revoked || sent.replaced && !graced && !p.vendor.lenient || !sent.until.IsZero() && now.After(sent.until) {
		p.refuseGrant(w, r, e, p.vendor.refreshError, "The refresh token is invalid, expired or was used before")
		return
	}
	scopes := f.scopes
	if r.PostForm.Has("scope") {
		scopes = asked(r.PostForm)
		for _, one := range scopes {
			if !slices.Contains(f.scopes, one) {
				p.refuse(w, r, e, http.StatusBadRequest, "invalid_scope", "More than was granted")
				return
			}
		}
	}
	e.Committed = true
	answer := p.issue(f, scopes)
	switch {
	case graced:
		answer["refresh_token"] = sent.successor
	case p.rotates():
		if p.vendor.github { // the old pair ends
			for token, a := range p.access {
				if a.family == f && token != answer["access_token"] {
					delete(p.access, token)
				}
			}
		}
		p.renewable(answer, f)
		sent.replaced, sent.replacedAt = true, now
		sent.successor, _ = answer["refresh_token"].(string)
	case p.vendor.idle > 0 && !sent.until.IsZero():
		sent.until = now.Add(p.vendor.idle)
	}
	p.answer(w, r, answer)
}

func (p *Provider) rotates() bool {
	if p.settings.rotate != nil {
		return *p.settings.rotate
	}
	return p.vendor.rotates
}

func (p *Provider) strict() bool {
	return p.vendor.strict || p.settings.rotate != nil && *p.settings.rotate && !p.vendor.github
}

func (p *Provider) refuseGrant(w http.ResponseWriter, r *http.Request, e *Entry, code, description string) {
	status := p.vendor.grantStatus
	if status == 0 {
		status = http.StatusBadRequest
	}
	if code == "" {
		code = "invalid_grant"
	}
	p.refuse(w, r, e, status, code, description)
}

// issue makes an access token. The lock is held.
func (p *Provider) issue(f *family, scopes []string) map[string]any {
	token := p.minted("at_")
	a := &access{family: f, scopes: scopes, audience: f.audience}
	answer := map[string]any{"access_token": token, "token_type": "Bearer", "scope": p.told(scopes)}
	if life := p.settings.accessLife; life > 0 {
		a.until = p.settings.now().Add(life)
		p.life(answer, "expires_in", life)
	}
	if p.vendor.github {
		answer["token_type"] = "bearer"
	}
	p.access[token] = a
	return answer
}

func (p *Provider) life(answer map[string]any, name string, d time.Duration) {
	seconds := int64(d.Seconds())
	answer[name] = seconds
	if p.vendor.textLives {
		answer[name] = strconv.FormatInt(seconds, 10)
	}
}

// told are scopes as the vendor's answers list them.
func (p *Provider) told(scopes []string) string {
	var out []string
	for _, one := range scopes {
		if full := p.vendor.full[one]; full != "" {
			one = full
		}
		if !slices.Contains(p.vendor.hidden, one) {
			out = append(out, one)
		}
	}
	if p.vendor.commas {
		return strings.Join(out, ",")
	}
	return strings.Join(out, " ")
}

// renewable adds a refresh token. The lock is held.
func (p *Provider) renewable(answer map[string]any, f *family) {
	token := p.minted("rt_")
	f.rotations++
	made := &refresh{family: f, n: f.rotations}
	if p.vendor.idle > 0 {
		idle := p.vendor.idle
		if slices.Contains(f.scopes, "offline_access") {
			idle = 0
		} else {
			made.until = p.settings.now().Add(idle)
		}
		p.life(answer, "refresh_expires_in", idle)
	}
	if p.vendor.refreshLife > 0 {
		made.until = p.settings.now().Add(p.vendor.refreshLife)
		p.life(answer, "refresh_token_expires_in", p.vendor.refreshLife)
	}
	answer["refresh_token"] = token
	p.refresh[token] = made
}

func (p *Provider) answer(w http.ResponseWriter, r *http.Request, answer map[string]any) {
	if p.settings.answer != nil {
		p.settings.answer(answer)
	}
	p.write(w, r, http.StatusOK, answer)
}

// idToken is by the machine's clock: libraries check it by that.
func (p *Provider) idToken(f *family, accessToken any, nonce string) string {
	now := time.Now()
	token, _ := accessToken.(string)
	claims := map[string]any{
		"iss": p.Issuer, "sub": p.sub(f), "aud": f.client, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "name": f.user.Name, "email": f.user.Email,
		"email_verified": !f.user.Unverified, "at_hash": halfHash(token),
	}
	if nonce != "" {
		claims["nonce"] = nonce
	}
	if p.vendor.oid {
		claims["oid"], claims["tid"], claims["preferred_username"] = f.user.ID, p.settings.tenant, f.user.Email
		delete(claims, "email_verified")
	}
	if p.settings.claims != nil {
		p.settings.claims(claims)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: p.key, KeyID: kid}}, nil)
	if err != nil {
		panic(err)
	}
	raw, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		panic(err)
	}
	p.secrets = append(p.secrets, raw)
	return raw
}

// sub is the user's id, or one per application.
func (p *Provider) sub(f *family) string {
	if p.vendor.oid {
		return "pairwise-" + f.client + "-" + f.user.ID
	}
	return f.user.ID
}

// exchange gives a token of the subject that another token names (RFC 8693).
func (p *Provider) exchange(w http.ResponseWriter, r *http.Request, e *Entry, c *client) {
	user, err := p.subject(r)
	if err != nil {
		p.refuse(w, r, e, http.StatusBadRequest, "invalid_request", "The subject token is not accepted: "+err.Error())
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if target := r.PostForm.Get("resource"); p.settings.resources != nil && target != "" && !slices.Contains(p.settings.resources, target) {
		p.refuse(w, r, e, http.StatusBadRequest, "invalid_target", "The resource is not known")
		return
	}
	f := &family{n: len(p.families) + 1, client: c.id, user: user, scopes: asked(r.PostForm), audience: r.PostForm.Get("audience")}
	p.families = append(p.families, f)
	e.Committed, e.Family, e.User = true, f.n, user.ID
	answer := p.issue(f, f.scopes)
	answer["issued_token_type"] = "urn:ietf:params:oauth:token-type:access_token"
	answer["jti"] = rand.Text()
	p.answer(w, r, answer)
}
