package emcyworker

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

// defaultHold is long enough for an API to refuse a token.
const defaultHold = 2 * time.Second

// Options change how a [Guard] works; the zero value is right for almost everybody.
type Options struct {
	// Getenv is where the settings are read from, once; os.Getenv unless given.
	Getenv func(name string) string
	// HoldStart is for how long the status of an answer may wait for its first byte, on
	// requests that carry the user's token: for that long RefuseUpstreamToken can still
	// make it a 401. Zero is 2 s, less than zero never waits.
	HoldStart time.Duration
	// Client fetches the workspaces' keys; http.DefaultClient unless given.
	Client *http.Client
	// Keys gives an issuer's key set (RFC 7517); fetched from {issuer}/jwks unless given.
	Keys func(ctx context.Context, issuer string) ([]byte, error)
	// Now is the time; time.Now unless given.
	Now func() time.Time
}

// Guard lets in only the gateway.
type Guard struct {
	settings settings
	keys     *keySets
	now      func() time.Time
	hold     time.Duration
}

// New reads the settings.
func New(o Options) *Guard {
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	if o.Client == nil {
		o.Client = http.DefaultClient
	}
	if o.Keys == nil {
		o.Keys = fetcher(o.Client)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.HoldStart == 0 {
		o.HoldStart = defaultHold
	}
	return &Guard{
		settings: readSettings(o.Getenv),
		keys:     &keySets{now: o.Now, fetch: o.Keys, entries: map[string]*keyEntry{}},
		now:      o.Now,
		hold:     o.HoldStart,
	}
}

// Middleware is New with everything as it usually is.
func Middleware(next http.Handler) http.Handler { return New(Options{}).Middleware(next) }

// Middleware answers nobody but the gateway: 401 without a valid secret or assertion, 500
// when the runtime has nothing to compare with. What passes reaches next without the
// contract's headers.
func (g *Guard) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, refused := g.admit(r)
		if refused != nil {
			refused.write(w)
			return
		}
		word := rand.Text()
		callers.Store(word, caller)
		defer callers.Delete(word)

		inner := r.Clone(context.WithValue(r.Context(), contextKey{}, caller))
		for name := range inner.Header {
			if g.settings.stripped(name) {
				delete(inner.Header, name)
			}
		}
		inner.Header.Set(callerHeader, word)
		if r.Method != http.MethodPost || g.hold < 0 || caller.UpstreamAccessToken() == "" {
			next.ServeHTTP(w, inner)
			return
		}
		held := &heldWriter{w: w, own: http.Header{}, hold: g.hold, refused: caller.refused}
		defer held.close()
		next.ServeHTTP(held, inner)
		held.finish()
	})
}

// refusal is an answer instead of the application's.
type refusal struct {
	status           int
	error, challenge string
}

var tokenRefused = &refusal{http.StatusUnauthorized, "upstream_token_refused", `Bearer error="invalid_token"`}

func (f *refusal) write(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	if f.challenge != "" {
		h.Set("WWW-Authenticate", f.challenge)
	}
	w.WriteHeader(f.status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": f.error}) // whoever asked may be gone
}

func (g *Guard) admit(r *http.Request) (Caller, *refusal) {
	s := &g.settings
	if s.problem != "" {
		return Caller{}, &refusal{status: http.StatusInternalServerError, error: s.problem}
	}
	sent := func(what header) []string { return r.Header[s.headers[what]] }
	bySecret := len(s.secrets) > 0 && (len(sent(secretHeader)) > 0 || len(s.issuers) == 0 || len(sent(assertionHeader)) == 0)
	if bySecret && !s.valid(sent(secretHeader)) {
		return Caller{}, &refusal{http.StatusUnauthorized, "unauthorized", `EmcyWorker error="invalid_secret"`}
	}
	var signed *claims
	if len(s.issuers) > 0 && (len(sent(assertionHeader)) > 0 || !bySecret) {
		var refused *refusal
		if signed, refused = g.signed(r.Context(), sent(assertionHeader)); refused != nil {
			return Caller{}, refused
		}
	}
	for what := range headerCount {
		if len(sent(what)) > 1 {
			return Caller{}, &refusal{status: http.StatusBadRequest, error: "repeated_header"}
		}
	}
	return s.caller(r.Header, bySecret, signed), nil
}

func (g *Guard) signed(ctx context.Context, presented []string) (*claims, *refusal) {
	err := errAssertion
	var signed *claims
	if len(presented) == 1 {
		signed, err = verify(ctx, presented[0], &g.settings, g.keys, g.now())
	}
	switch {
	case errors.Is(err, errKeys):
		return nil, &refusal{status: http.StatusServiceUnavailable, error: "worker_keys_unavailable"}
	case err != nil:
		return nil, &refusal{http.StatusUnauthorized, "unauthorized", `EmcyWorker error="invalid_assertion"`}
	}
	return signed, nil
}

// valid compares every secret, and by digest, so that neither the number of the one that
// matched nor its length can be told from the time it takes.
func (s *settings) valid(presented []string) bool {
	if len(presented) != 1 {
		return false
	}
	digest := sha256.Sum256([]byte(presented[0]))
	valid := 0
	for i := range s.secrets {
		valid |= subtle.ConstantTimeCompare(digest[:], s.secrets[i][:])
	}
	return valid == 1
}

func (s *settings) caller(h http.Header, bySecret bool, signed *claims) Caller {
	value := func(what header) string { return h.Get(s.headers[what]) }
	assertion, token := value(assertionHeader), value(tokenHeader)
	if s.bearer() {
		scheme, rest, _ := strings.Cut(token, " ")
		if token = strings.TrimSpace(rest); !strings.EqualFold(scheme, "Bearer") {
			token = ""
		}
	}
	c := Caller{RequestID: value(requestIDHeader), assertion: &assertion, token: &token, refused: &atomic.Bool{}}
	if signed == nil {
		c.Subject, c.Tenant, c.Client = unescaped(value(subjectHeader)), unescaped(value(tenantHeader)), unescaped(value(clientHeader))
		return c
	}
	c.Subject, c.Tenant, c.Client, c.Issuer = signed.subject, signed.tenant, signed.client, signed.issuer
	if c.Scopes = signed.scopes; c.Scopes == nil {
		c.Scopes = []string{}
	}
	if c.Tenant == "" && bySecret { // the header is vouched for by the secret alone
		c.Tenant = unescaped(value(tenantHeader))
	}
	return c
}

func unescaped(value string) string {
	if plain, err := url.PathUnescape(value); err == nil {
		return plain
	}
	return value // nothing that the gateway escaped
}
