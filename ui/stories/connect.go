package stories

import (
	"github.com/emcy/gateway/ui/enduser"
	"github.com/emcy/gateway/ui/kit"
)

// connects are the pages on which people connect accounts at providers.
func connects(say Text, page enduser.Page) []Story {
	scopes := []enduser.ConnectScope{{Name: say("todos.read"), Text: say("Read your todos")}, {Name: "https://northwind.example/auth/todos.write", Text: say("Change your todos")}, {Name: "openid"}}
	card := enduser.ConnectPage{
		Page: page, Field: "attempt", ID: "att_1", Name: say("Northwind"), Host: say("login.northwind.example"), Client: say("Claude Code"), Runtime: say("Todos"),
		AccountName: say("Ana Ferreira"), AccountEmail: say("ana@acme.example"), Scopes: scopes, Skip: true, Cancel: true,
	}
	more, link, ended, key, keyAgain := card, card, card, card, card
	more.Again, more.Tone, more.NoteTitle, more.Note = true, kit.ToneInfo, say("It is connected as ana@northwind.example, without all permissions"), "Those marked “New” were not given yet."
	more.Scopes = []enduser.ConnectScope{scopes[0], {Name: scopes[1].Name, Text: scopes[1].Text, Fresh: true}}
	link.Field, link.ID, link.SwitchID, link.ClientVerified, link.Skip, link.Cancel = "link", "hash", "me.hash", true, false, false
	ended.Field, ended.ID, ended.Again, ended.Skip, ended.Cancel, ended.Client, ended.Runtime, ended.BackHref = "profile", "prf_1", true, false, false, "", "", "/me/apps"
	ended.Tone, ended.NoteTitle, ended.Note = kit.ToneWarn, say("It was connected as ana@northwind.example and has ended"), say("The provider does not take the refresh token any more. Only the person can help, by connecting again.")
	key.Host, key.Scopes, key.Key = "", nil, &enduser.ConnectKey{Label: say("API key"), Help: say("You find it in Northwind under Settings, API keys.")}
	keyAgain.Host, keyAgain.Scopes, keyAgain.Key = "", nil, &enduser.ConnectKey{Label: "API key", Error: say("Northwind refuses this key. Copy it again, and check that it has not ended.")}
	signIn := enduser.ConnectSignInPage{
		Page: page, Attempt: "att_1", Profile: "prf_1", Name: say("Northwind"), Host: say("login.northwind.example"), Runtime: say("Todos"), Scopes: scopes[:2],
		Identity: enduser.Identity{Kind: enduser.IdentityItself, Name: say("Claude Code"), Since: "That was 2 minutes ago."}, Redirect: enduser.Redirect{Kind: enduser.RedirectLoopback, Shown: "localhost:33418"},
	}
	own := signIn
	own.Runtime, own.Scopes, own.BackHref = "", nil, say("/sign-in?attempt=me")
	problem := enduser.ConnectProblemPage{
		Page: page, Code: "access_denied", Title: "Nothing was connected", Text: say("Northwind ended this. You, or the provider, said no."), Cure: "Go back and connect again, or go on without the account.",
		BackHref: say("/consent?attempt=att_1"), RequestID: "req_01kapxq6j8r6c2y9zb0m2f4t7n", TraceID: "trc_01KAPXQ6J8",
	}
	mismatch := problem
	mismatch.Code, mismatch.Title, mismatch.Text = "account_mismatch", "These are two different accounts", say("You are signed in here as one person, and at Northwind as another. Nothing was connected.")
	mismatch.Cure = "Go back, and choose the right account at the provider: sign out there first if it does not ask. Or sign out here, and sign in as the person whose account that is."
	mismatch.Expected, mismatch.Got, mismatch.Name, mismatch.SwitchID = say("Ana Ferreira (ana@acme.example)"), say("Bob Marsh (bob@northwind.example)"), say("Northwind"), "me"
	done := enduser.ConnectDonePage{Page: page, Name: say("Northwind"), Account: say("ana@northwind.example"), Scopes: scopes[:1], Lacking: scopes[1:2]}
	trial := enduser.ConnectTrialResult{
		Page: page, Name: say("Northwind"),
		Facts: []enduser.TrialFact{
			{Name: "Account", Value: say("4•••")},
			{Name: "E-mail", Value: say("a•••@northwind.example")},
			{Name: "Access token", Value: "received; it ends in 60 minutes"},
			{Name: "Refresh token", Value: "received"},
			{Name: "Refreshing", Value: "works"},
			{Name: "Rotation", Value: "yes: each refresh gives a new refresh token"},
			{Name: "Revoked", Value: "yes, at the provider"},
		},
		Claims: []enduser.TrialFact{{Name: say("email_verified"), Value: "true"}, {Name: "groups", Value: "list of 3"}, {Name: "sub", Value: say("4•••")}}, Scopes: []string{say("todos.read"), "openid"},
	}
	worse := trial
	worse.Warnings, worse.Refused = []string{say("No refresh token came: people would have to connect again each time the access token ends."), "The identity rule finds nobody."}, []string{say("todos.write")}
	return []Story{
		{Name: "tenant/connect", Component: enduser.Connect(card)},
		{Name: "tenant/connect-more", Component: enduser.Connect(more)},
		{Name: "tenant/connect-link", Component: enduser.Connect(link)},
		{Name: "tenant/connect-ended", Component: enduser.Connect(ended)},
		{Name: "tenant/connect-key", Component: enduser.Connect(key)},
		{Name: "tenant/connect-key-refused", Component: enduser.Connect(keyAgain)},
		{Name: "tenant/connect-sign-in", Component: enduser.ConnectSignIn(signIn)},
		{Name: "tenant/connect-sign-in-own", Component: enduser.ConnectSignIn(own)},
		{Name: "tenant/connect-other", Component: enduser.ConnectOther(enduser.ConnectOtherPage{Page: page, For: say("Ana Ferreira (ana@acme.example)"), Me: say("Bob Marsh (bob@acme.example)"), SwitchID: "me.hash"})},
		{Name: "tenant/connect-problem", Component: enduser.ConnectProblem(problem)},
		{Name: "tenant/connect-mismatch", Component: enduser.ConnectProblem(mismatch)},
		{Name: "tenant/connect-done", Component: enduser.ConnectDone(done)},
		{Name: "tenant/connect-trial", Component: enduser.ConnectTrialStart(enduser.ConnectTrialPage{Page: page, Name: say("Northwind"), Host: say("login.northwind.example"), Profile: "prf_1", Ticket: "ticket", Scopes: scopes})},
		{Name: "tenant/connect-trial-result", Component: enduser.ConnectTrial(trial)},
		{Name: "tenant/connect-trial-warnings", Component: enduser.ConnectTrial(worse)},
		{Name: "tenant/disconnect", Component: enduser.Disconnect(enduser.DisconnectPage{Page: page, Name: say("Northwind"), Profile: "prf_1", Account: say("ana@northwind.example"), SignIn: true})},
		{Name: "tenant/disconnect-key", Component: enduser.Disconnect(enduser.DisconnectPage{Page: page, Name: say("Weather"), Profile: "prf_2", Key: true})},
	}
}

