package stories

import (
	"slices"
	"strconv"

	"github.com/a-h/templ"

	"github.com/emcy/gateway/ui/pages"
)

// Story is one component in one state.
type Story struct {
	// Name is unique and fit for a path, such as "console/runtime-error".
	Name string
	// Fragment says that it is not a whole document.
	Fragment bool
	// Component is what to render.
	Component templ.Component
}

// Text is the text of names and descriptions in the stories; Hostile puts markup in their place.
type Text func(plain string) string

// Plain leaves every text as it is.
func Plain(plain string) string { return plain }

// Hostile appends what must come out escaped, or not come out as an address at all.
func Hostile(plain string) string {
	return plain + `"><script>alert(1)</script><img src=x onerror=alert(1)>' javascript:alert(1) {{7*7}} &lt; ` + "\u202e"
}

// All are all stories, rendered with the nonce.
func All(nonce string, say Text) []Story {
	return append(Screens(nonce, say), Story{Name: "kit", Component: Index(nonce, say)})
}

// Screens are the pages and fragments, without the kit.
func Screens(nonce string, say Text) []Story {
	return slices.Concat(console(nonce, say), probes(nonce, say), tools(nonce, say), traces(nonce, say), grants(nonce, say), alerts(nonce, say), tenant(say))
}

// Find is the page with this name.
func Find(nonce, name string) (templ.Component, bool) {
	for _, story := range Screens(nonce, Plain) {
		if story.Name == name && !story.Fragment {
			return story.Component, true
		}
	}
	return nil, false
}

// Index is the page that shows the kit in every state and leads to the screens.
func Index(nonce string, say Text) templ.Component {
	view := pages.UIKitPage{Nonce: nonce}
	for _, piece := range Kit(say) {
		section := pages.UIKitSection{Group: piece.Group, ID: piece.ID, Title: piece.Title, Text: piece.Text}
		for _, state := range piece.States {
			section.States = append(section.States, pages.UIKitState{Name: state.Name, Component: state.Component})
		}
		view.Sections = append(view.Sections, section)
	}
	for _, screen := range Screens(nonce, say) {
		if !screen.Fragment {
			view.Screens = append(view.Screens, screen.Name)
		}
	}
	return pages.UIKit(view)
}

func anonymous(nonce string) pages.Shell {
	return pages.Shell{Nonce: nonce, CSRF: "csrf-token"}
}

func signedIn(nonce string, say Text) pages.Shell {
	acme := pages.WorkspaceLink{Name: say("Acme"), Slug: "acme", Origin: "http://localhost:8081", Role: "Owner", Runtimes: "3 runtimes"}
	return pages.Shell{
		Nonce: nonce, CSRF: "csrf-token",
		Account: pages.Account{Name: say("Ana Ferreira"), Email: say("ana@acme.example")},
		Workspaces: []pages.WorkspaceLink{
			acme,
			{Name: say("Northwind Support"), Slug: "northwind", Origin: "http://localhost:8082", Role: "Member", Runtimes: "1 runtime"},
		},
	}
}

func inside(nonce string, say Text, section string) pages.Shell {
	s := signedIn(nonce, say)
	s.Workspace = s.Workspaces[0]
	s.Section = section
	s.Notice = say("Private and loopback runtimes are allowed, because this gateway runs on localhost.")
	return s
}

func at(clock string) pages.Moment {
	return pages.Moment{ISO: "2026-11-22T" + clock + "Z", Text: "2026-11-22 " + clock}
}

func todos(say Text) pages.RuntimeRef {
	return pages.RuntimeRef{
		Name: say("Todos"), Slug: "todos", MCPURL: "http://localhost:8081/todos/mcp", URL: "http://127.0.0.1:9001/mcp",
		State: pages.Badge{Tone: pages.ToneOK, Text: "Ready"},
	}
}

