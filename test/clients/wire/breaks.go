package wire

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// Elsewhere is an origin that has nothing to do with the one behind the wire.
const Elsewhere = "https://elsewhere.example"

// WrongResource has the protected-resource metadata name another resource.
func WrongResource(a *Answer) {
	if strings.HasPrefix(a.Request.URL.Path, "/.well-known/oauth-protected-resource") {
		edit(a, func(doc map[string]any) { doc["resource"] = Elsewhere + "/mcp" })
	}
}

// WrongIssuer has the authorization server's metadata speak for another issuer.
func WrongIssuer(a *Answer) { server(a, func(doc map[string]any) { doc["issuer"] = Elsewhere }) }

// NoPKCE leaves out that the authorization server knows PKCE.
func NoPKCE(a *Answer) {
	server(a, func(doc map[string]any) { delete(doc, "code_challenge_methods_supported") })
}

// PlainPKCE has the authorization server know no S256.
func PlainPKCE(a *Answer) {
	server(a, func(doc map[string]any) { doc["code_challenge_methods_supported"] = []string{"plain"} })
}

// WrongCallback sends the browser back with the name of another issuer.
func WrongCallback(a *Answer) {
	target, err := url.Parse(a.Header.Get("Location"))
	if err != nil || !target.Query().Has("iss") {
		return
	}
	query := target.Query()
	query.Set("iss", Elsewhere)
	target.RawQuery = query.Encode()
	a.Header.Set("Location", target.String())
}

// TokenPage has the token endpoint answer 200 with a page.
func TokenPage(a *Answer) {
	if a.Request.URL.Path == "/token" {
		a.Status = http.StatusOK
		a.Header.Set("Content-Type", "text/html")
		a.Body = []byte("<!doctype html><title>Soon</title><p>We are back soon.</p>")
	}
}

// RefusedRefresh has the token endpoint refuse every refresh token.
func RefusedRefresh(a *Answer) {
	form, err := url.ParseQuery(string(a.Asked))
	if err == nil && a.Request.URL.Path == "/token" && form.Get("grant_type") == "refresh_token" {
		a.Status = http.StatusBadRequest
		a.Header.Set("Content-Type", "application/json")
		a.Body = []byte(`{"error":"invalid_grant"}`)
	}
}

var sum = regexp.MustCompile(`"text":\s*"42(\.0)?"`)

// WrongSum has the tool add answer 43 for 42.
func WrongSum(a *Answer) {
	if strings.Contains(string(a.Asked), `"tools/call"`) {
		a.Body = sum.ReplaceAll(a.Body, []byte(`"text":"43"`))
	}
}

func server(a *Answer, change func(map[string]any)) {
	switch a.Request.URL.Path {
	case "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration":
		edit(a, change)
	}
}

func edit(a *Answer, change func(map[string]any)) {
	var doc map[string]any
	if json.Unmarshal(a.Body, &doc) != nil {
		return
	}
	change(doc)
	if body, err := json.Marshal(doc); err == nil {
		a.Body = body
	}
}
