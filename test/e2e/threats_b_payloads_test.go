//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/test/e2e/httpflow"
	"github.com/emcy/gateway/test/fakes/oidc"
)

// What runs, loads or leads away where a page takes it for markup, and what gets it out
// of the place that it is put in.
var (
	bodies = []string{
		`<script>alert(1)</script>`, `<img src=//evil.test/x onerror=alert(1)>`, `<svg onload=alert(1)>`, `<iframe src=//evil.test>`, `<script src=//evil.test></script>`,
		`<a href=javascript:alert(1)>x</a>`, `javascript:alert(1)`, `<base href=//evil.test/>`, `<link rel=stylesheet href=//evil.test>`, `<meta http-equiv=refresh content=0;//evil.test>`,
		`<object data=//evil.test></object>`, `<embed src=//evil.test>`, `<form action=//evil.test><button>x`, `<style>@import'//evil.test'</style>`, `<video src=//evil.test onerror=alert(1)>`,
		`<input autofocus onfocus=alert(1)>`, `<details open ontoggle=alert(1)>`, `<body onload=alert(1)>`, `<math><mi//xlink:href="javascript:alert(1)">`, `<p style=background:url(//evil.test)>`,
		`onmouseover=alert(1) x=`, `autofocus onfocus=alert(1) x=`, `hx-get=//evil.test hx-trigger=load x=`, `<b hx-get=//evil.test hx-trigger=load>`, `<iframe srcdoc="<script>alert(1)</script>">`,
		`{{constructor.constructor('alert(1)')()}}`, `${alert(1)}`, `&lt;script&gt;alert(1)&lt;/script&gt;`, `%3Cscript%3Ealert(1)%3C/script%3E`, `\u003cscript\u003ealert(1)\u003c/script\u003e`,
	}
	breakouts = []string{``, `">`, `'>`, `</title>`, `</textarea>`, `</script>`, `-->`, "`>", `" `, `' `}
)

func payloads() (all []string) {
	for _, breakout := range breakouts {
		for _, body := range bodies {
			all = append(all, breakout+body)
		}
	}
	return all
}

// hostileRuntime is a runtime with a tool for every payload.
func hostileRuntime(t *testing.T, all []string) *httptest.Server {
	t.Helper()
	tools := make([]any, len(all))
	for i, payload := range all {
		tools[i] = map[string]any{
			"name": fmt.Sprintf("tool_%d", i), "title": payload, "description": payload, "annotations": map[string]any{"title": payload, "destructiveHint": i%2 == 0},
			"inputSchema": map[string]any{"type": "object", "title": payload, "properties": map[string]any{payload: map[string]any{"type": "string", "description": payload}}},
		}
	}
	tools = append(tools, map[string]any{"name": `"><img src=//evil.test onerror=alert(1)>`, "inputSchema": map[string]any{"type": "object"}})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var message struct {
			ID     json.RawMessage `json:"id"`
			Method string          `json:"method"`
		}
		if r.Method != http.MethodPost || json.NewDecoder(r.Body).Decode(&message) != nil {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		result := any(map[string]any{})
		switch message.Method {
		case "initialize":
			result = map[string]any{"protocolVersion": "2025-11-25", "capabilities": map[string]any{"tools": map[string]any{}}, "serverInfo": map[string]any{"name": all[0], "title": all[1], "version": all[2]}, "instructions": all[3]}
		case "tools/list":
			result = map[string]any{"tools": tools}
		default:
			if len(message.ID) == 0 {
				w.WriteHeader(http.StatusAccepted)
				return
			}
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"jsonrpc": "2.0", "id": message.ID, "result": result}) // the test sees what is missing
	}))
	t.Cleanup(server.Close)
	return server
}