// connected are the connections on a person's own page, one in each state.
func connected(say Text) []enduser.Connection {
	at := func(text string) enduser.Moment {
		return enduser.Moment{ISO: "2026-11-22T20:51:00Z", Text: text}
	}
	scopes := []enduser.ConnectScope{{Name: say("todos.read"), Text: say("Read your todos")}, {Name: "openid"}}
	one := enduser.Connection{
		ID: "connection-1", Name: say("Northwind"), Account: say("ana@northwind.example"), State: "Connected", Tone: kit.ToneOK, Scopes: scopes,
		Connected: at("2026-11-20 09:12 UTC"), Used: at("2026-11-22 20:00 UTC"), Next: at("2026-11-22 21:30 UTC"),
		ConnectHref: say("/connect?profile=prf_1"), ConnectText: "Reconnect", DisconnectHref: say("/me/apps/disconnect?profile=prf_1"),
	}
	dead, none := one, enduser.Connection{ID: "connection-3", Name: say("Weather"), State: "Not connected", Tone: kit.ToneNeutral, ConnectHref: "/connect?profile=prf_3", ConnectText: "Connect"}
	dead.ID, dead.Name, dead.State, dead.Tone, dead.Next = "connection-2", say("GitHub"), "Has to be connected again", kit.ToneFail, enduser.Moment{}
	dead.Reason = say("The provider does not take the refresh token any more.")
	return []enduser.Connection{one, dead, none}
}
