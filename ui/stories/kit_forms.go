package stories

import (
	"strconv"

	"github.com/emcy/gateway/ui/kit"
)

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

func fields(say Text) []Piece {
	sizes := []kit.Option{{Value: "15m", Text: "15 minutes"}, {Value: "1h", Text: say("1 hour")}, {Value: "never", Text: "Never", Disabled: true}}
	access := []kit.Option{
		{Value: "members", Text: say("Members of the workspace"), Hint: "They sign in with their console account."},
		{Value: "anyone", Text: "Anyone with an account", Hint: say(longText)},
		{Value: "sso", Text: "Your own identity provider", Hint: "Your plan does not have it.", Disabled: true},
	}
	return []Piece{
		{ID: "input", Title: "Field", Text: "A label, an input, what it means, and what is wrong with it.", States: []State{
			{"empty", kit.Field(kit.FieldSpec{Name: "in-empty", Label: "Runtime URL", Type: "url", Mono: true, Placeholder: "https://tools.example.com/mcp", Hint: "Clients never see this address.", Required: true})},
			{"filled, optional", kit.Field(kit.FieldSpec{Name: "in-filled", Label: say("Name"), Value: say("Todos"), Optional: true})},
			{"refused", kit.Field(kit.FieldSpec{Name: "in-bad", Label: "Slug", Value: say("Todos!"), Mono: true, Error: say("Use lower-case letters, digits and hyphens only."), Hint: "It is part of the address."})},
			{"disabled", kit.Field(kit.FieldSpec{Name: "in-off", Label: "Region", Value: "eu-1", Disabled: true, Hint: "It cannot be changed after a workspace is made."})},
			{"read only", kit.Field(kit.FieldSpec{Name: "in-fixed", Label: "Workspace id", Value: "ws_01kapxq6j8", Mono: true, ReadOnly: true})},
			{"password", kit.Field(kit.FieldSpec{Name: "in-secret", Label: "Password", Type: "password", Autocomplete: "current-password"})},
			{"long and odd", kit.Field(kit.FieldSpec{Name: "in-long", Label: say(longText), Value: say(oddText + " " + longWord)})},
			{"right to left", rightToLeft(kit.Field(kit.FieldSpec{Name: "in-rtl", Label: rightTo, Value: rightTo, Hint: rightTo, Error: rightTo}))},
			{"not to be changed", with(kit.Fixed("Public MCP URL", "The slug is part of the address that clients have stored."), text(say("http://localhost:8081/todos/mcp")))},
		}},
		{ID: "select", Title: "Select", Text: "A short list of answers.", States: []State{
			{"chosen", kit.Select(kit.FieldSpec{Name: "se-a", Label: "Grace time", Value: "1h", Hint: "How long the older secret works."}, sizes)},
			{"refused", kit.Select(kit.FieldSpec{Name: "se-b", Label: "Grace time, again", Error: say("Choose one."), Value: "15m"}, sizes)},
			{"disabled", kit.Select(kit.FieldSpec{Name: "se-c", Label: "Grace time, fixed", Disabled: true, Hint: "Only owners choose it."}, sizes)},
		}},
		{ID: "textarea", Title: "Text area", Text: "Several lines.", States: []State{
			{"filled", kit.Textarea(kit.FieldSpec{Name: "ta-a", Label: "What it is for", Value: say("Finds customers.\nChanges nothing."), Hint: "People read it before they allow a client."}, 3)},
			{"refused", kit.Textarea(kit.FieldSpec{Name: "ta-b", Label: "Reason", Error: say("Say why."), Placeholder: "It was leaked"}, 2)},
		}},
		{ID: "checkbox", Title: "Checkbox", Text: "Yes or no, when the form is sent.", States: []State{
			{"off and on", row(kit.Checkbox(kit.CheckSpec{Name: "ch-a", Label: say("Read tools only")}), kit.Checkbox(kit.CheckSpec{Name: "ch-b", Label: "Remember", On: true, Hint: "For thirty days."}))},
			{"refused", kit.Checkbox(kit.CheckSpec{Name: "ch-c", Label: say(longText), Error: say("This has to be accepted.")})},
			{"disabled", kit.Checkbox(kit.CheckSpec{Name: "ch-d", Label: "Send arguments to the log", Disabled: true, Hint: "An owner has turned it off."})},
		}},
		{ID: "radio-card", Title: "Radio cards", Text: "A few answers, each with what it means.", States: []State{
			{"chosen", kit.RadioCards(kit.FieldSpec{Name: "ra-a", Label: "Who may sign in?", Value: "members"}, access)},
			{"refused", kit.RadioCards(kit.FieldSpec{Name: "ra-b", Label: "Who may sign in, then?", Error: say("Choose one.")}, access[:2])},
		}},
		{ID: "switch", Title: "Switch", Text: "On or off, when the form is sent.", States: []State{
			{"off", kit.Switch(kit.CheckSpec{Name: "sw-a", Label: "New tools wait for a review", Hint: say(longText)})},
			{"on", kit.Switch(kit.CheckSpec{Name: "sw-b", Label: say("Pin definitions"), On: true})},
			{"disabled", kit.Switch(kit.CheckSpec{Name: "sw-c", Label: "Open registration", On: true, Disabled: true, Hint: "Only owners change it."})},
		}},
		{ID: "filter-bar", Title: "Filter bar", Text: "Filters a list by its address.", States: []State{
			{"empty", kit.FilterBar(kit.FilterSpec{Action: "/ui-kit", Label: "Filter requests", Name: "fb-a", Placeholder: "outcome:denied tool:search"})},
			{"filtered", kit.FilterBar(kit.FilterSpec{
				Action: "/ui-kit", Label: "Filter requests by more", Name: "fb-b", Query: say("outcome:denied"), Found: "128 requests", ClearHref: "#filter-bar",
				Chips: []kit.Chip{{Text: say("outcome: denied"), Href: "#filter-bar"}, {Text: "tool: search_customers", Href: "#filter-bar"}},
			})},
			{"refused", kit.FilterBar(kit.FilterSpec{Action: "/ui-kit", Label: "Filter requests wrongly", Name: "fb-c", Query: say("ms>>3"), Error: say("“>>” at character 3 is no comparison.")})},
		}},
		{ID: "form", Title: "Form", Text: "Changes something. The server checks it; nothing typed is lost.", States: []State{{"two fields", formStory(say)}}},
		{ID: "confirm-form", Title: "Confirm form", Text: "Asks before something is taken away for good, and says what follows.", States: []State{
			{"refused", kit.ConfirmForm(kit.ConfirmSpec{
				Action: "/acme/runtimes/todos/remove", CSRF: "csrf-token", Impact: []string{say("2 clients lose access at once."), "41 people have to connect again elsewhere."},
				Word: say("todos"), Typed: say("todo"), Error: say("This is not the runtime's slug."), Button: "Remove runtime", Keep: "Keep it", KeepHref: "#confirm-form",
			})},
		}},
	}
}

