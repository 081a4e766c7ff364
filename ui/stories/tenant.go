package stories

import "github.com/emcy/gateway/ui/enduser"

func tenant(say Text) []Story {
	page := enduser.Page{Tenant: say("Acme"), Host: "localhost:8081", CSRF: "csrf-token"}
	signIn := enduser.SignInPage{Page: page, Attempt: "at_1", Client: say("Claude Code"), Runtime: say("Todos")}
	providers, own := signIn, signIn
	providers.Providers, providers.ClientVerified = []enduser.ProviderLink{{Name: say("Acme SSO"), Href: "/sign-in/idp_1?attempt=at_1"}, {Name: say("Contractors"), Href: say("/sign-in/idp_2")}}, true
	own.Attempt, own.Client, own.Runtime = "", "", ""
	return append(append(consents(say, page), connects(say, page)...), []Story{
		{Name: "tenant/sign-in", Component: enduser.SignIn(signIn)},
		{Name: "tenant/sign-in-providers", Component: enduser.SignIn(providers)},
		{Name: "tenant/sign-in-own", Component: enduser.SignIn(own)},
		{Name: "tenant/sign-in-refused", Component: enduser.SignIn(enduser.SignInPage{
			Page: page, Attempt: "at_1", Runtime: say("Todos"), Email: say("ana@acme.example"), SignUpHref: say("http://localhost:8080/sign-up"),
			Summary: say("The e-mail or the password is wrong."), Errors: map[string]string{"password": "Type it again."},
		})},
		{Name: "tenant/apps", Component: enduser.Apps(apps(say, page))},
		{Name: "tenant/apps-empty", Component: enduser.Apps(enduser.AppsPage{Page: page, AccountEmail: say("ana@acme.example"), Flash: say("Access ended.")})},
		{Name: "tenant/device", Component: enduser.Device(enduser.DevicePage{Page: page})},
		{Name: "tenant/device-refused", Component: enduser.Device(enduser.DevicePage{Page: page, Code: say("BBBB-BBBB"), Error: "There is no such code, or it has expired. Look at your device again."})},
		{Name: "tenant/device-confirm", Component: enduser.DeviceConfirm(enduser.DeviceConfirmPage{
			Page: page, Code: "BCDF-GHJK", Runtime: say("Todos"), Identity: enduser.Identity{Kind: enduser.IdentityItself, Name: say("Emcy CLI"), Since: "That was 2 minutes ago."},
		})},
		{Name: "tenant/done", Component: enduser.Done(enduser.DonePage{Page: page, Title: "Allowed", Text: "Go back to your device."})},
		{Name: "tenant/error", Component: enduser.ErrorPage(enduser.ErrorPageView{
			Page: page, Code: "invalid_client", Title: "This app is not registered here", Text: "The app uses a registration that this workspace does not know.",
			Steps: []enduser.Cure{{Where: "Claude Code", What: "Run /mcp and choose “Clear authentication”."}, {Where: say("mcp-remote"), What: say("Delete ~/.mcp-auth.")}},
			Cure:  "Start again from the app.", RequestID: "01KAPXQ6J8R6C2Y9ZB0M2F4T7N", TraceID: "trc_01KAPXQ6J8",
		})},
		{Name: "tenant/error-origin", Component: enduser.ErrorPage(enduser.ErrorPageView{
			Page: enduser.Page{Host: say("nobody.example")}, Code: "421", Title: "Nothing is served here", Text: "This address belongs to no workspace.",
		})},
		{Name: "tenant/signed-out", Component: enduser.SignedOut(enduser.SignedOutPage{Page: page, Text: say("Start again from the app.")})},
	}...)
}