func console(nonce string, say Text) []Story {
	runtimes := inside(nonce, say, pages.SectionRuntimes)
	flashed := runtimes
	flashed.Flash = say("The worker secret is stored. The runtime was probed again.")
	logs := inside(nonce, say, pages.SectionLogs)
	first := signedIn(nonce, say)
	first.Workspaces = nil
	down := todos(say)
	down.State = pages.Badge{Tone: pages.ToneFail, Text: "Error"}

	return []Story{
		{Name: "console/sign-up", Component: pages.SignUp(pages.SignUpPage{Shell: anonymous(nonce)})},
		{Name: "console/sign-up-refused", Component: pages.SignUp(pages.SignUpPage{
			Shell:  anonymous(nonce),
			Values: pages.SignUpValues{Name: say("Ana"), Email: say("ana@acme"), Next: say("/acme")},
			Errors: pages.FieldErrors{"email": say("This is not an e-mail address."), "password": "Use at least 8 characters."},
		})},
		{Name: "console/sign-in", Component: pages.SignIn(pages.SignInPage{Shell: anonymous(nonce)})},
		{Name: "console/sign-in-refused", Component: pages.SignIn(pages.SignInPage{
			Shell: anonymous(nonce), Values: pages.SignInValues{Email: say("ana@acme.example")}, Summary: say("The e-mail or the password is wrong."),
		})},
		{Name: "console/workspaces", Component: pages.Workspaces(pages.WorkspacesPage{Shell: signedIn(nonce, say)})},
		{Name: "console/workspaces-none", Component: pages.Workspaces(pages.WorkspacesPage{Shell: first})},
		{Name: "console/workspace-new", Component: pages.WorkspaceNew(pages.WorkspaceNewPage{
			Shell: first, OriginPattern: "https://{tenant}.mcp.example.com",
		})},
		{Name: "console/workspace-new-taken", Component: pages.WorkspaceNew(pages.WorkspaceNewPage{
			Shell: signedIn(nonce, say), OriginPattern: "http://localhost:8083",
			Values:      pages.WorkspaceValues{Name: say("Acme"), Slug: say("acme")},
			Errors:      pages.FieldErrors{"slug": say("This slug is taken.")},
			Suggestions: []string{say("acme-tools"), "acme-mcp", "acme-2"},
		})},
		{Name: "console/runtimes", Component: pages.Runtimes(pages.RuntimesPage{Shell: runtimes, Rows: runtimeRows(say)})},
		{Name: "console/runtimes-none", Component: pages.Runtimes(pages.RuntimesPage{Shell: runtimes})},
		{Name: "console/runtime-new", Component: pages.RuntimeForm(pages.RuntimeFormPage{Shell: runtimes})},
		{Name: "console/runtime-new-refused", Component: pages.RuntimeForm(pages.RuntimeFormPage{
			Shell: runtimes,
			Values: pages.RuntimeValues{
				Name: say("Todos"), Slug: say("Todos!"), URL: say("ftp://tools.example.com"),
				Headers: []pages.HeaderValue{{Name: say("X API Key"), Value: say("k")}},
			},
			Errors: pages.FieldErrors{
				"slug": "Use lower-case letters, digits and hyphens only.", "url": say("Use an https address."),
				"header_name.0": say("A header's name has no spaces."),
			},
		})},
		{Name: "console/runtime-edit", Component: pages.RuntimeForm(pages.RuntimeFormPage{
			Shell: runtimes, Edit: true, RuntimeName: say("Todos"),
			Values: pages.RuntimeValues{
				Name: say("Todos"), Slug: "todos", URL: "http://127.0.0.1:9001/mcp", Version: "7",
				Headers: []pages.HeaderValue{{Name: "X-API-Key", Stored: true}},
			},
		})},
		{Name: "console/runtime-edit-conflict", Component: pages.RuntimeForm(pages.RuntimeFormPage{
			Shell: runtimes, Edit: true, RuntimeName: say("Todos"),
			Values:   pages.RuntimeValues{Name: say("Todos v2"), Slug: "todos", URL: say("http://127.0.0.1:9001/mcp"), Version: "8"},
			Conflict: &pages.RuntimeConflict{Name: say("To-dos"), URL: say("http://127.0.0.1:9100/mcp"), Headers: say("X-API-Key")},
		})},
		{Name: "console/setup", Component: pages.RuntimeSetup(pages.RuntimeSetupPage{
			Shell: runtimes, Runtime: todos(say), Secret: "emcy_ws_7Qk2mXo4vN9rT1cLz8yB3hWd6sEfGjPa", Adapters: pages.Adapters(),
		})},
		{Name: "console/setup-rotated", Component: pages.RuntimeSetup(pages.RuntimeSetupPage{
			Shell: runtimes, Runtime: todos(say), Secret: say("emcy_ws_7Qk2mXo4"), Rotated: true, GraceText: say("until 21:50 UTC"), Adapters: pages.Adapters(),
		})},
		{Name: "console/setup-gone", Component: pages.RuntimeSetup(pages.RuntimeSetupPage{Shell: runtimes, Runtime: todos(say), Adapters: pages.Adapters()})},
		{Name: "console/runtime", Component: pages.Runtime(readyRuntime(flashed, say))},
		{Name: "console/runtime-error", Component: pages.Runtime(pages.RuntimePage{
			Shell: runtimes, Runtime: down, Probe: failedProbe(say), Added: at("20:41:07"),
		})},
		{Name: "console/runtime-unprobed", Component: pages.Runtime(pages.RuntimePage{
			Shell: runtimes,
			Runtime: pages.RuntimeRef{
				Name: say("Search"), Slug: "search", MCPURL: "http://localhost:8081/search/mcp", URL: "https://search.example.com/mcp",
				State: pages.Badge{Tone: pages.ToneNeutral, Text: "Waiting"},
			},
		})},
		{Name: "console/remove", Component: pages.RuntimeRemove(pages.RuntimeRemovePage{
			Shell: runtimes, Runtime: todos(say), Impact: []string{say("2 clients lose access."), "41 people have to connect again elsewhere."},
		})},
		{Name: "console/remove-refused", Component: pages.RuntimeRemove(pages.RuntimeRemovePage{
			Shell: runtimes, Runtime: todos(say), Confirm: say("todo"), Error: say("This is not the runtime's slug."),
		})},
		{Name: "console/connect", Component: pages.Connect(pages.ConnectPage{
			Shell: runtimes, Runtime: todos(say), Status: Waiting(), Stream: "/acme/-/stream?topics=connect:todos",
			SignInAs: say("Members of Acme sign in with their console account."),
		})},
		{Name: "console/connect-on", Component: pages.Connect(pages.ConnectPage{
			Shell: runtimes, Runtime: todos(say), Status: Connected(say), SignInAs: say("Members of Acme sign in with their console account."),
		})},
		{Name: "console/logs", Component: pages.Logs(pages.LogsPage{
			Shell: logs, Rows: logRows(say), Href: "/acme/logs", LiveHref: "/acme/logs?live=1", OlderHref: "/acme/logs?before=abc", Stream: "/acme/-/stream?topics=logs",
		})},
		{Name: "console/logs-live", Component: pages.Logs(pages.LogsPage{
			Shell: logs, Rows: logRows(say)[:4], Href: "/acme/logs", LiveHref: "/acme/logs", Live: true, Stream: "/acme/-/stream?topics=logs", NewerHref: "/acme/logs",
		})},
		{Name: "console/logs-none", Component: pages.Logs(pages.LogsPage{
			Shell: logs, Href: "/acme/logs", LiveHref: "/acme/logs?live=1", Stream: "/acme/-/stream?topics=logs", ExampleURL: "http://localhost:8081/todos/mcp",
		})},
		{Name: "console/logs-no-runtime", Component: pages.Logs(pages.LogsPage{Shell: logs, Href: "/acme/logs", LiveHref: "/acme/logs?live=1"})},
		{Name: "console/log", Component: pages.LogDetail(logDetail(logs, say))},
		{Name: "console/log-failed", Component: pages.LogDetail(pages.LogDetailPage{
			Shell: logs, Row: logRows(say)[3], BackHref: "/acme/logs", Total: "30.0 s",
			Reason: say("The runtime did not answer within 30 s."), Facts: []pages.Pair{{Term: "Request id", Value: say("01KAPX"), Mono: true}},
		})},
		{Name: "console/error-404", Component: pages.ErrorPage(pages.ErrorPageView{
			Shell: runtimes, Code: "404", Title: say("There is no such runtime in Acme"), Text: say("It may have been removed, or the address is mistyped."),
			RequestID: "01KAPXQ6J8R6C2Y9ZB0M2F4T7N", ActionText: "All runtimes", ActionHref: "/acme/runtimes",
		})},
		{Name: "console/error-500", Component: pages.ErrorPage(pages.ErrorPageView{
			Shell: anonymous(nonce), Code: "500", Title: "Something went wrong here", Text: "Nothing you typed is lost. Try again; if it stays, tell us the request id.",
			RequestID: say("01KAPXQ6J8R6C2Y9ZB0M2F4T7N"), ActionText: "Try again", ActionHref: say("/sign-in"),
		})},
		{Name: "fragment/connect-waiting", Fragment: true, Component: pages.ConnectStatus(Waiting())},
		{Name: "fragment/connect-on", Fragment: true, Component: pages.ConnectStatus(Connected(say))},
		{Name: "fragment/log-rows", Fragment: true, Component: pages.LogRows(logRows(say))},
	}
}

