package edge

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emcy/gateway/internal/oauthwire"
)

// settle looks whether the runtime refused the person's token, and deals with that. It leaves in a the answer
// to hand on, or gives false where the client has its own. The runtime's challenge is never handed on.
func (x *exchange) settle(a *answer) bool {
	if a.StatusCode != http.StatusUnauthorized && a.StatusCode != http.StatusForbidden {
		return true
	}
	challenges := oauthwire.Challenges(a.Header)
	if _, ours := oauthwire.Find(challenges, oauthwire.SchemeWorker); ours {
		return true // it refuses the gateway, not the person
	}
	bearer, named := oauthwire.Find(challenges, "Bearer")
	switch {
	case a.StatusCode == http.StatusUnauthorized && x.down.sent:
		a.close()
		return x.renew(a) && (a.StatusCode != http.StatusForbidden || x.settle(a))
	case a.StatusCode == http.StatusUnauthorized && named:
		// It went out without a token, because it did not have to have one. The runtime knows better.
		a.close()
		x.answer(x.connect(&NeedsConnect{Profile: x.edge.Downstream.ProfileName, Reason: NotConnected}, because(NotConnected)))
		return false
	case a.StatusCode == http.StatusForbidden && x.down.sent && bearer.Params["error"] == oauthwire.ErrorInsufficientScope:
		more := x.allowed(strings.Fields(bearer.Params["scope"]))
		if len(more) == 0 {
			return true
		}
		a.close()
		x.answer(x.connect(&NeedsConnect{Profile: x.edge.Downstream.ProfileName, Reason: MoreScopes, Scopes: more}, because(MoreScopes)))
		return false
	default:
		return true
	}
}

// allowed leaves of what a runtime asks for what the profile may be used for: a runtime must not talk a
// person into giving it the rest.
func (x *exchange) allowed(scopes []string) []string {
	return slices.DeleteFunc(scopes, func(s string) bool { return !slices.Contains(x.edge.Downstream.Allowed, s) })
}

// renew asks for another token than the one that was refused, and sends the request once more with it. What
// the runtime refused it did not do, so no call runs twice (ADR 0011). It gives false where the client has its
// answer.
func (x *exchange) renew(a *answer) bool {
	if x.front.stale.has(x.staleKey(), x.down.token, x.front.clock.Now()) {
		x.answer(x.rejectedToken())
		return false
	}
	ctx, cancel := context.WithTimeout(x.r.Context(), renewTime)
	token, err := x.front.downstreams.Suspect(ctx, x.down.query, x.down.token)
	cancel()
	err = checkToken(token, err)
	if x.clientGone() {
		x.leave()
	}
	missing, connects := errors.AsType[*NeedsConnect](err)
	switch {
	case connects && missing.Reason == NotConnected, connects && missing.Reason == MoreScopes:
		x.answer(x.connect(missing, because(missing.Reason)))
		return false
	case connects, err == nil && token.same(&x.down.token):
		x.answer(x.rejectedToken())
		return false
	case err != nil:
		x.complain("no other downstream token", err)
		x.answer(x.failed(http.StatusServiceUnavailable, reasonDownstreamUnavailable, x.unavailable()))
		return false
	}
	x.down.token = token
	if !x.send(a) {
		return false
	}
	if a.StatusCode != http.StatusUnauthorized {
		return true
	}
	if _, ours := oauthwire.Find(oauthwire.Challenges(a.Header), oauthwire.SchemeWorker); ours {
		return true
	}
	a.close()
	x.front.stale.put(x.staleKey(), token, x.front.clock.Now())
	x.answer(x.rejectedToken())
	return false
}

func (x *exchange) rejectedToken() *refusal {
	return x.connect(&NeedsConnect{Profile: x.edge.Downstream.ProfileName, Reason: Ended}, reasonDownstreamRejected)
}

func (x *exchange) staleKey() staleKey {
	return staleKey{x.tenant.ID, x.edge.ID, x.down.query.ProfileID, x.access.subject}
}

const (
	// staleTime is how long a runtime's refusal of a token that had just been renewed is believed without
	// asking the provider for yet another one.
	staleTime = time.Minute
	maxStale  = 8 << 10
)

type staleKey struct{ tenant, upstream, profile, subject string }

type staleToken struct {
	token DownstreamToken
	at    time.Time
}

// stale remembers tokens that a runtime refused though they were fresh: a runtime that refuses every token
// must not cost the provider a refresh per call.
type stale struct {
	mu   sync.Mutex
	seen map[staleKey]staleToken
}

func (s *stale) has(k staleKey, token DownstreamToken, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.seen[k]
	return ok && t.token.same(&token) && now.Sub(t.at) < staleTime
}

func (s *stale) put(k staleKey, token DownstreamToken, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil || len(s.seen) >= maxStale {
		s.seen = map[staleKey]staleToken{}
	}
	s.seen[k] = staleToken{token, now}
}
