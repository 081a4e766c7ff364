package stories

import (
	"github.com/emcy/gateway/ui/kit"
	"github.com/emcy/gateway/ui/pages"
)

// grants are the pages about the accounts that people connected, and about the worker contract.
func grants(nonce string, say Text) []Story {
	s := inside(nonce, say, pages.SectionGrants)
	look := s
	look.ReadOnly = say("Your role in Acme is Developer; this needs the role Admin. An owner of the workspace can give it to you.")
	list := pages.GrantsPage{
		Shell: s, States: grantStates(), Here: "/acme/grants", ProfilesHref: "/acme/profiles", Rows: grantRows(say), OlderHref: "/acme/grants?after=grt_1", CanMail: true,
		Profiles: []kit.Option{{Value: "prf_1", Text: say("GitHub")}, {Value: "prf_2", Text: say("Google Workspace")}},
		Problems: []pages.GrantProblem{{
			Title: say("GitHub is left alone until 2026-11-22 21:04:00 UTC"), Text: "The provider asks for fewer requests. No token is refreshed before then; the grants are kept, and tokens that still hold are used.",
			Affected: "142 people are affected", Href: "/acme/grants?profile=prf_1",
		}},
	}
	none, match, read := list, list, list
	none.Rows, none.None, none.Problems = nil, true, nil
	match.Rows, match.Query, match.Problems, match.ClearHref = nil, say("dora"), nil, "/acme/grants"
	match.Chips = []kit.Chip{{Text: say("person: dora"), Href: "/acme/grants"}, {Text: say("profile: GitHub"), Href: "/acme/grants"}}
	read.Shell, read.CanMail = look, false
	silent := list
	silent.CanMail = false
	return append(append([]Story{
		{Name: "console/grants", Component: pages.Grants(list)},
		{Name: "console/grants-none", Component: pages.Grants(none)},
		{Name: "console/grants-no-match", Component: pages.Grants(match)},
		{Name: "console/grants-read-only", Component: pages.Grants(read)},
		{Name: "console/grants-no-mail", Component: pages.Grants(silent)},
		{Name: "console/grant", Component: pages.Grant(oneGrant(s, say))},
		{Name: "console/grant-dead", Component: pages.Grant(deadGrant(look, say))},
		{Name: "console/grant-revoke", Component: pages.GrantRevoke(pages.GrantRevokePage{Shell: s, Row: grantRows(say)[0], Title: say("Ana Ferreira, GitHub"), Impact: []string{say("Ana Ferreira's tokens for GitHub are forgotten here at once. Every edge follows within seconds."), say("Calls of Todos that need the account ask Ana Ferreira to connect again.")}})},
	}, massRevokes(s, say)...), contracts(inside(nonce, say, pages.SectionRuntimes), say)...)
}

func grantStates() []pages.GrantState {
	return []pages.GrantState{
		{Text: "All", Count: "1,204", Href: "/acme/grants", Current: true},
		{Text: "Connected", Count: "1,042", Href: "/acme/grants?state=connected"},
		{Text: "Refreshing", Count: "2", Href: "/acme/grants?state=refreshing"},
		{Text: "Refresh failing", Count: "142", Href: "/acme/grants?state=refresh_failing"},
		{Text: "Needs reconnect", Count: "11", Href: "/acme/grants?state=needs_reconnect"},
		{Text: "Revoked", Count: "7", Href: "/acme/grants?state=revoked"},
	}
}

func grantRows(say Text) []pages.GrantRow {
	row := func(id, person, mail, account, profile, scopes, tone, state, why string) pages.GrantRow {
		return pages.GrantRow{
			ID: id, Href: "/acme/grants/" + id, Person: say(person), Email: say(mail), Account: say(account), Profile: say(profile), Scopes: say(scopes), State: pages.Badge{Tone: tone, Text: state},
			Reason: say(why), Next: at("21:31:40"), Used: at("20:00:00"),
		}
	}
	rows := []pages.GrantRow{
		row("grt_5", "Ana Ferreira", "ana@acme.example", "anaferreira", "GitHub", "repo, read:user and 3 more", pages.ToneOK, "Connected", ""),
		row("grt_4", "Maximiliane von Hohenstaufen-Württemberg-Lichtenstein", "maximiliane.von.hohenstaufen@subsidiary.acme.example", "maximiliane.von.hohenstaufen@subsidiary.acme.example", "Google Workspace", "https://www.googleapis.com/auth/calendar.readonly", pages.ToneFail, "Needs reconnect", "The provider does not accept the connection any more: it expired there, or was taken back."),
		row("grt_3", "Bo", "bo@acme.example", "bo", "GitHub", "repo", pages.ToneWarn, "Refresh failing", "The provider does not answer."),
		row("grt_2", "Chidi Okafor", "chidi@acme.example", "", "Todo API", "read, write", pages.ToneInfo, "Refreshing", ""),
		row("grt_1", "eu_06h06anm42yq08p8ckb9w1eyg8", "", "key", "Search key", "", pages.ToneNeutral, "Revoked", "The person disconnected it."),
	}
	rows[1].Next, rows[1].NextText, rows[4].Next, rows[4].NextText, rows[4].Used = pages.Moment{}, "none", pages.Moment{}, "none", pages.Moment{}
	return rows
}