// Waiting is the connect card before the first client, with its first dot done.
func Waiting() pages.ConnectStatusView {
	return pages.ConnectStatusView{Steps: way(1)}
}

// Connected is the connect card after the first call.
func Connected(say Text) pages.ConnectStatusView {
	return pages.ConnectStatusView{
		Connected: true, Steps: way(5), Client: say("Claude Code"), Person: say("ana@acme.example"), Calls: "3 calls",
		LastCall: at("20:50:47"), LogsHref: "/acme/logs",
	}
}

func way(done int) []pages.ConnectStep {
	var steps []pages.ConnectStep
	for i, text := range []string{"Found the gateway", "Registered", "Signed in", "Allowed", "First call"} {
		steps = append(steps, pages.ConnectStep{Text: text, Done: i < done})
	}
	return steps
}

func runtimeRows(say Text) []pages.RuntimeRow {
	return []pages.RuntimeRow{
		{
			Name: say("Todos"), Slug: "todos", MCPURL: "http://localhost:8081/todos/mcp", URL: "http://127.0.0.1:9001/mcp",
			State: pages.Badge{Tone: pages.ToneOK, Text: "Ready"}, Era: "2026-07-28", Tools: "14", LastCall: at("20:50:47"),
		},
		{
			Name: say("Customer search"), Slug: "search", MCPURL: "http://localhost:8081/search/mcp", URL: "https://search.internal.example/mcp",
			State: pages.Badge{Tone: pages.ToneFail, Text: "Error"}, Era: "2025-11-25", Tools: "6", LastCall: at("18:02:11"),
		},
		{
			Name: say("Billing"), Slug: "billing", MCPURL: "http://localhost:8081/billing/mcp", URL: "https://billing.example.com/mcp",
			State: pages.Badge{Tone: pages.ToneNeutral, Text: "Waiting"},
		},
	}
}

