package pages

import "github.com/a-h/templ"

// providerFields are the form's fields, in order.
var providerFields = []string{
	"name", "issuer", "client_id", "client_secret", "allowed_domains", "allowed_groups", "scopes", "email_claim", "name_claim", "groups_claim",
}

func providerTitle(p ProviderFormPage) string {
	if p.Edit {
		return p.Name
	}
	return "Add a sign-in provider"
}

func providerAction(p ProviderFormPage) templ.SafeURL {
	if p.Edit {
		return at(p.Shell, "sign-in", p.ID)
	}
	return at(p.Shell, "sign-in", "new", p.ID)
}

func secretPlaceholder(p ProviderFormPage) string {
	if p.Values.HasSecret {
		return "•••••••• stored, leave empty to keep"
	}
	return ""
}

// claimsOpen says whether the fold with the claims starts open.
func claimsOpen(p ProviderFormPage) bool {
	for _, name := range []string{"scopes", "email_claim", "name_claim", "groups_claim"} {
		if p.Errors[name] != "" {
			return true
		}
	}
	return p.Values.EmailClaim+p.Values.NameClaim+p.Values.GroupsClaim != "" && p.Values.EmailClaim+p.Values.NameClaim+p.Values.GroupsClaim != "emailnamegroups"
}

func clearUsers(p EndUsersPage) templ.SafeURL {
	if p.Query == "" {
		return ""
	}
	return at(p.Shell, "sign-in", "users")
}
