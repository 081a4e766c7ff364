package stories

import "github.com/emcy/gateway/ui/pages"

// traces are the pages about clients that connect, or do not.
func traces(nonce string, say Text) []Story {
	s := inside(nonce, say, pages.SectionConnections)
	list := pages.TracesPage{
		Shell: s, Rows: traceRows(say), Href: "/acme/connections", AllHref: "/acme/connections", OpenHref: "/acme/connections?open=1",
		OlderHref: "/acme/connections?before=tra_1", Stream: "/acme/-/stream?topics=traces",
	}
	none := list
	none.Rows, none.OlderHref, none.ConnectHref = nil, "", "/acme/runtimes/todos/connect"
	found := none
	found.Filtered, found.Open, found.Runtime, found.ClearHref = true, true, "todos", "/acme/connections"
	found.Query, found.Error = say("tra_06h0"), "There is no connection with this id, or it is older than seven days."
	return []Story{
		{Name: "console/connections", Component: pages.Traces(list)},
		{Name: "console/connections-none", Component: pages.Traces(none)},
		{Name: "console/connections-no-match", Component: pages.Traces(found)},
		{Name: "console/connection-failed", Component: pages.Trace(failedTrace(s, say))},
		{Name: "console/connection", Component: pages.Trace(silentTrace(s, say))},
	}
}

var wayNames = []string{"Found the gateway", "Registered", "Signed in", "Allowed", "Reached the runtime", "First call"}

func wayTo(done int, failed bool) []pages.TraceDot {
	out := make([]pages.TraceDot, len(wayNames))
	for i, name := range wayNames {
		out[i] = pages.TraceDot{Text: name, Done: i < done, Failed: failed && i == done}
	}
	return out
}

func traceRows(say Text) []pages.TraceRow {
	row := func(id, clock, client, tone, state, why string, dots []pages.TraceDot) pages.TraceRow {
		return pages.TraceRow{
			ID: id, Href: "/acme/connections/" + id, At: at(clock), Client: say(client), Runtime: "todos", State: pages.Badge{Tone: tone, Text: state}, Why: why, Dots: dots,
		}
	}
	return []pages.TraceRow{
		row("tra_5", "20:52:11", "Cursor", pages.ToneInfo, "signing in", "", wayTo(2, false)),
		row("tra_4", "20:51:07", "Claude Code", pages.ToneOK, "connected", "", wayTo(6, false)),
		row("tra_3", "20:44:30", "mcp-remote 0.15.1", pages.ToneFail, "failed", "return address differs", wayTo(2, true)),
		row("tra_2", "20:40:12", "", pages.ToneNeutral, "stopped", "went no further", wayTo(1, false)),
		row("tra_1", "20:31:59", "ChatGPT", pages.ToneWarn, "no call since", "token issued, no call since", wayTo(4, false)),
	}
}

func failedTrace(s pages.Shell, say Text) pages.TracePage {
	return pages.TracePage{
		Shell: s, Row: traceRows(say)[2], Why: say("The client asked to return to an address that it has not registered."),
		Cure: "Remove the server in the client and add it again, so that it registers anew.",
		Self: "/acme/connections/tra_3", BackHref: "/acme/connections",
		Steps: []pages.TraceStep{
			{
				Tone: pages.ToneOK, Title: "Asked the runtime without a token", At: at("20:44:30"),
				Asked: pages.TraceMessage{Line: "POST /todos/mcp"}, Answered: pages.TraceMessage{Line: "401", Pairs: []pages.Pair{{Term: "www-authenticate", Value: "resource_metadata"}}},
			},
			{
				Tone: pages.ToneOK, Title: "Registered", At: at("20:44:31"), After: "+61 ms",
				Asked: pages.TraceMessage{Line: "POST /register", Pairs: []pages.Pair{
					{Term: "client_name", Value: say("mcp-remote")}, {Term: "redirect_uris", Value: say("http://127.0.0.1:3334/oauth/callback")},
				}},
				Answered: pages.TraceMessage{Line: "201", Pairs: []pages.Pair{{Term: "client_id", Value: "cli_06h06anm42yq08p8ckb9w1eyg8"}}},
			},
			{
				Tone: pages.ToneFail, Title: "Opened the sign-in", At: at("20:44:33"), After: "+2.1 s", Why: say("The client asked to return to an address that it has not registered."),
				Asked: pages.TraceMessage{Line: "GET /authorize", Pairs: []pages.Pair{
					{Term: "redirect_uri", Value: say("http://127.0.0.1:3334/other")}, {Term: "code_challenge", Value: "43 characters"},
				}},
				Answered: pages.TraceMessage{Line: "400", Pairs: []pages.Pair{{Term: "error", Value: "invalid_redirect_uri"}}},
			},
		},
		Facts: []pages.Pair{{Term: "Trace", Value: "tra_06h06anm42yq08p8ckb9w1eyg8", Mono: true}, {Term: "Client", Value: say("mcp-remote 0.15.1")}, {Term: "Network", Value: "203.0.113.0/24", Mono: true}},
	}
}

func silentTrace(s pages.Shell, say Text) pages.TracePage {
	page := failedTrace(s, say)
	page.Row, page.Steps = traceRows(say)[4], page.Steps[:2]
	page.Why, page.Cure = "The client got its token and has not called the runtime since.", say("Restart the client, or reload its tools.")
	page.Stream = "/acme/-/stream?topics=traces"
	return page
}