func readyRuntime(s pages.Shell, say Text) pages.RuntimePage {
	return pages.RuntimePage{
		Shell: s, Runtime: todos(say), Added: at("20:41:07"), Headers: []string{say("X-API-Key")},
		Probe: &pages.ProbeSummary{
			At: at("20:49:02"), Outcome: pages.Badge{Tone: pages.ToneWarn, Text: "Works, with remarks"},
			Era:  pages.Badge{Tone: pages.ToneInfo, Text: "Modern · 2026-07-28"},
			Text: say("It works: MCP 2026-07-28, 14 tools, answers in 18 ms."), Remarks: "3 remarks",
		},
		ServerInfo: []pages.Pair{{Term: "Server", Value: say("FastMCP example 1.0.0")}, {Term: "Capabilities", Value: "tools, logging"}},
		Warnings: []pages.Warning{{
			Tone: pages.ToneWarn, Title: say("This runtime answers without the worker secret"),
			Text:       "Anyone who finds its address can call it, past sign-in and past this log. Two lines close it.",
			ActionText: "Show the adapter", ActionHref: "/acme/runtimes/todos/setup",
		}},
		ToolCount: "14", ToolsTokens: "≈ 1,240 tokens", ToolsMore: "and 10 more",
		Tools: []pages.ToolName{
			{Name: "add", Href: "/acme/runtimes/todos/tools/tool_1"},
			{Name: say("search_customers"), Href: "/acme/runtimes/todos/tools/tool_2"},
			{Name: "delete_customer", Href: "/acme/runtimes/todos/tools/tool_3"},
			{Name: "slow_count", Href: "/acme/runtimes/todos/tools/tool_4"},
		},
		Requests: logRows(say)[:5],
	}
}

