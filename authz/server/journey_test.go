package server_test

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"

	"github.com/stretchr/testify/require"
)

// stateCanary stands in every state, so that a log line with one is found.
const stateCanary = "state-canary-7f3a"

const callback = "http://127.0.0.1:33418/callback"

// browser is a person's browser: cookies, no automatic redirects, and the headers
// that Chromium sends.
type browser struct {
	tn     *tenant
	client *http.Client
}

func (tn *tenant) browser() *browser {
	jar, err := cookiejar.New(nil)
	require.NoError(tn.b.t, err)
	return &browser{tn: tn, client: &http.Client{
		Jar: jar, Transport: tn.b.transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// page is an answer that was read.
type page struct {
	status   int
	header   http.Header
	body     string
	location string
}

func (br *browser) do(r *http.Request) page {
	t := br.tn.b.t
	t.Helper()
	res, err := br.client.Do(r)
	require.NoError(t, err)
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	p := page{res.StatusCode, res.Header, string(body), res.Header.Get("Location")}
	if strings.HasPrefix(p.header.Get("Content-Type"), "text/html") && p.location == "" {
		requireSafe(t, p)
	}
	return p
}

func (br *browser) request(method, target, body string, header ...string) page {
	br.tn.b.t.Helper()
	if strings.HasPrefix(target, "/") {
		target = br.tn.issuer + target
	}
	r, err := http.NewRequestWithContext(br.tn.b.t.Context(), method, target, strings.NewReader(body))
	require.NoError(br.tn.b.t, err)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return br.do(r)
}

func (br *browser) get(target string) page {
	br.tn.b.t.Helper()
	return br.request("GET", target, "")
}

// submit posts a form as Chromium does under Referrer-Policy no-referrer.
func (br *browser) submit(target string, values url.Values) page {
	br.tn.b.t.Helper()
	p := br.request("POST", target, values.Encode(), "Content-Type", "application/x-www-form-urlencoded", "Origin", "null", "Sec-Fetch-Site", "same-origin")
	if p.location != "" {
		require.Equal(br.tn.b.t, 303, p.status, "A16: the body must not be sent again")
	}
	return p
}

var hidden = regexp.MustCompile(`<input type="hidden" name="([a-z]+)" value="([^"]*)"`)

// ticked are the boxes that a page comes with.
var ticked = regexp.MustCompile(`<input type="checkbox"[^>]* name="([^"]+)" value="([^"]*)" checked`)

// fields are the hidden and ticked fields of a page's last form, and more.
func (p page) fields(more ...string) url.Values {
	v := url.Values{}
	for _, m := range ticked.FindAllStringSubmatch(p.body, -1) {
		v.Set(html.UnescapeString(m[1]), html.UnescapeString(m[2]))
	}
	for _, m := range hidden.FindAllStringSubmatch(p.body, -1) {
		v.Set(m[1], html.UnescapeString(m[2]))
	}
	for i := 0; i < len(more); i += 2 {
		v.Set(more[i], more[i+1])
	}
	return v
}

// app is an OAuth client.
type app struct {
	tn       *tenant
	id       string
	verifier string
	http     *browser // without anybody's cookies
}

func (tn *tenant) register(metadata string) page {
	tn.b.t.Helper()
	return tn.browser().request("POST", "/register", metadata, "Content-Type", "application/json")
}

func (tn *tenant) app(redirects ...string) *app {
	t := tn.b.t
	t.Helper()
	if len(redirects) == 0 {
		redirects = []string{callback}
	}
	body, err := json.Marshal(map[string]any{"client_name": "Test App", "redirect_uris": redirects})
	require.NoError(t, err)
	p := tn.register(string(body))
	require.Equal(t, 201, p.status, p.body)
	var out struct {
		ID string `json:"client_id"`
	}
	require.NoError(t, json.Unmarshal([]byte(p.body), &out))
	return &app{tn: tn, id: out.ID, verifier: rand.Text() + rand.Text(), http: tn.browser()}
}

func challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// query is a good authorization request with some parameters changed; "-" takes
// one out.
func (a *app) query(change ...string) url.Values {
	v := url.Values{
		"client_id": {a.id}, "redirect_uri": {callback}, "response_type": {"code"}, "state": {stateCanary}, "scope": {"mcp offline_access"},
		"code_challenge": {challenge(a.verifier)}, "code_challenge_method": {"S256"}, "resource": {a.tn.mcp("tickets")},
	}
	apply(v, change)
	return v
}

func apply(v url.Values, change []string) {
	for i := 0; i < len(change); i += 2 {
		if change[i+1] == "-" {
			v.Del(change[i])
			continue
		}
		v.Set(change[i], change[i+1])
	}
}

func (a *app) authorize(br *browser, change ...string) page {
	br.tn.b.t.Helper()
	return br.get("/authorize?" + a.query(change...).Encode())
}

// consentPage takes a browser to the consent page, through the sign-in where asked.
func (a *app) consentPage(br *browser, change ...string) page {
	t := br.tn.b.t
	t.Helper()
	p := a.authorize(br, change...)
	require.Equal(t, 302, p.status, p.body)
	require.True(t, strings.HasPrefix(p.location, "/sign-in?attempt="), p.location)
	p = br.get(p.location)
	if p.status == 200 {
		p = br.signIn(p, br.tn.owner.Email, password)
	}
	require.Equal(t, 303, p.status, p.body)
	require.True(t, strings.HasPrefix(p.location, "/consent?attempt="), p.location)
	p = br.get(p.location)
	require.Equal(t, 200, p.status, p.body)
	return p
}

func (br *browser) signIn(p page, email, pw string) page {
	br.tn.b.t.Helper()
	return br.submit("/sign-in", p.fields("email", email, "password", pw))
}

func (br *browser) decide(p page, decision string) page {
	br.tn.b.t.Helper()
	return br.submit("/consent", p.fields("decision", decision))
}

// code goes the whole way to an authorization code.
func (a *app) code(br *browser, change ...string) string {
	t := br.tn.b.t
	t.Helper()
	p := br.decide(a.consentPage(br, change...), "allow")
	require.Equal(t, 303, p.status, p.body)
	u, err := url.Parse(p.location)
	require.NoError(t, err)
	require.Equal(t, stateCanary, u.Query().Get("state"))
	require.Equal(t, a.tn.issuer, u.Query().Get("iss"))
	require.NotEmpty(t, u.Query().Get("code"), p.location)
	return u.Query().Get("code")
}

// tokens is an answer of the token endpoint.
type tokens struct {
	page
	Access      string `json:"access_token"`
	Type        string `json:"token_type"`
	Expires     int    `json:"expires_in"`
	Refresh     string `json:"refresh_token"`
	Scope       string `json:"scope"`
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

func (a *app) post(path string, v url.Values) tokens {
	t := a.tn.b.t
	t.Helper()
	p := a.http.request("POST", path, v.Encode(), "Content-Type", "application/x-www-form-urlencoded")
	out := tokens{page: p}
	require.NoError(t, json.Unmarshal([]byte(p.body), &out), p.body)
	require.Equal(t, "application/json", p.header.Get("Content-Type"))
	require.Equal(t, "no-store", p.header.Get("Cache-Control"))
	return out
}

func (a *app) redeem(code string, change ...string) tokens {
	a.tn.b.t.Helper()
	v := url.Values{"grant_type": {"authorization_code"}, "client_id": {a.id}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {a.verifier}, "resource": {a.tn.mcp("tickets")}}
	apply(v, change)
	return a.post("/token", v)
}

func (a *app) refresh(token string, change ...string) tokens {
	a.tn.b.t.Helper()
	v := url.Values{"grant_type": {"refresh_token"}, "client_id": {a.id}, "refresh_token": {token}}
	apply(v, change)
	return a.post("/token", v)
}

// tokens goes the whole way.
func (a *app) tokens(br *browser) tokens {
	a.tn.b.t.Helper()
	got := a.redeem(a.code(br))
	require.Equal(a.tn.b.t, 200, got.status, got.body)
	return got
}

// claims reads an access token without checking it.
func (tk tokens) claims() map[string]any {
	var out map[string]any
	parts := strings.Split(tk.Access, ".")
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(raw, &out) != nil {
		return nil
	}
	return out
}

func (tk tokens) family() string {
	id, _ := tk.claims()["fid"].(string)
	return id
}
