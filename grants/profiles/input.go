package profiles

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/names"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/internal/secret"
)

// Bounds of what an administrator may type, in characters where nothing else is said.
const (
	maxName      = 80
	maxHelp      = 300
	maxField     = 255
	maxSecret    = 4096
	maxScopes    = 100
	maxParams    = 10
	maxKeepAlive = 180 * 24 * time.Hour
)

// Input is what an administrator typed.
type Input struct {
	Name string
	// Kind and Preset are of a new profile; an existing one keeps its own.
	Kind   Kind
	Preset string
	Issuer string
	SignIn bool
	Settings
	// Client is used by Create, and by Update where the provider moved to another host.
	Client ClientInput
}

// ClientInput is what an administrator typed of our client.
type ClientInput struct {
	// Kind is Preregistered, CIMD or DCR.
	Kind string
	// ID and AuthMethod are those of a preregistered client.
	ID, AuthMethod string
	// Secret is needed with AuthBasic and AuthPost.
	Secret secret.Text
	// KeyAlg is KeyES256 or KeyRS256, of a client that proves itself with a key; "" is KeyES256.
	KeyAlg string
	// InitialToken opens a registration that is not open to all (RFC 7591, section 3), of a
	// client that registers itself. It is not kept.
	InitialToken secret.Text
}

// draft is an input that was checked, with what discovery found.
type draft struct {
	Input
	discovered provider.Endpoints
	// found says that discovery read them now.
	found bool
}

func (d draft) endpoints() provider.Endpoints {
	if d.Discovery == Manual {
		return d.Settings.Endpoints
	}
	return d.discovered
}

// faults collects messages by field.
type faults map[string]string

func (f faults) add(field, text string) {
	if text != "" && f[field] == "" {
		f[field] = text
	}
}

// line tidies a value of one line and says what is wrong with it.
func (f faults) line(field string, value *string, limit int, needed bool) {
	*value = strings.TrimSpace(*value)
	switch {
	case *value == "" && needed:
		f.add(field, "This is needed.")
	case utf8.RuneCountInString(*value) > limit:
		f.add(field, "This is too long.")
	case !printable(*value):
		f.add(field, "This holds characters that cannot be used here.")
	}
}

// checked tidies the input, or says by field what will not do.
func (p *Profiles) checked(in Input, fresh bool) (draft, error) {
	f := faults{}
	in.Name = names.Clean(in.Name)
	f.line("name", &in.Name, maxName, true)
	switch in.Kind {
	case KindOAuth, KindExchange:
		p.checkProvider(f, &in)
		in.APIKey = KeyRule{}
	case KindAPIKey:
		p.checkKey(f, &in)
		in = Input{Name: in.Name, Kind: in.Kind, Settings: Settings{APIKey: in.APIKey}}
	default:
		f.add("kind", "Choose what kind of profile this is.")
	}
	if in.Kind == KindExchange {
		p.checkExchange(f, &in)
	} else {
		in.Exchange = ExchangeRule{}
	}
	if fresh && in.Kind != KindAPIKey {
		f.checkClient(&in.Client)
	}
	return draft{Input: in}, errs.Fields(f)
}

func (p *Profiles) checkProvider(f faults, in *Input) {
	in.Issuer, in.ResourceURL = strings.TrimSpace(in.Issuer), strings.TrimSpace(in.ResourceURL)
	switch in.Discovery {
	case ByIssuer:
		f.add("issuer", p.badIssuer(in.Issuer))
		in.ResourceURL, in.Settings.Endpoints = "", provider.Endpoints{}
	case ByResource:
		f.add("resource_url", p.badURL(&in.ResourceURL, true))
		in.Issuer, in.Settings.Endpoints = "", provider.Endpoints{}
	case Manual:
		in.ResourceURL = ""
		p.checkEndpoints(f, in)
	default:
		f.add("discovery", "Choose how the endpoints are found.")
	}
	in.Scopes, in.ScopeText = f.scopes("scopes", in.Scopes), f.scopeText(in.ScopeText, in.Scopes)
	p.checkStyle(f, &in.Style)
	switch in.Match {
	case "":
		in.Match = MatchAny
	case MatchAny, MatchEmail:
	default:
		f.add("match", "Choose one of the two.")
	}
	if in.KeepAlive < 0 || in.KeepAlive > maxKeepAlive {
		f.add("keep_alive", "Type a number of days from 1 to 180, or 0 for none.")
	}
	if in.Kind == KindExchange {
		in.SignIn, in.Match, in.KeepAlive = false, MatchAny, 0
	}
	if in.Style.Identity.From == provider.FromNone && in.SignIn {
		f.add("identity_from", "People cannot sign in with a provider that does not say who they are. Choose where their identity is read.")
	}
	if in.Style.Identity.From == provider.FromNone && in.Match == MatchEmail {
		f.add("identity_from", "An e-mail address can be compared only where the provider tells it. Choose where the identity is read.")
	}
}

