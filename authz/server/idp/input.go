package idp

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/outbound"
)

// Bounds of what an administrator may type.
const (
	maxProviders = 10
	maxName      = 80
	maxField     = 255 // bytes, of an identifier or a claim's name
	maxSecret    = 4096
	maxListed    = 100 // domains or groups
)

// Defaults of a new provider, the names that OpenID Connect Core, section 5.1, gives.
const (
	DefaultScopes      = "openid email profile"
	DefaultEmailClaim  = "email"
	DefaultNameClaim   = "name"
	DefaultGroupsClaim = "groups"
)

// Input is what an administrator typed. Empty claims and scopes take the defaults.
type Input struct {
	Name     string
	Issuer   string // of a new provider; an existing one keeps its own
	ClientID string
	// ClientSecret is kept as it is where this is empty, see DropSecret.
	ClientSecret string
	// DropSecret makes a public client of it.
	DropSecret     bool
	Scopes         string
	EmailClaim     string
	NameClaim      string
	GroupsClaim    string
	AllowedDomains []string
	AllowedGroups  []string
	Enabled        bool
}

// checked tidies the input, or says by field what will not do.
func (p *Providers) checked(in Input, fresh bool) (Input, error) {
	wrong := map[string]string{}
	line := func(field string, value *string, fallback string, limit int) {
		*value = strings.TrimSpace(*value)
		if *value == "" {
			*value = fallback
		}
		switch {
		case *value == "":
			wrong[field] = "This is needed."
		case len(*value) > limit:
			wrong[field] = "This is too long."
		case !printable(*value):
			wrong[field] = "This holds characters that cannot be used here."
		}
	}
	line("name", &in.Name, "", maxName)
	line("client_id", &in.ClientID, "", maxField)
	line("scopes", &in.Scopes, DefaultScopes, maxField)
	line("email_claim", &in.EmailClaim, DefaultEmailClaim, maxField)
	line("name_claim", &in.NameClaim, DefaultNameClaim, maxField)
	line("groups_claim", &in.GroupsClaim, DefaultGroupsClaim, maxField)
	in.ClientSecret = strings.TrimSpace(in.ClientSecret)
	if len(in.ClientSecret) > maxSecret || !printable(in.ClientSecret) {
		wrong["client_secret"] = "This cannot be a client secret. Copy it from the provider once more."
	}
	if in.ClientSecret != "" && in.DropSecret {
		wrong["client_secret"] = "Type a secret or remove it, not both."
	}
	scopes := strings.Fields(in.Scopes)
	if !slices.Contains(scopes, "openid") {
		scopes = append([]string{"openid"}, scopes...)
	}
	in.Scopes = strings.Join(scopes, " ")
	if fresh {
		in.Issuer = strings.TrimSpace(in.Issuer)
		if text := p.badIssuer(in.Issuer); text != "" {
			wrong["issuer"] = text
		}
	}
	var bad string
	if in.AllowedDomains, bad = domains(in.AllowedDomains); bad != "" {
		wrong["allowed_domains"] = bad
	}
	if in.AllowedGroups, bad = groups(in.AllowedGroups); bad != "" {
		wrong["allowed_groups"] = bad
	}
	return in, errs.Fields(wrong)
}

// badIssuer says what is wrong with an issuer (OpenID Connect Discovery, section 3:
// a URL with neither query nor fragment); "" where nothing is.
func (p *Providers) badIssuer(issuer string) string {
	if issuer == "" {
		return "Type the provider's issuer URL, such as https://login.example.com."
	}
	if strings.ContainsAny(issuer, "?#") {
		return "An issuer has no query and no fragment."
	}
	if strings.HasSuffix(issuer, wellKnown) {
		return "Type the issuer alone, without " + wellKnown + "."
	}
	if _, err := p.out.CheckURL(issuer); err != nil {
		if outbound.KindOf(err) == outbound.KindURL {
			return "This cannot be the issuer: " + words(err) + "."
		}
		return unreachable
	}
	return ""
}

func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// domains are compared in lower case, and hold for themselves alone, not for what is below.
func domains(typed []string) (out []string, wrong string) {
	for _, d := range typed {
		d = strings.ToLower(strings.TrimPrefix(strings.TrimSpace(d), "@"))
		switch {
		case d == "" || slices.Contains(out, d):
			continue
		case len(d) > 253 || !strings.Contains(d, ".") || strings.ContainsFunc(d, notInDomain):
			return typed, "“" + clip(d) + "” is not a domain. Type one such as example.com on each line."
		}
		out = append(out, d)
	}
	return bounded(typed, out)
}

func groups(typed []string) (out []string, wrong string) {
	for _, g := range typed {
		if g = strings.TrimSpace(g); g == "" || slices.Contains(out, g) {
			continue
		}
		if len(g) > maxField || !printable(g) {
			return typed, "“" + clip(g) + "” is too long for a group."
		}
		out = append(out, g)
	}
	return bounded(typed, out)
}

func bounded(typed, out []string) ([]string, string) {
	if len(out) > maxListed {
		return typed, "At most 100 can be listed."
	}
	if out == nil {
		out = []string{}
	}
	return out, ""
}

func notInDomain(r rune) bool {
	return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '.' && r < 0x80
}

func clip(s string) string { return clipTo(s, 40) }

func clipTo(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}
