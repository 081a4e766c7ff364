package pages

import (
	"strconv"

	"github.com/a-h/templ"

	"github.com/emcy/gateway/ui/kit"
)

// SectionClients lights the Clients entry.
const SectionClients = "clients"

// ClientsPage lists the workspace's clients.
type ClientsPage struct {
	Shell               Shell
	Query, Kind, Status string
	Rows                []ClientRow
	// More says that there are more than the page shows.
	More bool
}

// ClientRow is one client.
type ClientRow struct {
	// Key stands for the id in an address.
	Key, Name, Kind, People, Warning string
	Identity, Status                 Badge
	// Last is when it was used last, or else registered.
	Last Moment
}

// ClientPage is one client.
type ClientPage struct {
	Shell                               Shell
	Key, ID, Name, Kind, Warning        string
	Status, Identity                    Badge
	Auth, JWKSURI, Hosts, Grants, Scope string
	RedirectURIs                        []string
	Added, Used, Fetched, SecretUntil   Moment
	People, Families                    int
	Held, Blocked, Entered, HasSecret   bool
	// Secret is shown once, right after it was made.
	Secret string
}

// ClientFormPage enters a client or changes one.
type ClientFormPage struct {
	Shell Shell
	// Key is empty for a new one.
	Key     string
	Values  ClientValues
	Errors  FieldErrors
	Summary string
}

// ClientValues are the form's fields.
type ClientValues struct {
	Name, Kind, AuthMethod, JWKSURI, RedirectURIs, Scope, Version string

	Device, DPoP, PAR bool
}

func clientAction(p ClientFormPage) templ.SafeURL {
	if p.Key == "" {
		return at(p.Shell, "clients", "new")
	}
	return at(p.Shell, "clients", p.Key, "edit")
}

func clientTitle(p ClientFormPage) string {
	if p.Key == "" {
		return "Add a client"
	}
	return "Edit " + p.Values.Name
}

func (p ClientsPage) filtered() bool { return p.Query != "" || p.Kind != "" || p.Status != "" }

func (p ClientsPage) found() string {
	if p.More {
		return "the newest " + strconv.Itoa(len(p.Rows))
	}
	if len(p.Rows) == 1 {
		return "1 client"
	}
	return strconv.Itoa(len(p.Rows)) + " clients"
}

func (p ClientPage) impact() []string {
	out := []string{"What it was given ends at once, at every edge."}
	if p.People > 0 {
		out = append([]string{strconv.Itoa(p.People) + plural(p.People, " person loses", " people lose") + " the connection of " + p.Name + "."}, out...)
	}
	if !p.Entered {
		out = append(out, "A client that describes itself may come back as a new one. Block it to keep it out.")
	}
	return out
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

var clientKinds = []kit.Option{
	{Value: "app", Text: "An app that people sign in to", Hint: "It sends people here to sign in and allow it, and gets a token for each of them."},
	{Value: "service", Text: "A service that acts for itself", Hint: "It has a secret or a key and no people: the client_credentials grant, which the authorization settings turn on."},
}

var clientAuthMethods = []kit.Option{
	{Value: "none", Text: "None: public client with PKCE"},
	{Value: "client_secret_basic", Text: "Secret, in the Authorization header"},
	{Value: "client_secret_post", Text: "Secret, in the request's body"},
	{Value: "private_key_jwt", Text: "Signature by its own key (private_key_jwt)"},
}
