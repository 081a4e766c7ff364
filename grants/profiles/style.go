package profiles

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/emcy/gateway/grants/provider"
)

// styleFields are the form's fields of what provider.Style names; "authorize." and
// "token." are told apart by their beginnings.
var styleFields = map[string]string{
	"authorize": "authorize_params", "token": "token_params", "assertion_audience": "assertion_audience", "rotates": "rotates", "revoke_with": "revoke_with",
	"identity.from": "identity_from", "identity.id": "identity_id", "identity.name": "identity_name", "identity.email": "identity_email",
	"identity.email_verified": "identity_email_verified", "resource_on": "resource_on", "scope_separator": "scope_separator", "resource": "resource",
	"audience": "audience", "offline_scope": "offline_scope", "default_life": "default_life", "refresh_life": "refresh_life",
}

// checkStyle checks how the provider differs from the standards.
func (p *Profiles) checkStyle(f faults, s *provider.Style) {
	for _, line := range []*string{&s.Resource, &s.Audience, &s.OfflineScope, &s.Identity.ID, &s.Identity.Name, &s.Identity.Email, &s.Identity.EmailVerified} {
		*line = strings.TrimSpace(*line)
	}
	problems := s.Problems()
	for _, name := range slices.Sorted(maps.Keys(problems)) {
		field, _, parameter := strings.Cut(name, ".")
		if !parameter || field == "identity" {
			field = name
		}
		f.add(styleFields[field], problems[name])
	}
	if s.OmitResource && s.Resource != "" {
		f.add("resource", "Leave the resource empty, or send it: not both.")
	}
	f.add("identity_url", p.badURL(&s.Identity.URL, false))
}

// forbiddenHeaders are set by the gateway, by HTTP itself, or are the client's.
var forbiddenHeaders = []string{
	"Host", "Content-Length", "Content-Type", "Content-Encoding", "Transfer-Encoding", "Connection", "Keep-Alive", "Te", "Trailer", "Upgrade",
	"Accept", "Accept-Encoding", "Cookie", "Origin", "Forwarded", "Last-Event-Id", "Expect", "Via", "Date",
}

// checkKey checks what people type in and how it is sent.
func (p *Profiles) checkKey(f faults, in *Input) {
	k := &in.APIKey
	f.line("key_label", &k.Label, maxName, true)
	f.line("key_help", &k.Help, maxHelp, false)
	k.Header = http.CanonicalHeaderKey(strings.TrimSpace(k.Header))
	switch {
	case k.Header == "":
		f.add("key_header", "Name the header that carries the key, such as Authorization or X-API-Key.")
	case len(k.Header) > 128 || !httpguts.ValidHeaderFieldName(k.Header) || strings.Contains(k.Header, "_"):
		f.add("key_header", "That is not a valid header name.")
	case slices.Contains(forbiddenHeaders, k.Header) || hasAnyPrefix(k.Header, "X-Emcy-", "Mcp-", "Sec-", "Proxy-", "X-Forwarded-"):
		f.add("key_header", "The gateway sets this header itself.")
	}
	k.Format = strings.TrimSpace(k.Format)
	if k.Format == "" {
		k.Format = KeyPlaceholder
	}
	switch {
	case strings.Count(k.Format, KeyPlaceholder) != 1:
		f.add("key_format", "Write "+KeyPlaceholder+" once, where the key goes, such as Bearer "+KeyPlaceholder+".")
	case len(k.Format) > maxField || !httpguts.ValidHeaderFieldValue(k.Format) || strings.ContainsFunc(k.Format, func(r rune) bool { return r > 0x7e }):
		f.add("key_format", "That value cannot stand in a header.")
	}
	f.add("key_check_url", p.badURL(&k.CheckURL, false))
}

func hasAnyPrefix(s string, prefixes ...string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(s, p) })
}
