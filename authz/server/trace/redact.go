package trace

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode"

	"github.com/emcy/gateway/internal/ids"
)

// Longest texts in a trace, in bytes.
const (
	maxShort = 64
	maxName  = 60
	maxAgent = 120
	maxValue = 200
	maxList  = 5 // entries
)

// Clean takes out of a text what could disturb a page or a log (control, format and
// bidirectional characters), and caps it at so many bytes.
func Clean(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	return capped(strings.TrimSpace(s), limit)
}

// Agent is a user agent that may be kept.
func Agent(s string) string { return Clean(s, maxAgent) }

func capped(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "…"
}

// NetworkOf is the network that an address is in: a /24, or a /48 of IPv6. A whole
// address is never kept, and the two loopback addresses are one machine.
func NetworkOf(addr netip.Addr) string {
	addr = addr.Unmap()
	bits := 24
	switch {
	case !addr.IsValid():
		return "unknown"
	case addr.IsLoopback():
		return "loopback"
	case addr.Is6():
		bits = 48
	}
	prefix, err := addr.WithZone("").Prefix(bits)
	if err != nil {
		return "unknown"
	}
	return prefix.String()
}

// treatment is what is kept of a parameter's value.
type treatment func(string) string

func plain(s string) string { return Clean(s, maxValue) }

// length is for values that are secret, or that nobody can compare by eye.
func length(s string) string { return strconv.Itoa(len(s)) + " characters" }

// fingerprint tells two values apart without giving either.
func fingerprint(s string) string { return "#" + ids.Hash(s)[:6] }

// address keeps where a URL leads: no user, query or fragment, which may carry anything.
func address(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return "not a URL, " + length(s)
	}
	if u.Opaque != "" {
		return Clean(u.Scheme, maxShort) + ":…"
	}
	rest := ""
	if u.RawQuery != "" || u.Fragment != "" {
		rest = "?…"
	}
	bare := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}
	return Clean(bare.String(), maxValue) + rest
}

// clientID is a name of ours, or the address of a document.
func clientID(s string) string {
	if strings.Contains(s, ":") {
		return address(s)
	}
	return plain(s)
}

// kept are the parameters that matter, and what is kept of them. What is not listed
// is not kept, not even its name.
var kept = []struct {
	name string
	keep treatment
}{
	{"grant_type", plain},
	{"response_type", plain},
	{"client_id", clientID},
	{"redirect_uri", address},
	{"resource", address},
	{"scope", plain},
	{"prompt", plain},
	{"response_mode", plain},
	{"code_challenge_method", plain},
	{"code_challenge", length},
	{"state", length},
	{"nonce", length},
	{"request", length},
	{"request_uri", fingerprint},
	{"code", fingerprint},
	{"code_verifier", length},
	{"refresh_token", fingerprint},
	{"device_code", fingerprint},
	{"client_secret", length},
	{"client_assertion", length},
	{"client_assertion_type", plain},
	{"assertion", length},
	{"decision", plain},
}

// parameters adds what may be kept of a form or query.
func parameters(m Message, values url.Values) Message {
	for _, k := range kept {
		if v, ok := values[k.name]; ok && len(v) > 0 {
			text := k.keep(v[0])
			if len(v) > 1 {
				text += " (" + strconv.Itoa(len(v)) + " times)"
			}
			m = m.with(k.name, text)
		}
	}
	return m
}

func addresses(list []string) string {
	out := make([]string, 0, maxList)
	for _, u := range list[:min(len(list), maxList)] {
		out = append(out, address(u))
	}
	if more := len(list) - maxList; more > 0 {
		out = append(out, "and "+strconv.Itoa(more)+" more")
	}
	return capped(strings.Join(out, " "), 3*maxValue)
}
