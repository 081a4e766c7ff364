package provider

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// grant is a code that waits to be redeemed.
type grant struct {
	family              *family
	redirect, challenge string
	nonce               string
	until               time.Time
	used                bool
}

// family is one connection: what follows from one approval.
type family struct {
	n         int
	client    string
	user      User
	scopes    []string
	audience  string
	offline   bool
	rotations int
	revoked   bool
}

const codeLife = time.Minute

func (p *Provider) authorize(w http.ResponseWriter, r *http.Request, e *Entry) {
	q := r.URL.Query()
	c, problem := p.clientOf(r.Context(), q.Get("client_id"))
	redirect := q.Get("redirect_uri")
	if problem != "" || !c.mayReturn(redirect) {
		e.Error = "invalid_request"
		http.Error(w, "This client, or where it wants to go, is not registered here. "+problem, http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	e.Client, e.User = c.id, p.user.ID
	back := url.Values{}
	code, description := p.judge(q)
	if code == "" && p.deny != "" {
		code, description, p.deny = p.deny, "The user said no", ""
	}
	if code != "" {
		e.Error = code
		back.Set("error", code)
		back.Set("error_description", description)
	} else {
		f := p.approve(c, q)
		e.Committed, e.Family = true, f.n
		one := p.minted("code_")
		p.codes[one] = &grant{family: f, redirect: redirect, challenge: q.Get("code_challenge"), nonce: q.Get("nonce"), until: p.settings.now().Add(codeLife)}
		back.Set("code", one)
	}
	if q.Has("state") {
		back.Set("state", q.Get("state"))
	}
	if p.vendor.iss {
		back.Set("iss", p.Issuer)
	}
	separator := "?"
	if strings.Contains(redirect, "?") {
		separator = "&"
	}
	w.Header().Set("Location", redirect+separator+back.Encode())
	w.WriteHeader(http.StatusFound)
}

// judge says what is wrong with an authorization request. The lock is held.
func (p *Provider) judge(q url.Values) (code, description string) {
	for name, refusal := range p.vendor.refuses {
		if q.Has(name) {
			code, description, _ = strings.Cut(refusal, " ")
			return code, description
		}
	}
	switch {
	case q.Get("response_type") != "code":
		return "unsupported_response_type", "Only code is supported"
	case p.vendor.pkce && (q.Get("code_challenge") == "" || q.Get("code_challenge_method") != "S256"):
		return "invalid_request", "A code challenge is needed"
	case p.settings.resources != nil && q.Has("resource") && !slices.Contains(p.settings.resources, q.Get("resource")):
		return "invalid_target", "The resource is not known"
	case p.vendor.opaque && q.Has("audience") && q.Get("audience") != p.settings.audience:
		return "access_denied", "Service not found: " + q.Get("audience")
	}
	for _, scope := range asked(q) {
		if p.settings.scopes != nil && !slices.Contains(p.settings.scopes, scope) {
			return "invalid_scope", "The scope is not known"
		}
	}
	return "", ""
}

func asked(q url.Values) []string {
	return strings.FieldsFunc(q.Get("scope"), func(r rune) bool { return r == ' ' || r == ',' })
}

// approve makes a connection for who is signed in. The lock is held.
func (p *Provider) approve(c *client, q url.Values) *family {
	scopes := asked(q)
	key := p.user.ID + " " + c.id
	before, again := p.agreed[key]
	if q.Get("include_granted_scopes") == "true" {
		scopes = union(before, scopes)
	}
	p.agreed[key] = union(before, scopes)
	f := &family{n: len(p.families) + 1, client: c.id, user: p.user, scopes: scopes, audience: q.Get("audience")}
	switch {
	case p.vendor.noRefresh:
	case p.vendor.accessType:
		f.offline = q.Get("access_type") == "offline" && (!again || strings.Contains(q.Get("prompt"), "consent"))
	case p.vendor.offline != "":
		f.offline = slices.Contains(scopes, p.vendor.offline)
	default:
		f.offline = true
	}
	p.families = append(p.families, f)
	return f
}

func union(a, b []string) []string {
	out := slices.Clone(a)
	for _, one := range b {
		if !slices.Contains(out, one) {
			out = append(out, one)
		}
	}
	return out
}

// challengeFits checks PKCE (RFC 7636, section 4.6).
func challengeFits(challenge, verifier string) bool {
	sum := sha256.Sum256([]byte(verifier))
	return challenge == "" && verifier == "" || challenge == base64.RawURLEncoding.EncodeToString(sum[:])
}
