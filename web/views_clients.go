package web

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/emcy/gateway/authz/server"
	"github.com/emcy/gateway/authz/server/clients"
	"github.com/emcy/gateway/ui/pages"
	"github.com/emcy/gateway/web/forms"
)

var clientStatuses = map[clients.Status]pages.Badge{
	clients.Active:  {Tone: pages.ToneOK, Text: "Active"},
	clients.Held:    {Tone: pages.ToneWarn, Text: "Held for review"},
	clients.Blocked: {Tone: pages.ToneFail, Text: "Blocked"},
}

var clientAuth = map[string]string{
	clients.AuthNone: "none (public client with PKCE)", clients.AuthBasic: "a secret, in the header", clients.AuthPost: "a secret, in the body", clients.AuthPrivateKey: "a signature by its key (private_key_jwt)",
}

func clientRow(c clients.Client, use server.Use) pages.ClientRow {
	row := pages.ClientRow{Key: clientKey(c.ID), Name: c.Name, Kind: clientKind(c), Status: clientStatuses[c.Status], People: strconv.Itoa(use.People), Last: moment(c.CreatedAt), Identity: identity(c)}
	if c.UsedAt != nil {
		row.Last = moment(*c.UsedAt)
	}
	row.Warning = clientWarning(c)
	return row
}

func clientKind(c clients.Client) string {
	switch {
	case c.Kind == clients.KindCIMD:
		return "CIMD"
	case c.Kind == clients.KindDCR:
		return "DCR"
	case c.Service():
		return "Service"
	}
	return "Preregistered"
}

// identity says what is known of who a client is.
func identity(c clients.Client) pages.Badge {
	switch {
	case c.Known != nil:
		return pages.Badge{Tone: pages.ToneOK, Text: "Verified: " + c.Known.Name}
	case c.Impersonates != "":
		return pages.Badge{Tone: pages.ToneFail, Text: "Uses the name of " + c.Impersonates}
	case c.Kind == clients.KindCIMD:
		return pages.Badge{Tone: pages.ToneInfo, Text: c.Host}
	case c.Kind == clients.KindPreregistered:
		return pages.Badge{Tone: pages.ToneOK, Text: "Added here"}
	}
	return pages.Badge{Tone: pages.ToneNeutral, Text: "Self-declared"}
}

func clientWarning(c clients.Client) string {
	if c.FetchError != "" {
		return "Its metadata document could not be read: " + c.FetchError
	}
	return ""
}

func clientView(shell pages.Shell, c clients.Client, use server.Use, secret string) pages.ClientPage {
	view := pages.ClientPage{
		Shell: shell, Key: clientKey(c.ID), ID: c.ID, Name: c.Name, Kind: clientKind(c), Status: clientStatuses[c.Status], Identity: identity(c), Warning: clientWarning(c),
		Auth: clientAuth[c.AuthMethod], JWKSURI: c.JWKSURI, RedirectURIs: c.RedirectURIs, Hosts: redirectHosts(c.RedirectURIs), Grants: strings.Join(c.GrantTypes, ", "), Scope: c.Scope.String(),
		Added: moment(c.CreatedAt), People: use.People, Families: use.Families, Secret: secret,
		Held: c.Status == clients.Held, Blocked: c.Status == clients.Blocked, Entered: c.Kind == clients.KindPreregistered,
		HasSecret: c.Kind == clients.KindPreregistered && (c.AuthMethod == clients.AuthBasic || c.AuthMethod == clients.AuthPost),
	}
	if c.AlsoNone {
		view.Auth += ", or none"
	}
	if c.UsedAt != nil {
		view.Used = moment(*c.UsedAt)
	}
	if c.FetchedAt != nil {
		view.Fetched = moment(*c.FetchedAt)
	}
	if c.SecretUntil != nil {
		view.SecretUntil = moment(*c.SecretUntil)
	}
	return view
}

// redirectHosts are where answers go, in short.
func redirectHosts(uris []string) string {
	var hosts []string
	for _, raw := range uris {
		u, err := url.Parse(raw)
		if err != nil {
			continue
		}
		host := u.Hostname()
		if u.Scheme != "http" && u.Scheme != "https" {
			host = u.Scheme + ":"
		}
		if !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	return strings.Join(hosts, ", ")
}

func typedClient(in forms.Client) pages.ClientValues {
	kind := "app"
	if in.Service {
		kind = "service"
	}
	return pages.ClientValues{
		Name: in.Name, Kind: kind, AuthMethod: in.AuthMethod, JWKSURI: in.JWKSURI, RedirectURIs: strings.Join(in.RedirectURIs, "\n"), Scope: in.Scope,
		Device: in.Device, DPoP: in.DPoP, PAR: in.PAR, Version: strconv.FormatInt(in.Version, 10),
	}
}

func storedClient(c clients.Client) pages.ClientValues {
	return typedClient(forms.Client{
		Name: c.Name, Service: c.Service(), AuthMethod: c.AuthMethod, JWKSURI: c.JWKSURI, RedirectURIs: c.RedirectURIs, Scope: c.Scope.String(),
		Device: c.MayGrant(clients.GrantDevice), DPoP: c.DPoPRequired, PAR: c.PARRequired, Version: c.Version,
	})
}