func failedProbe(say Text) *pages.ProbeSummary {
	return &pages.ProbeSummary{
		At: at("20:49:02"), Outcome: pages.Badge{Tone: pages.ToneFail, Text: "Not reachable"},
		Text: say("It does not work: “Connection (TCP)” failed. The connection is refused at 127.0.0.1:9001."),
		Next: "Start the runtime, or correct its port, then probe again.",
	}
}

func logRows(say Text) []pages.LogRow {
	ok := pages.Badge{Tone: pages.ToneOK, Text: "ok"}
	rows := []pages.LogRow{
		{At: at("20:50:47"), Outcome: ok, Method: "tools/call", Tool: say("search_customers"), Status: "200", Latency: "61 ms"},
		{At: at("20:50:44"), Outcome: ok, Method: "tools/list", Status: "200", Latency: "18 ms"},
		{At: at("20:50:43"), Outcome: ok, Method: "initialize", Status: "200", Latency: "34 ms"},
		{At: at("20:48:10"), Outcome: pages.Badge{Tone: pages.ToneFail, Text: "timeout"}, Method: "tools/call", Tool: "slow_count", Status: "504", Latency: "30.0 s"},
		{At: at("20:47:02"), Outcome: pages.Badge{Tone: pages.ToneWarn, Text: "tool error"}, Method: "tools/call", Tool: "delete_customer", Status: "200", Latency: "45 ms"},
		{At: at("20:46:59"), Outcome: pages.Badge{Tone: pages.ToneNeutral, Text: "no token"}, Method: "POST", Status: "401", Latency: "0.4 ms"},
	}
	for i := range rows {
		rows[i].ID = "01KAPXQ6J8R6C2Y9ZB0M2F4T7" + strconv.Itoa(i)
		rows[i].Href = "/acme/logs/" + rows[i].ID
		rows[i].Runtime = "todos"
		if rows[i].Status != "401" {
			rows[i].User, rows[i].Client = say("ana@acme.example"), say("Claude Code")
		}
	}
	return rows
}

func logDetail(s pages.Shell, say Text) pages.LogDetailPage {
	return pages.LogDetailPage{
		Shell: s, Row: logRows(say)[0], BackHref: "/acme/logs", Total: "61 ms",
		Spans: []pages.Span{
			{Name: "Gateway", Start: 0, Length: 40, Took: "2.4 ms"},
			{Name: "Upstream", Start: 40, Length: 930, Took: "57 ms", Upstream: true},
			{Name: "Stream back", Start: 970, Length: 30, Took: "1.6 ms"},
		},
		Facts: []pages.Pair{
			{Term: "Request id", Value: "01KAPXQ6J8R6C2Y9ZB0M2F4T7N", Mono: true},
			{Term: "Method", Value: "tools/call", Mono: true},
			{Term: "Tool", Value: say("search_customers"), Mono: true},
			{Term: "Runtime", Value: "Todos"},
			{Term: "User", Value: say("ana@acme.example")},
			{Term: "Client", Value: say("Claude Code") + " (registered itself)"},
			{Term: "Client id", Value: "c_9fJ2kQ", Mono: true},
			{Term: "Protocol", Value: "2026-07-28", Mono: true},
			{Term: "Status", Value: "200", Mono: true},
			{Term: "Request size", Value: "412 B"},
			{Term: "Response size", Value: "8.1 kB"},
		},
	}
}
