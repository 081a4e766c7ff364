package forms

import "strings"

// Provider is the form of a sign-in provider.
type Provider struct {
	Name, Issuer, ClientID, ClientSecret, Scopes string
	EmailClaim, NameClaim, GroupsClaim           string
	// AllowedDomains and AllowedGroups are the lines of their fields, without empty ones.
	AllowedDomains, AllowedGroups []string
	DropSecret, Enabled           bool
	// Version is the one that the form was filled from; -1 where it is no number.
	Version int64
}

// ReadProvider reads the form.
func ReadProvider(v Values) Provider {
	return Provider{
		Name: v.line("name"), Issuer: strings.TrimSpace(v.line("issuer")), ClientID: v.line("client_id"), ClientSecret: v.one("client_secret"), Scopes: v.line("scopes"),
		EmailClaim: v.line("email_claim"), NameClaim: v.line("name_claim"), GroupsClaim: v.line("groups_claim"),
		AllowedDomains: strings.Fields(v.one("allowed_domains")), AllowedGroups: lines(v.one("allowed_groups")),
		DropSecret: v.one("drop_secret") != "", Enabled: v.one("enabled") != "", Version: v.number("version"),
	}
}

// lines are a field's lines without empty ones: a group's name may hold blanks.
func lines(text string) []string {
	var out []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, line)
		}
	}
	return out
}

// Blocked reads whether an end user is to be blocked.
func Blocked(v Values) bool { return v.one("blocked") != "" }
