package web

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/emcy/gateway/authz/server/idp"
	"github.com/emcy/gateway/ui/pages"
	"github.com/emcy/gateway/web/forms"
)

func version(n int64) string { return strconv.FormatInt(n, 10) }

func providerRow(p idp.Provider) pages.ProviderRow {
	row := pages.ProviderRow{ID: p.ID, Name: p.Name, Issuer: p.Issuer, Changed: moment(p.UpdatedAt), State: pages.Badge{Tone: pages.ToneNeutral, Text: "Off"}, Who: "everybody there"}
	if p.Enabled {
		row.State = pages.Badge{Tone: pages.ToneOK, Text: "On"}
	}
	var who []string
	if len(p.AllowedDomains) > 0 {
		who = append(who, few(p.AllowedDomains))
	}
	if len(p.AllowedGroups) > 0 {
		who = append(who, "group "+few(p.AllowedGroups))
	}
	row.Who = cmp.Or(strings.Join(who, ", "), row.Who)
	return row
}

// few names the first ones of a list.
func few(list []string) string {
	const named = 3
	if len(list) <= named {
		return strings.Join(list, " or ")
	}
	return strings.Join(list[:named], ", ") + " or " + strconv.Itoa(len(list)-named) + " more"
}

func storedProvider(p idp.Provider) pages.ProviderValues {
	return pages.ProviderValues{
		Name: p.Name, Issuer: p.Issuer, ClientID: p.ClientID, Scopes: p.Scopes, EmailClaim: p.EmailClaim, NameClaim: p.NameClaim, GroupsClaim: p.GroupsClaim,
		AllowedDomains: strings.Join(p.AllowedDomains, "\n"), AllowedGroups: strings.Join(p.AllowedGroups, "\n"), HasSecret: p.HasSecret, Enabled: p.Enabled, Version: version(p.Version),
	}
}

// typedProvider is what was typed, over what cannot be changed.
func typedProvider(in forms.Provider, stored idp.Provider) pages.ProviderValues {
	return pages.ProviderValues{
		Name: in.Name, Issuer: cmp.Or(stored.Issuer, in.Issuer), ClientID: in.ClientID, Scopes: in.Scopes, EmailClaim: in.EmailClaim, NameClaim: in.NameClaim, GroupsClaim: in.GroupsClaim,
		AllowedDomains: strings.Join(in.AllowedDomains, "\n"), AllowedGroups: strings.Join(in.AllowedGroups, "\n"),
		HasSecret: stored.HasSecret, DropSecret: in.DropSecret, Enabled: in.Enabled, Version: version(in.Version),
	}
}

func providerInput(in forms.Provider) idp.Input {
	return idp.Input{
		Name: in.Name, Issuer: in.Issuer, ClientID: in.ClientID, ClientSecret: in.ClientSecret, DropSecret: in.DropSecret, Scopes: in.Scopes,
		EmailClaim: in.EmailClaim, NameClaim: in.NameClaim, GroupsClaim: in.GroupsClaim, AllowedDomains: in.AllowedDomains, AllowedGroups: in.AllowedGroups, Enabled: in.Enabled,
	}
}

func endUserRow(u idp.User, provider string) pages.EndUserRow {
	return pages.EndUserRow{ID: u.ID, Email: u.Email, Name: u.Name, Provider: provider, Groups: groupsOf(u), Blocked: u.BlockedAt != nil, SignedIn: moment(u.SignedInAt)}
}

func groupsOf(u idp.User) string {
	if len(u.Groups) == 0 {
		return ""
	}
	return few(u.Groups)
}

func foundUsers(shown int, total int64) string {
	switch {
	case total == 0:
		return "nobody"
	case total == 1:
		return "1 person"
	case total > int64(shown):
		return "the last " + strconv.Itoa(shown) + " of " + strconv.FormatInt(total, 10) + " people; search to find the others"
	}
	return strconv.FormatInt(total, 10) + " people"
}

func removeImpact(users int64) []string {
	first := "Nobody came from this provider yet."
	switch {
	case users == 1:
		first = "1 end user is forgotten and signed out everywhere; clients that act for them stop."
	case users > 1:
		first = strconv.FormatInt(users, 10) + " end users are forgotten and signed out everywhere; clients that act for them stop."
	}
	return []string{first, "To add the provider again makes new end users of its people: what they allowed is not found again."}
}