func code(say Text) []Piece {
	const body = `{
  "jsonrpc": "2.0",
  "id": 7,
  "method": "tools/call",
  "params": {
    "name": "search_customers",
    "arguments": { "query": "[redacted: email]", "limit": 50, "exact": false, "cursor": null }
  }
}`
	return []Piece{
		{ID: "copy", Title: "Copy button", Text: "Copies what stands beside it, and says so.", States: []State{{"idle", copyStory(say)}}},
		{ID: "snippet", Title: "Snippet", Text: "Code to copy.", States: []State{
			{"one line", kit.Snippet("sn-a", "Terminal", say("claude mcp add --transport http todos http://localhost:8081/todos/mcp"))},
			{"several lines, long", kit.Snippet("sn-b", say("server.py"), "import os\n\nfor name in os.environ:\n\tprint(name)  # "+longText)},
		}},
		{ID: "url-box", Title: "Address", Text: "An address to copy.", States: []State{
			{"short", kit.URLBox("url-a", "MCP URL", say("http://localhost:8081/todos/mcp"))}, {"long", kit.URLBox("url-b", "Runtime", say("https://"+longWord+".example.com/"+longWord))},
		}},
		{ID: "secret-field", Title: "Secret", Text: "Shown once, to copy or to download.", States: []State{
			{"now", kit.SecretField(kit.SecretSpec{ID: "sec-a", Label: "Runtime environment", Text: say("EMCY_WORKER_SHARED_SECRET=emcy_ws_7Qk2mXo4vN9rT1cLz8yB3hWd6sEfGjPa"), File: "todos.env", Once: "Shown only once. Store it now."})},
			{"later", kit.SecretGone(say("Worker secret"), "emcy_ws_…GjPa", say("Made three days ago, last used a minute ago."))},
		}},
		{ID: "json-view", Title: "JSON", Text: "JSON to read and to copy. What was left out is said.", States: []State{
			{"redacted", kit.JSONView("json-a", "Request", say(body), say("1 value redacted by the rule “email”."))},
			{"not JSON", kit.JSONView("json-b", "Response", say(`upstream said: "no`), "")},
		}},
		{ID: "diff-view", Title: "Comparison", Text: "What changed.", States: []State{{"a description", kit.DiffView("Description of search_customers", []kit.DiffLine{
			{Kind: kit.DiffSame, Text: "Finds customers by name."},
			{Kind: kit.DiffRemoved, Text: say("Returns at most fifty of them.")},
			{Kind: kit.DiffAdded, Text: "Returns at most a hundred of them, newest first. " + longText},
			{Kind: kit.DiffSame, Text: ""},
		})}}},
	}
}