func oneGrant(s pages.Shell, say Text) pages.GrantPage {
	return pages.GrantPage{
		Shell: s, Row: grantRows(say)[0], Title: say("Ana Ferreira, GitHub"), ProfileHref: "/acme/profiles/prf_1", CanRefresh: true, CanMail: true, Scopes: []string{"repo", "read:user", say("https://www.googleapis.com/auth/calendar.readonly")},
		Live:  pages.GrantLive{Tone: pages.ToneOK, Title: "Connected", Text: "It works. Its token holds until 2026-11-22 21:36:40 UTC. It was last refreshed at 2026-11-22 20:36:40 UTC.", Stream: "/acme/-/stream?topics=grant:grt_5"},
		Facts: []pages.Pair{{Term: "Account at the provider", Value: say("anaferreira")}, {Term: "Person", Value: "acc_06h06anm42yq08p8ckb9w1eyg8", Mono: true}, {Term: "Refresh tokens", Value: "a new one with each refresh"}},
		Steps: []pages.GrantStep{
			{Text: "Connected", At: at("08:02:11"), Note: say("anaferreira"), Past: true},
			{Text: "A runtime refused its token", At: at("19:12:40"), Past: true, Failed: true},
			{Text: "Refreshed", At: at("20:36:40"), Past: true},
			{Text: "Next refresh", At: at("21:31:40")},
			{Text: "The access token ends", At: at("21:36:40")},
		},
		Runtimes: []pages.GrantRuntime{{Name: say("Todos"), Href: "/acme/runtimes/todos", Needs: "Needed for calls"}, {Name: say("Issues"), Href: "/acme/runtimes/issues", Needs: "Calls work without it, too", Missing: say("The grant lacks admin:org: the next call asks for it.")}},
		Clients:  []pages.GrantClient{{Name: say("Claude"), Href: "/acme/clients/Y2xp", Runtime: say("Todos"), At: at("08:01:00")}},
	}
}

func deadGrant(s pages.Shell, say Text) pages.GrantPage {
	page := oneGrant(s, say)
	page.Row, page.CanRefresh, page.CanMail, page.Runtimes, page.Clients = grantRows(say)[1], false, false, nil, nil
	page.Title = say("Maximiliane von Hohenstaufen-Württemberg-Lichtenstein, Google Workspace")
	page.Live = pages.GrantLive{
		Tone: pages.ToneFail, Title: say("Maximiliane has to connect again"), Text: say("The provider does not accept the connection any more: it expired there, or was taken back."),
		Next: say("Only Maximiliane can do that: on the page of connected apps, or by the link in the answer to the next call."),
	}
	return page
}

