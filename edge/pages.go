package edge

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/emcy/gateway/edge/snapshot"
	"github.com/emcy/gateway/internal/httpx"
)

// Words that stand for origins in a list of them.
const (
	wordLoopback = "loopback"
	wordNone     = "none"
)

// Pages are the origins of web pages that may call the MCP URLs of every tenant,
// besides the tenant's own origins. The zero value is none.
//
// MCP demands that a wrong Origin is answered 403 (Streamable HTTP, Security
// Warning): it keeps a page whose name was rebound to a server's address from using
// that server with the browser's standing. Here a call needs a bearer token, which no
// page has merely because a browser visits it, and a Host that a tenant has, which a
// rebound name is not; so what the list keeps out is not an attack that would succeed
// otherwise, but every page that nobody thought of.
//
// A page on loopback comes from the machine that the browser runs on, and one that
// holds a token there is its owner's developer tool, such as the MCP Inspector. The
// same token could be used from that machine without a browser.
type Pages struct {
	loopback bool
	exact    []string
}

// ParsePages reads a list of exact origins, separated by commas. The word "loopback"
// stands for every origin on loopback, the word "none" alone for an empty list.
func ParsePages(list string) (Pages, error) {
	var p Pages
	words := strings.Split(list, ",")
	for _, word := range words {
		switch word = strings.TrimSpace(word); word {
		case "":
		case wordLoopback:
			p.loopback = true
		case wordNone:
			if len(words) > 1 {
				return Pages{}, errors.New(`"none" stands alone`)
			}
		default:
			origin, _, err := httpx.ParseOrigin(word)
			if err != nil || strings.Contains(word, "*") {
				return Pages{}, fmt.Errorf("%q is neither an origin, such as https://playground.example.com, nor %q or %q", word, wordLoopback, wordNone)
			}
			p.exact = append(p.exact, origin)
		}
	}
	return p, nil
}

// allow reports whether a request may be a page's that calls the tenant's MCP URLs. A
// request without Origin comes from no page. Origins are compared as browsers write
// them (RFC 6454, section 6.2): any other spelling is no browser's.
func (p Pages) allow(tenant *snapshot.Tenant, r *http.Request) bool {
	values := r.Header["Origin"]
	switch len(values) {
	case 0:
		return true
	case 1:
		origin := values[0]
		return slices.Contains(tenant.Origins, origin) || slices.Contains(tenant.AllowedOrigins, origin) ||
			slices.Contains(p.exact, origin) || p.loopback && onLoopback(origin)
	default:
		return false
	}
}

func onLoopback(origin string) bool {
	normal, u, err := httpx.ParseOrigin(origin)
	if err != nil || normal != origin {
		return false
	}
	if httpx.IsLoopbackHost(u.Hostname()) {
		return true
	}
	addr, err := netip.ParseAddr(u.Hostname())
	return err == nil && addr.IsLoopback()
}
