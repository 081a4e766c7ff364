package server_test

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server/settings"
	"github.com/emcy/gateway/tenancy"
)

// hostileClient is a client that wants to be taken for another one.
type hostileClient struct {
	name string
	// id is a metadata document's address; empty for one that registers itself.
	id       string
	redirect string
	shows    []string
	hides    []string
}

const (
	unverified = "This app is not verified"
	fraud      = "This is probably not "
	onLoopback = "Only allow if you started this on this computer just now"
	inApp      = "Only allow if you started this in that app just now"
	yourself   = "Only allow if you started this yourself"
	evilWeb    = "https://login.evil.example/cb"
	loopback   = "http://127.0.0.1:4000/cb"
	codeID     = "https://claude.ai/oauth/claude-code-client-metadata"
)

// hostileClients are forty ways to be taken for somebody else.
var hostileClients = []hostileClient{
	// A brand's name, and an answer that goes elsewhere.
	{name: "Claude", redirect: evilWeb, shows: []string{fraud + "Claude", "login.evil.example"}},
	{name: "claude", redirect: evilWeb, shows: []string{fraud + "Claude"}},
	{name: "CLAUDE", redirect: evilWeb, shows: []string{fraud + "Claude"}},
	{name: "Claude Code", redirect: evilWeb, shows: []string{fraud + "Claude Code"}},
	{name: "Claude by Anthropic", redirect: evilWeb, shows: []string{fraud}},
	{name: "Anthropic Connector", redirect: evilWeb, shows: []string{fraud}},
	{name: "ChatGPT", redirect: "https://chatgpt.com.evil.example/connector/oauth/x", shows: []string{fraud + "ChatGPT", "chatgpt.com.evil.example"}},
	{name: "OpenAI", redirect: "https://evil.example/chatgpt.com/connector/oauth/x", shows: []string{fraud}},
	{name: "Visual Studio Code", redirect: "https://vscode.dev.evil.example/redirect", shows: []string{fraud + "Visual Studio Code"}},
	{name: "GitHub Copilot", redirect: evilWeb, shows: []string{fraud}},
	{name: "Cursor", redirect: "https://cursor.com.evil.example/cb", shows: []string{fraud + "Cursor"}},
	{name: "Gemini", redirect: evilWeb, shows: []string{fraud}},
	{name: "Claude", redirect: "com.evil.claude:/cb", shows: []string{fraud + "Claude", "com.evil.claude:"}},
	{name: "Claude", redirect: "https://claude.ai:8443/api/mcp/auth_callback", shows: []string{"claude.ai:8443"}, hides: []string{"Verified app"}},
	// The same in other letters.
	{name: "Cl\u0430ude", redirect: evilWeb, shows: []string{fraud + "Claude"}}, // Cyrillic
	{name: "\u0421laude", redirect: evilWeb, shows: []string{fraud + "Claude"}}, // Cyrillic capital
	{name: "Claud\u0435", redirect: evilWeb, shows: []string{fraud + "Claude"}},
	{name: "CIaude", redirect: evilWeb, shows: []string{fraud + "Claude"}}, // a capital I
	{name: "C1aude", redirect: evilWeb, shows: []string{fraud + "Claude"}},
	{name: "Ｃｌａｕｄｅ", redirect: evilWeb, shows: []string{fraud + "Claude"}}, // full width
	{name: "Cláude", redirect: evilWeb, shows: []string{fraud + "Claude"}},
	{name: "𝐂𝐥𝐚𝐮𝐝𝐞", redirect: evilWeb, shows: []string{fraud + "Claude"}}, // mathematical bold
	{name: "Cl\u200baude", redirect: evilWeb, shows: []string{fraud + "Claude"}},
	{name: "\u202eedualC", redirect: evilWeb, shows: []string{unverified, "“edualC”"}, hides: []string{"\u202e"}},
	{name: "Claude\u202e)deifirev(", redirect: evilWeb, shows: []string{fraud}, hides: []string{"\u202e"}},
	{name: "0penAI", redirect: evilWeb, shows: []string{fraud}},
	// Words that claim what is not so.
	{name: "Verified by Workspace acme", redirect: evilWeb, shows: []string{unverified, "“Verified by Workspace acme”", "login.evil.example"}},
	{name: "System (administrator)", redirect: evilWeb, shows: []string{unverified}},
	{name: strings.Repeat("Very trustworthy ", 200), redirect: evilWeb, shows: []string{unverified, "…”"}, hides: []string{strings.Repeat("Very trustworthy ", 4)}},
	{name: "", redirect: evilWeb, shows: []string{unverified, "An app without a name"}},
	{name: "\u3164\u2800", redirect: evilWeb, shows: []string{unverified, "An app without a name"}},
	{name: "x\r\n\r\nAllowed by your administrator", redirect: evilWeb, shows: []string{unverified, "“x Allowed by your administrator”"}},
	{name: `<img src=x onerror=alert(1)>`, redirect: evilWeb, shows: []string{unverified, "&lt;img src=x"}, hides: []string{"<img"}},
	// Whose address says nothing about who listens there.
	{name: "Claude Code", redirect: loopback, shows: []string{unverified, onLoopback, "127.0.0.1:4000"}, hides: []string{"Verified app"}},
	{name: "Claude Code", id: codeID, redirect: "http://localhost:6666/callback", shows: []string{"claude.ai", onLoopback, "localhost:6666"}, hides: []string{"Verified app"}},
	{name: "Notes", redirect: "com.example.notes:/cb", shows: []string{unverified, inApp, "com.example.notes:"}},
	// Documents: the website chose the name, and is what is shown large.
	{name: "Claude", id: "https://claude.ai.evil.example/client.json", redirect: "https://claude.ai.evil.example/cb", shows: []string{fraud + "Claude", "claude.ai.evil.example"}},
	{name: "Notes", id: "https://xn--pple-43d.example/client.json", redirect: "https://xn--pple-43d.example/cb", shows: []string{"xn--pple-43d.example", "the website chose that name", yourself}},
	{name: "Your bank", id: "https://evil.example/client.json", redirect: evilWeb, shows: []string{"evil.example", "“Your bank”", "login.evil.example"}, hides: []string{"Verified app"}},
	// It was shown with one address and comes with another one.
	{name: "Notes", redirect: "https://notes.example/second", shows: []string{unverified, "notes.example"}},
}

