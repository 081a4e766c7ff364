package upstreams

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/http/httpguts"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/names"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/internal/secret"
)

// Input is what a member types for a runtime. Headers keep their place in the
// form, so that a message can stand by its field.
type Input struct {
	Name, Slug, URL string
	HeaderNames     []string
	HeaderValues    []string
	// MayMoveTokens says that whoever typed it may decide to which host people's own tokens
	// go; Update refuses another host without it where a profile is attached.
	MayMoveTokens bool
}

var slugPattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$`)

// ownPaths are first segments of paths that the tenant's origin uses itself.
var ownPaths = []string{"authorize", "token", "register", "revoke", "introspect", "jwks", "sign-in", "sign-out", "consent", "connect", "me", "assets", "oauth", "healthz"}

// forbiddenHeaders are set by the gateway, by HTTP itself, or are the client's.
var forbiddenHeaders = []string{
	"Host", "Content-Length", "Content-Type", "Transfer-Encoding", "Connection", "Keep-Alive", "Te", "Trailer", "Upgrade",
	"Accept", "Accept-Encoding", "Cookie", "Origin", "Forwarded", "Last-Event-Id", "Expect",
}

const (
	maxHeaders     = 8
	maxHeaderValue = 4096
)

// validate normalises the input and says what is wrong with it.
func (r *Registry) validate(in Input, isNew bool) (Input, error) {
	problems := map[string]string{}
	in.Name = names.Clean(in.Name)
	in.HeaderNames = slices.Clone(in.HeaderNames) // the caller shows them again as they were typed
	in.Slug = strings.ToLower(strings.TrimSpace(in.Slug))
	if n := utf8.RuneCountInString(in.Name); n < 2 || n > 60 {
		problems["name"] = "Use 2 to 60 characters."
	}
	if isNew {
		switch {
		case !slugPattern.MatchString(in.Slug):
			problems["slug"] = "Use 1 to 40 small letters, digits and hyphens, not starting or ending with a hyphen."
		case slices.Contains(ownPaths, in.Slug):
			problems["slug"] = "That path belongs to the gateway itself. Choose another."
		}
	}
	if u, err := r.client.CheckURL(strings.TrimSpace(in.URL)); err != nil {
		problems["url"] = "The URL is refused: " + outbound.Classify(err).Public() + "."
	} else {
		in.URL = u.String()
	}
	in.checkHeaders(problems, isNew)
	return in, errs.Fields(problems)
}

func (in *Input) checkHeaders(problems map[string]string, isNew bool) {
	seen := map[string]bool{}
	for i := range in.HeaderNames {
		name := http.CanonicalHeaderKey(strings.TrimSpace(in.HeaderNames[i]))
		in.HeaderNames[i] = name
		value := ""
		if i < len(in.HeaderValues) {
			value = in.HeaderValues[i]
		}
		nameField, valueField := fmt.Sprintf("header_name.%d", i), fmt.Sprintf("header_value.%d", i)
		switch {
		case name == "" && value == "":
		case name == "":
			problems[nameField] = "Name the header that this value is for."
		case i >= maxHeaders:
			problems[nameField] = fmt.Sprintf("At most %d headers.", maxHeaders)
		case !httpguts.ValidHeaderFieldName(name) || strings.Contains(name, "_"):
			problems[nameField] = "That is not a valid header name."
		case strings.HasPrefix(name, "X-Emcy-") || reserved(name):
			problems[nameField] = "The gateway sets this header itself."
		case seen[name]:
			problems[nameField] = "This header is there twice."
		case len(value) > maxHeaderValue || !httpguts.ValidHeaderFieldValue(value) || !ascii(value):
			problems[valueField] = "That value cannot stand in a header."
		case value == "" && isNew:
			problems[valueField] = noValue
		}
		seen[name] = name != ""
	}
}

// reserved reports whether a header belongs to HTTP, to MCP or to proxies.
func reserved(name string) bool {
	return slices.Contains(forbiddenHeaders, name) ||
		slices.ContainsFunc([]string{"Mcp-", "Sec-", "Proxy-", "X-Forwarded-"}, func(p string) bool { return strings.HasPrefix(name, p) })
}

// headers are the typed headers that have a name.
func (in Input) headers() []Header {
	var out []Header
	for i, name := range in.HeaderNames {
		if name == "" {
			continue
		}
		h := Header{Name: name}
		if i < len(in.HeaderValues) {
			h.Value = secret.New(in.HeaderValues[i])
		}
		out = append(out, h)
	}
	return out
}

// merge keeps the stored value of a header whose field was left empty, because the
// form never shows it. A runtime that moved to another host gets no value that was
// typed for the old one.
func (in Input) merge(stored []Header, moved bool) ([]Header, error) {
	out := in.headers()
	problems := map[string]string{}
	for i, h := range out {
		if !h.Value.Empty() {
			continue
		}
		at := slices.IndexFunc(stored, func(s Header) bool { return s.Name == h.Name })
		field := fmt.Sprintf("header_value.%d", slices.Index(in.HeaderNames, h.Name))
		switch {
		case at >= 0 && moved:
			problems[field] = "The address moved to another host. Type the value again, so that it is not sent to a host it was not meant for."
		case at >= 0:
			out[i].Value = stored[at].Value
		default:
			problems[field] = noValue
		}
	}
	return out, errs.Fields(problems)
}

// noValue answers a header that is named and never had a value.
const noValue = "Type the value of this header."

// ascii is what a header value is to be held against: other bytes are read
// differently by every server.
func ascii(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r > unicode.MaxASCII }) < 0
}

func sameOrigin(a, b string) bool {
	ua, errA := url.Parse(a)
	ub, errB := url.Parse(b)
	return errA == nil && errB == nil && ua.Scheme == ub.Scheme && strings.EqualFold(ua.Host, ub.Host)
}
