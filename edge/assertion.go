package edge

import (
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/emcy/gateway/internal/ids"
)

const (
	assertionLife  = 60 * time.Second
	assertionReuse = 30 * time.Second // so that half its life is left when it leaves
)

// assertion is a signed statement for the runtime of who asks. It speaks of the
// caller and not of a token, so one signature serves many calls and every token of
// the same caller.
type assertion struct {
	jwt      string
	kid      string
	upstream url.URL
	made     time.Time
}

// fits reports whether the statement can still be sent.
func (a *assertion) fits(x *exchange, now time.Time) bool {
	if a == nil || a.kid != x.tenant.Signer.KID || a.upstream != *x.edge.Upstream {
		return false
	}
	age := now.Sub(a.made)
	return age >= 0 && age < assertionReuse
}

// caller is everything in a statement that does not change from one to the next.
type caller struct{ tenant, issuer, upstream, subject, client, scope string }

// maxAssertions bounds each of the two halves of what is remembered.
const maxAssertions = 8 << 10

// assertions remembers the last statement about each caller, for at least as long as
// it is of use: what is older falls out with its half.
type assertions struct {
	mu         sync.Mutex
	young, old map[caller]*assertion
	turned     time.Time
}

func (s *assertions) get(c caller) *assertion {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.young[c]; a != nil {
		return a
	}
	return s.old[c]
}

func (s *assertions) put(c caller, a *assertion) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.young == nil || len(s.young) >= maxAssertions || a.made.Sub(s.turned) >= assertionReuse {
		s.young, s.old, s.turned = map[caller]*assertion{}, s.young, a.made
	}
	s.young[c] = a
}

type assertionClaims struct {
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	Audience string `json:"aud"`
	ClientID string `json:"client_id"`
	Scope    string `json:"scope"`
	Expires  int64  `json:"exp"`
	IssuedAt int64  `json:"iat"`
	ID       string `json:"jti"`
}

// assertion gives a statement that is fresh, signed with the active key, and meant
// for the runtime's present URL. Two requests at once may each make one.
func (x *exchange) assertion() (string, error) {
	now := x.front.clock.Now()
	if last := x.access.assertion.Load(); last.fits(x, now) {
		return last.jwt, nil
	}
	who := caller{x.tenant.ID, x.tenant.Issuer, x.edge.ID, x.access.subject, x.access.client, x.access.scope}
	if last := x.front.assertions.get(who); last.fits(x, now) {
		x.access.assertion.Store(last)
		return last.jwt, nil
	}
	signer := x.tenant.Signer
	if signer.Key == nil {
		return "", errors.New("sign assertion: the tenant has no signing key")
	}
	text, err := signJWT(signer, assertionClaims{
		Issuer: x.tenant.Issuer, Subject: x.access.subject, Audience: x.edge.Upstream.String(),
		ClientID: x.access.client, Scope: x.access.scope,
		IssuedAt: now.Unix(), Expires: now.Add(assertionLife).Unix(), ID: ids.New("as"),
	})
	if err != nil {
		return "", fmt.Errorf("sign assertion: %w", err)
	}
	made := &assertion{jwt: text, kid: signer.KID, upstream: *x.edge.Upstream, made: now}
	x.access.assertion.Store(made)
	x.front.assertions.put(who, made)
	return text, nil
}