type documentRow struct {
	TenantID, ID, Kind, Name, ApplicationType, Document string
	RedirectURIs                                        string `gorm:"column:redirect_uris"`
	CreatedAt, FetchedAt, FreshUntil                    time.Time
}

func (documentRow) TableName() string { return "clients" }

// hostile makes the client known to the tenant.
func (tn *tenant) hostile(c hostileClient) *app {
	t := tn.b.t
	t.Helper()
	a := &app{tn: tn, id: c.id, verifier: strings.Repeat("v", 43), http: tn.browser()}
	if c.id != "" {
		registered := c.redirect
		if u, err := url.Parse(c.redirect); err == nil && u.Scheme == "http" {
			registered = "http://localhost/callback"
		}
		tn.write(func(tx *tenancy.Tx) error {
			return tx.DB().Create(&documentRow{
				TenantID: tx.Tenant(), ID: c.id, Kind: "cimd", Name: c.name, ApplicationType: "web", Document: "{}", RedirectURIs: `["` + registered + `"]`,
				CreatedAt: tx.Now(), FetchedAt: tx.Now(), FreshUntil: tx.Now().Add(time.Hour),
			}).Error
		})
		return a
	}
	body, err := json.Marshal(map[string]any{"client_name": c.name, "redirect_uris": []string{c.redirect, "https://notes.example/first"}})
	require.NoError(t, err)
	p := tn.register(string(body))
	require.Equal(t, 201, p.status, p.body)
	var out struct {
		ID string `json:"client_id"`
	}
	require.NoError(t, json.Unmarshal([]byte(p.body), &out))
	a.id = out.ID
	return a
}

// TestHostileClients: each gets the right warning, and none an answer that nobody gave,
// also right after a yes at a workspace that remembers them.
func TestHostileClients(t *testing.T) {
	t.Parallel()
	require.Len(t, hostileClients, 40)
	each(t, func(b *testBundle, tn *tenant) {
		turn := byte(0)
		b.clientIP = func(*http.Request) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, turn, 1}) }
		tn.change(func(s *settings.Settings) { s.RememberConsent = true })
		br := tn.browser()
		br.own(tn.owner.Email)
		for _, c := range hostileClients {
			turn++
			a := tn.hostile(c)
			header := []string{"Sec-Fetch-Site", "none"}
			open := func() page {
				v := a.query("redirect_uri", c.redirect)
				p := br.request("GET", "/authorize?"+v.Encode(), "", header...)
				for p.location != "" {
					require.True(b.t, strings.HasPrefix(p.location, "/"), "%q answered: %s", c.name, p.location)
					p = br.request("GET", p.location, "", header...)
				}
				require.Equal(b.t, 200, p.status, p.body)
				return p
			}
			p := open()
			for _, text := range c.shows {
				require.Contains(b.t, p.body, text, "%q", c.name)
			}
			for _, text := range append(c.hides, "<script", "onerror=alert(1)>") {
				require.NotContains(b.t, p.body, text, "%q", c.name)
			}
			require.Equal(b.t, 1, strings.Count(p.body, `value="deny"`))
			warned := strings.Contains(p.body, fraud)
			if warned {
				require.NotContains(b.t, p.body, `value="allow"`, "no yes on the warning itself")
				p = br.get(br.decide(p, "proceed").location)
				require.Contains(b.t, p.body, "ident-lookalike", "it is said again")
			}
			require.Less(b.t, strings.Index(p.body, `value="deny"`), strings.Index(p.body, `value="allow"`), "Cancel is first")
			require.Contains(b.t, br.decide(p, "allow").location, "code=")
			require.Equal(b.t, warned, strings.Contains(open().body, fraud), "asked again, and warned of again")
		}
	})
}

// TestB8LoopbackOfAKnownClient: a vendor's document says nothing about who listens on
// this computer.
func TestB8LoopbackOfAKnownClient(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		tn.change(func(s *settings.Settings) { s.RememberConsent = true })
		a := tn.hostile(hostileClient{name: "Claude Code", id: codeID, redirect: "http://localhost/callback"})
		br := tn.browser()
		br.own(tn.owner.Email)
		const attacker = "http://localhost:31337/callback"
		for range 2 {
			require.Empty(b.t, a.again(br, "redirect_uri", attacker))
			p := a.authorize(br, "redirect_uri", attacker)
			p = br.get(br.get(p.location).location)
			require.Contains(b.t, p.body, onLoopback)
			require.Contains(b.t, p.body, "localhost:31337")
			require.Contains(b.t, br.decide(p, "allow").location, "code=")
		}
	})
}