func massRevokes(s pages.Shell, say Text) []Story {
	running := pages.Badge{Tone: pages.ToneInfo, Text: "Telling providers"}
	choose := pages.MassRevokePage{
		Shell:   s,
		Choices: []pages.RevokeChoice{{Name: "The whole workspace", Count: "1,204 grants", Href: "/acme/grants/revoke?all=1"}, {Name: say("GitHub"), Count: "1,204 grants", Href: "/acme/grants/revoke?profile=prf_1"}, {Name: say("Search key"), Count: "0 grants", Empty: true}},
		Batches: []pages.BatchRow{{Href: "/acme/grants/revocations/rvb_1", Name: say("GitHub"), By: say("ana@acme.example"), Count: "1,204", Reason: say("the laptop was stolen"), State: running, At: at("20:10:00")}},
	}
	ask := pages.MassRevokeConfirmPage{
		Shell: s, Name: say("GitHub"), Profile: "prf_1", Word: say("GitHub"), Typed: say("github"), Summary: "Some fields need attention.",
		Impact: []string{"1,204 grants are forgotten here at once. Every edge follows within seconds.", say("Calls of Issues and Todos that need such an account ask their people to connect again.")},
		Errors: pages.FieldErrors{"reason": "Say why, for those who read the report later.", "confirm": say("This is not “GitHub”.")},
	}
	live := pages.BatchLive{
		State: running, Progress: 640, ProgressText: "770 of 1,204", Stream: "/acme/-/stream?topics=revocation:rvb_1", CSRF: "csrf-token", Continue: "/acme/grants/revocations/rvb_1/continue",
		Stopped: "Not all grants are revoked here yet: the process that did it ended. It goes on by itself within minutes, or now.", More: "More of them are in the CSV file.",
		Providers: []pages.BatchProvider{{Name: say("GitHub"), Total: "1,100", Done: "700", Unsupported: "0", Failed: "2", Pending: "398"}, {Name: say("Todo API"), Total: "104", Done: "0", Unsupported: "68", Failed: "0", Pending: "36", Note: "It has no way to take tokens back: they stay valid there until they end."}},
		Problems: []pages.BatchProblem{
			{Person: say("Bo"), Profile: say("GitHub"), Error: say("The provider does not answer."), Tries: "3 tries", State: pages.Badge{Tone: pages.ToneInfo, Text: "Tried again at 2026-11-22 21:04:00 UTC"}},
			{Person: say("Ana Ferreira"), Profile: say("GitHub"), Error: say("The provider does not accept this gateway's client."), Tries: "12 tries", State: pages.Badge{Tone: pages.ToneFail, Text: "Failed"}},
		},
	}
	report := pages.BatchPage{Shell: s, Name: say("GitHub"), Live: live, At: at("20:10:00"), Report: "/acme/grants/revocations/rvb_1/report.csv", Facts: []pages.Pair{{Term: "Reason", Value: say("the laptop was stolen")}, {Term: "Begun by", Value: say("ana@acme.example")}}}
	return []Story{
		{Name: "console/grants-revoke", Component: pages.MassRevoke(choose)},
		{Name: "console/grants-revoke-confirm", Component: pages.MassRevokeConfirm(ask)},
		{Name: "console/grants-revocation", Component: pages.Batch(report)},
	}
}

func contracts(s pages.Shell, say Text) []Story {
	view := pages.ContractPage{
		Shell: s, Runtime: todos(say), Token: pages.ContractOwnHeader, Proof: pages.ContractSecret, Version: "4", Issuer: "http://localhost:8081", JWKS: "http://localhost:8081/jwks", Audience: say("http://127.0.0.1:9001/mcp"),
		Headers: []pages.ContractHeader{
			{Name: "X-Emcy-Worker-Secret", Text: "The worker secret: a request without it did not come through the gateway."},
			{Name: "X-Emcy-Upstream-Access-Token", Text: "The person's token for the API behind the runtime.", Off: "Not sent: no profile is attached to the runtime."},
			{Name: "X-Emcy-Subject", Own: say("X-User"), Text: "Who asks: the person's id in this workspace."},
			{Name: "X-Emcy-Assertion", Text: "The same, signed: a token of at most 60 seconds."},
		},
		Secrets: []pages.ContractSecretState{
			{Name: "The older secret", State: pages.Badge{Tone: pages.ToneOK, Text: "Sent"}, Text: "Sent until a probe has seen the runtime accept the new one, at most until 2026-11-23 12:00:00 UTC."},
			{Name: "The new secret", State: pages.Badge{Tone: pages.ToneWarn, Text: "Waiting"}, Text: "No probe has seen the runtime accept it yet."},
		},
	}
	verified, refused := view, view
	verified.Report = &pages.ContractReport{Tone: pages.ToneWarn, Summary: say("The runtime does not keep strangers out, or not with every secret."), At: at("20:40:00"), Checks: []pages.ContractCheck{
		{Name: "The right secret", Want: "200", Got: "200", State: pages.Badge{Tone: pages.ToneOK, Text: "As expected"}, Text: "It is let in."},
		{Name: "A wrong secret", Want: "401", Got: "401", State: pages.Badge{Tone: pages.ToneOK, Text: "As expected"}, Text: "It is refused."},
		{Name: "Nothing", Want: "401", Got: "200", State: pages.Badge{Tone: pages.ToneFail, Text: "Wrong"}, Text: "It is let in: anyone who finds the runtime's URL can call it, in anybody's name.", Next: say("Add the adapter to the runtime.")},
	}}
	refused.Errors, refused.Summary = pages.FieldErrors{"header.X-Emcy-Subject": say("That is not a valid header name."), "bearer": "One of the static headers is Authorization."}, "Some fields need attention."
	refused.Proof, refused.Token = pages.ContractAssertion, pages.ContractBearer
	look := view
	look.Shell.ReadOnly = say("Your role in Acme is Viewer; this needs the role Developer.")
	return []Story{
		{Name: "console/contract", Component: pages.Contract(view)},
		{Name: "console/contract-verified", Component: pages.Contract(verified)},
		{Name: "console/contract-refused", Component: pages.Contract(refused)},
		{Name: "console/contract-read-only", Component: pages.Contract(look)},
	}
}