// TestB6NothingOfOthersRuns: 300 payloads in every string that somebody else chooses,
// and Chromium on the pages that show them: no dialog, no report, no request elsewhere.
func TestB6NothingOfOthersRuns(t *testing.T) {
	t.Parallel()
	all := payloads()
	require.Len(t, all, 300)
	h := newHouse(t, "row-b6")
	ctx := t.Context()
	var turn atomic.Int64
	anywhere := from{func() string { n := turn.Add(1) / 20; return fmt.Sprintf("10.6.%d.%d", n>>8&255, n&255) }}
	type stop struct {
		Name    string         `json:"name"`
		URL     string         `json:"url"`
		Cookies []*http.Cookie `json:"cookies"`
		Shows   string         `json:"shows,omitempty"`
	}
	var stops []stop
	see := func(p *httpflow.Person, address, shows string) {
		origin, err := url.Parse(address)
		require.NoError(t, err)
		stops = append(stops, stop{strings.TrimPrefix(address, h.gateway.Console), address, p.Browser.Cookies(origin.Scheme + "://" + origin.Host), shows})
	}
	console := h.gateway.Console + "/" + h.slug

	// Runtimes and their tools; scopes, which a member words and a stranger reads.
	hostile := hostileRuntime(t, all)
	second, err := h.owner.PostRuntime(ctx, h.slug, httpflow.RuntimeForm{Name: all[31], Slug: "hostile", URL: hostile.URL + "/mcp"})
	require.NoError(t, err)
	require.NoError(t, h.owner.ReadSecret(ctx, second))
	require.NoError(t, h.owner.StoredSecret(ctx, second))
	require.NoError(t, h.owner.ReadMCPURL(ctx, second))
	for i := range 12 {
		require.NoError(t, h.owner.AddScope(ctx, h.slug, fmt.Sprintf("scope%d", i), all[(i*37)%300], all[(i*53+7)%300], true))
	}
	h.runtime = second
	_, err = h.owner.Probe(ctx, second)
	require.NoError(t, err)
	for i := range 12 {
		h.opens(fmt.Sprintf("scope%d", i))
	}

	// Apps, each with a payload as its name and address.
	p := httpflow.NewPerson(h.owner.Console, h.owner.Name, anywhere)
	p.Email, p.Password = h.owner.Email, h.owner.Password
	probe := httpflow.NewClient(second.MCPURL, anywhere)
	require.NoError(t, probe.Discover(ctx))
	clients := make([]*httpflow.Client, len(all))
	for i, payload := range all {
		c := httpflow.NewClient(second.MCPURL, anywhere)
		c.Server, c.Resource, c.RedirectURI = probe.Server, probe.Resource, fmt.Sprintf("https://app%d.example/callback", i)
		raw, err := json.Marshal(map[string]any{
			"client_name": payload, "client_uri": "https://app.example/" + payload, "logo_uri": "https://evil.test/" + payload, "tos_uri": payload, "policy_uri": "javascript:alert(1)", "software_id": payload, "software_version": payload,
			"redirect_uris": []string{c.RedirectURI}, "token_endpoint_auth_method": "none",
		})
		require.NoError(t, err)
		page := h.send(p, http.MethodPost, c.Server.RegistrationEndpoint, string(raw), "Content-Type", "application/json")
		if page.Status == http.StatusBadRequest { // a payload that is no address
			raw, err = json.Marshal(map[string]any{"client_name": payload, "redirect_uris": []string{c.RedirectURI}, "token_endpoint_auth_method": "none"})
			require.NoError(t, err)
			page = h.send(p, http.MethodPost, c.Server.RegistrationEndpoint, string(raw), "Content-Type", "application/json")
		}
		require.NoError(t, page.Expect(http.StatusCreated))
		var registered struct {
			ID string `json:"client_id"`
		}
		require.NoError(t, json.Unmarshal(page.Body, &registered))
		c.ClientID = registered.ID
		clients[i] = c
	}
	callback, err := p.Allow(ctx, clients[0].AuthorizeURL(), clients[0].RedirectURI)
	require.NoError(t, err)
	require.NotEmpty(t, callback.Query().Get("code"))
	for i := 10; i < 300; i += 29 {
		_, err := p.Allow(ctx, clients[i].AuthorizeURL(), clients[i].RedirectURI)
		require.NoError(t, err)
	}
	for i, c := range clients {
		c.Challenge.Scope = "mcp scope0 scope1 scope2 scope3 scope4 scope5 scope6 scope7 scope8 scope9 scope10 scope11 " + strings.ReplaceAll(all[(i+1)%300], " ", "")
		see(p, changed(t, c.AuthorizeURL(), "state", all[i]), all[i][:min(20, len(all[i]))])
	}

	// A provider whose people and whose errors are hostile, and requests that fail.
	fake := oidc.New(t)
	provider := h.provider(fake)
	for i := 3; i < 300; i += 37 {
		fake.Claims = func(c map[string]any) {
			c["sub"], c["name"], c["email"], c["preferred_username"] = all[i], all[i], "x@example.com", all[i]
		}
		end := httpflow.NewPerson(h.gateway.Console, "End", anywhere)
		page := h.open(end, h.origin+idpCallback(provider)+"?"+fake.Approve(h.leave(end, provider, clients[i].AuthorizeURL())).Encode())
		require.NoError(t, page.Expect(http.StatusOK))
		see(end, page.URL.String(), "")
		see(end, h.origin+"/me/apps", "")

		failing := httpflow.NewPerson(h.gateway.Console, "Failing", anywhere)
		state := fake.Approve(h.leave(failing, provider, clients[i].AuthorizeURL())).Get("state")
		see(failing, h.origin+idpCallback(provider)+"?"+url.Values{"state": {state}, "error": {all[i]}, "error_description": {all[(i+1)%300]}, "error_uri": {"javascript:alert(1)"}, "iss": {fake.Issuer}}.Encode(), "")
	}
	for i, payload := range all[:30] {
		q := url.QueryEscape(payload)
		addresses := []string{
			h.origin + "/authorize?client_id=" + q, changed(t, clients[0].AuthorizeURL(), "redirect_uri", payload), h.origin + "/" + url.PathEscape(payload), h.origin + "/device?user_code=" + q,
			h.origin + "/sign-in?attempt=" + q, h.gateway.Console + "/sign-in?next=" + q, console + "/" + url.PathEscape(payload), console + "/logs?q=" + q,
		}
		see(p, addresses[i%len(addresses)], "")
	}

	// The console's pages about all that.
	see(p, h.origin+"/me/apps", "")
	fail := strings.Replace(clients[7].AuthorizeURL(), "response_type=code", "response_type="+url.QueryEscape(all[5]), 1)
	require.Contains(t, h.send(p, http.MethodGet, fail, "").Header.Get("Location"), "unsupported_response_type")
	seen := map[string]bool{}
	walk := []string{"/clients", "/connections", "/scopes", "/sign-in/users", "/sign-in", "/authorization", "/logs", "/runtimes", "/runtimes/hostile", "/runtimes/hostile/tools", "/runtimes/hostile/probe", "/runtimes/hostile/setup", "/runtimes/hostile/connect", "/runtimes/hostile/edit"}
	for _, path := range walk {
		page := h.open(h.owner, console+path)
		require.NoError(t, page.Expect(http.StatusOK))
		see(h.owner, console+path, "")
		deeper := 0
		for _, link := range linkOn.FindAllStringSubmatch(string(page.Body), -1) {
			if address, ok := strings.CutPrefix(link[1], "/"+h.slug+path+"/"); ok && !seen[link[1]] && !strings.HasSuffix(address, "/new") && deeper < 12 {
				seen[link[1]] = true
				deeper++
				see(h.owner, h.gateway.Console+strings.ReplaceAll(link[1], "&amp;", "&"), "")
			}
		}
	}
	require.Contains(t, string(h.open(h.owner, console+"/runtimes/hostile/tools").Body), "evil.test", "the tools of the hostile runtime are shown")
	runDriver(t, "threats.mjs", map[string]any{
		"scene": "payloads", "chromium": requireProgram(t, "chromium", "chromium-browser", "google-chrome"), "console": h.gateway.Console, "payloads": all, "pages": stops, "tabs": 4,
	})
	log, err := os.ReadFile(h.gateway.Log)
	require.NoError(t, err)
	for _, line := range strings.Split(string(log), "\n") {
		if strings.Contains(line, "policy") && strings.Contains(line, h.slug) {
			require.NotContains(t, line, "evil", "a broken policy was reported")
		}
	}
}

// changed is an address with another value for a parameter.
func changed(t *testing.T, address, name, value string) string {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	q := u.Query()
	q.Set(name, value)
	u.RawQuery = q.Encode()
	return u.String()
}