// checkEndpoints checks the typed endpoints of a provider without metadata.
func (p *Profiles) checkEndpoints(f faults, in *Input) {
	e := &in.Settings.Endpoints
	if in.Issuer != "" {
		f.add("issuer", p.badIssuer(in.Issuer))
	}
	e.Issuer = in.Issuer
	f.add("authorization_endpoint", p.badURL(&e.Authorization, in.Kind == KindOAuth))
	f.add("token_endpoint", p.badURL(&e.Token, true))
	f.add("revocation_endpoint", p.badURL(&e.Revocation, false))
	f.add("userinfo_endpoint", p.badURL(&e.UserInfo, false))
	f.add("introspection_endpoint", p.badURL(&e.Introspection, false))
	f.add("registration_endpoint", p.badURL(&e.Registration, in.Client.Kind == DCR))
	from := in.Style.Identity.From
	f.add("jwks_uri", p.badURL(&e.JWKS, from == provider.FromIDToken && in.Kind == KindOAuth))
	if from == provider.FromIDToken && in.Issuer == "" && in.Kind == KindOAuth {
		f.add("issuer", "An ID token can be checked only where the issuer is known.")
	}
}

// clientIDPlaceholder stands in a revocation endpoint where the client ID goes.
const clientIDPlaceholder = "{client_id}"

// badURL tidies a URL and says what is wrong with it; "" where nothing is.
func (p *Profiles) badURL(raw *string, needed bool) string {
	*raw = strings.TrimSpace(*raw)
	if *raw == "" {
		if needed {
			return "This URL is needed."
		}
		return ""
	}
	if strings.Contains(*raw, "#") {
		return "The URL is refused: it must not have a fragment."
	}
	if _, err := p.cfg.Outbound.CheckURL(strings.ReplaceAll(*raw, clientIDPlaceholder, "x")); err != nil {
		return "The URL is refused: " + outbound.Classify(err).Public() + "."
	}
	return ""
}

// badIssuer says what is wrong with an issuer (RFC 8414, section 2: a URL with neither
// query nor fragment); "" where nothing is.
func (p *Profiles) badIssuer(issuer string) string {
	switch {
	case issuer == "":
		return "Type the provider's issuer URL, such as https://login.example.com."
	case strings.ContainsAny(issuer, "?#"):
		return "An issuer has no query and no fragment."
	case strings.Contains(issuer, "/.well-known/"):
		return "Type the issuer alone, without /.well-known/ and what follows it."
	case strings.ContainsAny(issuer, "{}"):
		return "Fill in what stands between the braces."
	}
	return p.badURL(&issuer, true)
}

func (p *Profiles) checkExchange(f faults, in *Input) {
	x := &in.Exchange
	x.SubjectToken = SubjectAssertion
	f.line("exchange_audience", &x.Audience, maxField, false)
	f.add("exchange_resource", p.badURL(&x.Resource, false))
	x.Scopes = f.scopes("exchange_scopes", x.Scopes)
	if x.Audience == "" && x.Resource == "" {
		f.add("exchange_audience", "Name the audience or the resource that the token is for.")
	}
}

// scopes are tokens of RFC 6749, section 3.3, each once.
func (f faults) scopes(field string, typed []string) []string {
	var out []string
	for _, s := range typed {
		s = strings.TrimSpace(s)
		switch {
		case s == "" || slices.Contains(out, s):
			continue
		case !validScope(s):
			f.add(field, fmt.Sprintf("“%s” is no scope: scopes are printable ASCII without blanks, quotes and backslashes, at most %d characters each.", clip(s), maxField))
		}
		out = append(out, s)
	}
	if len(out) > maxScopes {
		f.add(field, fmt.Sprintf("At most %d scopes.", maxScopes))
	}
	return out
}

// scopeText keeps the words of scopes that are there.
func (f faults) scopeText(typed map[string]string, scopes []string) map[string]string {
	out := map[string]string{}
	for _, s := range scopes {
		text := names.Clean(typed[s])
		if utf8.RuneCountInString(text) > maxHelp {
			f.add("scopes", fmt.Sprintf("The words for “%s” are too long.", clip(s)))
		}
		if text != "" {
			out[s] = text
		}
	}
	return out
}

func validScope(s string) bool {
	if s == "" || len(s) > maxField {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c < 0x21 || c > 0x7e || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

func clip(s string) string {
	const most = 40
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}