func consents(say Text, page enduser.Page) []Story {
	loopback := enduser.ConsentPage{
		Page: page, Attempt: "at_1", Runtime: say("Todos"), MCPURL: "http://localhost:8081/todos/mcp",
		Identity: enduser.Identity{Kind: enduser.IdentityItself, Name: say("Claude Code"), Since: "That was 2 minutes ago."},
		Redirect: enduser.Redirect{Kind: enduser.RedirectLoopback, Shown: "localhost:33418"},
		Groups:   scopes(say), Lives: []enduser.Life{{Value: "1d", Title: "1 day"}, {Value: "30d", Title: "30 days"}, {Value: "max", Title: "Until it is ended", Text: "By you or an administrator; at most 90 days.", Chosen: true}},
		AccountName: say("Ana Ferreira"), AccountEmail: say("ana@acme.example"), SwitchAction: "/sign-out",
	}
	web, document, added, app, device, fake := loopback, loopback, loopback, loopback, loopback, loopback
	web.Identity = enduser.Identity{Kind: enduser.IdentityKnown, Name: "Claude", Host: "claude.ai"}
	web.Redirect = enduser.Redirect{Kind: enduser.RedirectWeb, Shown: "claude.ai"}
	document.Identity = enduser.Identity{Kind: enduser.IdentityDocument, Name: say("Notes"), Host: say("notes.example"), Since: "Checked 2 minutes ago."}
	document.Redirect = enduser.Redirect{Kind: enduser.RedirectWeb, Shown: say("notes.example")}
	added.Identity = enduser.Identity{Kind: enduser.IdentityAdded, Name: say("Reports"), Workspace: say("Acme")}
	added.Redirect = document.Redirect
	app.Redirect = enduser.Redirect{Kind: enduser.RedirectApp, Shown: "com.example.app"}
	app.Error, app.SwitchAction, app.AccountName = say("Please choose again."), say("https://evil.example"), ""
	device.Redirect = enduser.Redirect{Kind: enduser.RedirectDevice}
	fake.Identity = enduser.Identity{Kind: enduser.IdentityLookalike, Name: say("Cl\u0430ude"), Brand: "Claude"}
	fake.Redirect = enduser.Redirect{Kind: enduser.RedirectWeb, Shown: say("login.evil.example")}
	return []Story{
		{Name: "tenant/consent-loopback", Component: enduser.Consent(loopback)},
		{Name: "tenant/consent-web", Component: enduser.Consent(web)},
		{Name: "tenant/consent-document", Component: enduser.Consent(document)},
		{Name: "tenant/consent-added", Component: enduser.Consent(added)},
		{Name: "tenant/consent-app", Component: enduser.Consent(app)},
		{Name: "tenant/consent-device", Component: enduser.Consent(device)},
		{Name: "tenant/consent-lookalike", Component: enduser.Consent(fake)},
		{Name: "tenant/lookalike", Component: enduser.Lookalike(fake)},
	}
}

func scopes(say Text) []enduser.ScopeGroup {
	return []enduser.ScopeGroup{
		{Grade: enduser.GradeRead, Title: "It will be able to read", Scopes: []enduser.Scope{
			{
				ID: "mcp", Title: say("Use Todos as you"), Text: "Open it and call the tools that need nothing more.", Fixed: true, Mark: "Allowed before", Count: "2 tools: 2 read",
				Tools: []enduser.ToolGroup{{Title: "Read", Names: []string{say("list_todos"), "get_todo"}}},
			},
			{ID: "todos:search", Title: say("Search everything"), Count: "1 tool: 1 read", Tools: []enduser.ToolGroup{{Title: "Read", Names: []string{"search"}}}},
		}},
		{Grade: enduser.GradeChange, Title: "It will be able to change", Scopes: []enduser.Scope{
			{
				ID: "todos:write", Title: say("Write todos"), Text: say("Add and rename todos of your lists."), Mark: "New", New: true, Count: "3 tools: 1 read, 2 change",
				Tools: []enduser.ToolGroup{{Title: "Read", Names: []string{"peek"}}, {Title: "Change", Names: []string{"add_todo", "rename_todo"}, More: "and 12 more"}},
			},
		}},
		{Grade: enduser.GradeDanger, Title: "It will be able to delete or overwrite", Scopes: []enduser.Scope{
			{ID: "todos:admin", Title: say("Empty lists"), Mark: "New", New: true, Count: "1 tool: 1 may delete or overwrite", Tools: []enduser.ToolGroup{{Title: "May delete or overwrite", Names: []string{say("drop_list")}}}},
		}},
	}
}

func apps(say Text, page enduser.Page) enduser.AppsPage {
	moment := func(clock string) enduser.Moment {
		return enduser.Moment{ISO: "2026-11-22T" + clock + ":00Z", Text: "2026-11-22 " + clock + " UTC"}
	}
	return enduser.AppsPage{
		Page: page, AccountName: say("Ana Ferreira"), AccountEmail: say("ana@acme.example"),
		Connections: connected(say),
		Apps: []enduser.App{
			{
				ID: "app-1", ClientID: "cli_1", RuntimeID: "ups_1", Name: "Claude", Verified: true, Origin: "Verified: claude.ai", Runtime: say("Todos"),
				Scopes: []string{say("Use Todos as you"), say("Write todos")}, First: moment("08:02"), Last: moment("20:51"), Ends: moment("23:59"), CallsTitle: "Last 3 calls",
				Calls: []enduser.Call{
					{Tool: say("list_todos"), At: moment("20:51"), Outcome: "OK", Tone: "ok"},
					{Tool: "drop_list", At: moment("20:50"), Outcome: "Denied", Tone: "warn"},
					{Tool: "add_todo", At: moment("20:49"), Outcome: "Failed", Tone: "fail"},
				},
			},
			{
				ID: "app-2", ClientID: "cli_2", RuntimeID: "ups_1", Name: say("Claude Code"), Origin: "Not verified: it registered itself", Runtime: say("Todos"),
				Scopes: []string{say("Use Todos as you")}, First: moment("08:02"), Ends: moment("23:59"),
			},
		},
	}
}
