package workspaces

import (
	"regexp"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// reserved are slugs that would look like ours, or like a part of a host name
// that browsers, mail or certificate authorities treat specially.
var reserved = []string{
	"www", "app", "api", "docs", "status", "admin", "mail", "smtp", "imap", "auth", "login", "signin", "signup", "sign-in", "sign-up", "sign-out",
	"oauth", "oidc", "sso", "console", "dashboard", "static", "assets", "cdn", "edge", "mcp", "emcy", "gateway", "support", "help", "billing",
	"security", "abuse", "postmaster", "hostmaster", "webmaster", "root", "system", "internal", "localhost", "test", "example", "invalid",
	"workspaces", "workspace", "settings", "account", "accounts", "healthz", "readyz", "metrics", "ui-kit", "new", "autoconfig", "autodiscover", "wpad",
}

var slugPattern = regexp.MustCompile(`^[a-z][a-z0-9-]{1,30}[a-z0-9]$`)

// CheckSlug says what is wrong with a workspace's slug, or "" when it is fine. A
// slug becomes a host name label, so the rules are those of one.
func CheckSlug(slug string) string {
	switch {
	case slug == "":
		return "Choose a short name for the address."
	case len(slug) < 3 || len(slug) > 32:
		return "Use 3 to 32 characters."
	case !slugPattern.MatchString(slug):
		return "Use small letters, digits and hyphens; start with a letter and do not end with a hyphen."
	case strings.Contains(slug, "--"):
		return "Two hyphens in a row are not allowed in a host name here."
	case strings.HasPrefix(slug, "xn-"):
		return "Names that start with xn- are reserved for international host names."
	case looksReserved(slug):
		return "That name is reserved. Try adding your company or team to it."
	}
	return ""
}

// lookAlike folds characters, then pairs of them, that look alike in some font.
var lookAlike = []*strings.Replacer{
	strings.NewReplacer("0", "o", "1", "l", "i", "l", "3", "e", "4", "a", "5", "s", "7", "t", "8", "b", "9", "g"),
	strings.NewReplacer("rn", "m", "vv", "w", "cl", "d"),
}

// skeleton is what is left of a slug when characters that look alike are one: two
// slugs with one skeleton can be taken for each other.
func skeleton(slug string) string {
	// With a digit at its end, workspace-5 is a count and not a word written apart.
	if !strings.ContainsAny(slug, "0123456789") {
		slug = strings.ReplaceAll(slug, "-", "")
	}
	for _, fold := range lookAlike {
		slug = fold.Replace(slug)
	}
	return slug
}

// looksReserved sees copies of a reserved name, such as adm1n or log-in.
func looksReserved(slug string) bool {
	own := skeleton(slug)
	return slices.ContainsFunc(reserved, func(name string) bool { return skeleton(name) == own })
}

var notSlug = regexp.MustCompile(`[^a-z0-9]+`)

// SlugFrom proposes a slug for a name; it may still be taken or reserved.
func SlugFrom(name string) string {
	ascii := strings.Map(func(r rune) rune {
		if r > 127 {
			return -1 // what is left of an accented letter after decomposition
		}
		return r
	}, norm.NFKD.String(strings.ToLower(name)))
	slug := strings.Trim(notSlug.ReplaceAllString(ascii, "-"), "-")
	slug = strings.TrimLeft(slug, "0123456789-")
	if len(slug) > 32 {
		slug = strings.TrimRight(slug[:32], "-")
	}
	return slug
}
