package pages

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/a-h/templ"

	"github.com/emcy/gateway/ui/icons"
	"github.com/emcy/gateway/ui/kit"
)

// headerSlots is how many static headers the runtime form offers.
const headerSlots = 3

// favicon is a data address: one request less, and img-src allows it.
const favicon = "data:image/svg+xml," +
	"%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24'%3E" +
	"%3Crect width='24' height='24' rx='6.5' fill='%235b53e0'/%3E" +
	"%3Cpath d='M6.75 17.75v-5.5a5.25 5.25 0 0 1 10.5 0v5.5M12 17.75v-4.5' fill='none' stroke='%23fff' stroke-width='2' stroke-linecap='round'/%3E" +
	"%3C/svg%3E"

// at is a local address in the current workspace; every part is escaped.
func at(s Shell, parts ...string) templ.SafeURL {
	path := "/" + url.PathEscape(s.Workspace.Slug)
	for _, part := range parts {
		path += "/" + url.PathEscape(part)
	}
	return templ.SafeURL(path)
}

// local lets a path of this host through and turns everything else into the start page.
func local(path string) templ.SafeURL {
	if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.HasPrefix(path, `/\`) {
		return templ.SafeURL("/")
	}
	return templ.SafeURL(path)
}

// groups are the navigation of a workspace: what there is today.
func groups(s Shell) []kit.NavGroup {
	if s.Workspace.Slug == "" {
		return nil
	}
	return []kit.NavGroup{
		{Title: "Observe", Items: []kit.NavItem{
			{Text: "Logs", Href: at(s, "logs"), Icon: icons.ScrollText(), Key: "l", Current: s.Section == SectionLogs},
			{Text: "Connections", Href: at(s, "connections"), Icon: icons.Plug(), Key: "t", Current: s.Section == SectionConnections},
			{Text: "Alerts", Href: at(s, "alerts"), Icon: icons.Bell(), Key: "b", Current: s.Section == SectionAlerts},
		}},
		{Title: "Build", Items: []kit.NavItem{
			{Text: "Runtimes", Href: at(s, "runtimes"), Icon: icons.Server(), Key: "r", Current: s.Section == SectionRuntimes},
			{Text: "Profiles", Href: at(s, "profiles"), Icon: icons.Globe(), Key: "p", Current: s.Section == SectionProfiles},
			{Text: "Scopes", Href: at(s, "scopes"), Icon: icons.ShieldAlert(), Key: "s", Current: s.Section == SectionScopes},
		}},
		{Title: "Control", Items: []kit.NavItem{
			{Text: "Clients", Href: at(s, "clients"), Icon: icons.AppWindow(), Key: "c", Current: s.Section == SectionClients},
			{Text: "Grants", Href: at(s, "grants"), Icon: icons.Layers(), Key: "h", Current: s.Section == SectionGrants},
			{Text: "Authorization", Href: at(s, "authorization"), Icon: icons.Lock(), Key: "a", Current: s.Section == SectionAuthorization},
		}},
		{Title: "Workspace", Items: []kit.NavItem{
			{Text: "Sign-in", Href: at(s, "sign-in"), Icon: icons.KeyRound(), Key: "i", Current: s.Section == SectionIdentity},
		}},
	}
}

// off is the id of the reason that stands on a page whose person may only look; empty for those who may write.
func off(s Shell) string {
	if s.ReadOnly == "" {
		return ""
	}
	return reasonID
}

// reasonID is the id of that reason.
const reasonID = "read-only"

func accountName(a Account) string {
	return cmp.Or(a.Name, a.Email)
}

// fieldLabels are the labels of the fields whose messages do not name them.
var fieldLabels = map[string]string{"name": "Name", "slug": "Slug", "url": "Runtime URL"}

// messages lists a form's errors in the order of its fields; what has no field of its own comes last.
func messages(errors FieldErrors, order ...string) []kit.FieldMessage {
	found := make([]kit.FieldMessage, 0, len(errors))
	for _, name := range slices.SortedFunc(keys(errors), func(a, b string) int {
		return cmp.Or(cmp.Compare(rank(a, order), rank(b, order)), cmp.Compare(a, b))
	}) {
		found = append(found, kit.FieldMessage{FieldID: kit.FieldID(name), Label: fieldLabels[name], Text: errors[name]})
	}
	return found
}

func keys(errors FieldErrors) func(func(string) bool) {
	return func(yield func(string) bool) {
		for name, text := range errors {
			if text != "" && !yield(name) {
				return
			}
		}
	}
}

func rank(name string, order []string) int {
	if i := slices.Index(order, name); i >= 0 {
		return i
	}
	return len(order)
}

// headerSlot is one row of the static headers in the runtime form.
type headerSlot struct {
	name, value kit.FieldSpec
}

func slots(p RuntimeFormPage) []headerSlot {
	rows := make([]headerSlot, 0, headerSlots)
	for i := range headerSlots {
		var header HeaderValue
		if i < len(p.Values.Headers) {
			header = p.Values.Headers[i]
		}
		number := strconv.Itoa(i + 1)
		nameKey, valueKey := "header_name."+strconv.Itoa(i), "header_value."+strconv.Itoa(i)
		row := headerSlot{
			name: kit.FieldSpec{
				Name: "header_name", ID: kit.FieldID(nameKey), Label: "Header " + number + " name", Value: header.Name,
				Error: p.Errors[nameKey], Mono: true, MaxLength: 128,
			},
			value: kit.FieldSpec{
				Name: "header_value", ID: kit.FieldID(valueKey), Label: "Header " + number + " value", Value: header.Value,
				Error: p.Errors[valueKey], Mono: true, MaxLength: 4096,
			},
		}
		if i == 0 {
			row.name.Placeholder = "X-API-Key"
		}
		if header.Stored {
			row.value.Placeholder = "•••••••• stored, leave empty to keep"
		}
		rows = append(rows, row)
	}
	return rows
}

// headersOpen says whether the fold with the static headers starts open.
func headersOpen(p RuntimeFormPage) bool {
	for _, header := range p.Values.Headers {
		if header.Name != "" || header.Value != "" {
			return true
		}
	}
	for name, text := range p.Errors {
		if strings.HasPrefix(name, "header_") && text != "" {
			return true
		}
	}
	return false
}

// originParts splits an origin pattern around the slug, so that the page can fill it in as it is typed.
func originParts(pattern string) (before, after string, hasSlug bool) {
	return strings.Cut(pattern, "{tenant}")
}

// somePort writes "port" where the origin has one: which one a workspace gets is not settled before it is made.
func somePort(origin string) string {
	u, err := url.Parse(origin)
	if err != nil || u.Port() == "" {
		return origin
	}
	return strings.TrimSuffix(origin, u.Port()) + "port"
}

// long says whether a description is folded.
func long(text string) bool {
	const folded = 160
	return utf8.RuneCountInString(text) > folded
}

// orSlug is the typed slug, or what stands in its place until one is typed.
func orSlug(slug string) string {
	return cmp.Or(slug, "your-slug")
}

func formTitle(p RuntimeFormPage) string {
	if p.Edit {
		return "Edit " + p.RuntimeName
	}
	return "Add a runtime"
}

func fileTitle(s Snippet) string {
	return cmp.Or(s.File, s.Title)
}

// liveSelf is the address that the live tail reads again: itself, live=1 included.
func (p LogsPage) liveSelf() string {
	return p.Href + "?live=1"
}

func requestName(row LogRow) string {
	return cmp.Or(row.Tool, row.Method, "Request")
}

// asker is who sent a request, with which client.
func asker(row LogRow) string {
	switch {
	case row.User != "" && row.Client != "":
		return row.User + " · " + row.Client
	case row.User != "" || row.Client != "":
		return row.User + row.Client
	}
	return "nobody signed in"
}

// waterfall gives the parts of a request's time their colours: ours and the runtime's.
func waterfall(spans []Span) kit.WaterfallSpec {
	out := kit.WaterfallSpec{Title: "Where the time went"}
	for _, s := range spans {
		colour := 1
		if s.Upstream {
			colour = 2
		}
		out.Spans = append(out.Spans, kit.Span{Name: s.Name, Start: s.Start, Length: s.Length, Took: s.Took, Colour: colour})
	}
	return out
}

// optional is a local address, or none.
func optional(path string) templ.SafeURL {
	if path == "" {
		return ""
	}
	return local(path)
}

func liveText(live bool) string {
	if live {
		return "Stop live tail"
	}
	return "Live tail"
}

// htmxConfig: an error's text is never put in the place of what the page shows.
const htmxConfig = `{"includeIndicatorCSS":false,"noSwap":["204","304","4xx","5xx"]}`
