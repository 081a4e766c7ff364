package edge

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"
)

const (
	// linkReuse is how long a link is given again to the same person for the same thing: a client that
	// makes five calls at once is to open one page.
	linkReuse = time.Minute
	// maxLinks bounds a person's new links within half of linkReuse, on this node.
	maxLinks = 10
	// maxRemembered bounds each half of what is remembered.
	maxRemembered = 8 << 10
	linkTime      = 5 * time.Second
	// appsPath is the page of a tenant's origin where people see and connect their accounts.
	appsPath = "/me/apps"
)

// linkKey is what a link is for. Another token that is refused is another reason: a link that was used is
// of no use again.
type linkKey struct {
	tenant, upstream, profile, subject, client, scopes string
	reason                                             Reason
	refused                                            int64 // the generation of the token that was
}

type person struct{ tenant, subject string }

// link is one that was made or is being made.
type link struct {
	ready chan struct{} // closed once url or err is there
	url   string
	err   error
}

// links remembers the links of the last minute or two: what is older falls out with its half.
type links struct {
	mu         sync.Mutex
	young, old map[linkKey]*link
	made       map[person]int // since turned
	turned     time.Time
}

// get gives a link that is there or under way, or begins one, which the caller then has to make.
func (s *links) get(k linkKey, now time.Time) (l *link, begun, tooMany bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if age := now.Sub(s.turned); s.young == nil || len(s.young) >= maxRemembered || age >= linkReuse/2 || age < 0 {
		if s.old = s.young; age >= linkReuse {
			s.old = nil
		}
		s.young, s.made, s.turned = map[linkKey]*link{}, map[person]int{}, now
	}
	if l = s.young[k]; l != nil {
		return l, false, false
	}
	if l = s.old[k]; l != nil {
		return l, false, false
	}
	who := person{k.tenant, k.subject}
	if s.made[who]++; s.made[who] > maxLinks {
		return nil, false, true
	}
	l = &link{ready: make(chan struct{})}
	s.young[k] = l
	return l, true, false
}

// forget drops a link that could not be made.
func (s *links) forget(k linkKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.young, k)
	delete(s.old, k)
}

// link gives an address where the person can connect: a link for just this, or the page with everything.
func (x *exchange) link(why Reason) string {
	page := x.tenant.Issuer + appsPath
	q := x.down.query
	k := linkKey{q.TenantID, q.UpstreamID, q.ProfileID, q.Subject, q.Client, strings.Join(q.Scopes, " "), why, x.down.token.Generation}
	l, begun, tooMany := x.front.links.get(k, x.front.clock.Now())
	if tooMany {
		return page
	}
	// Others may wait for the same link, so that it does not end with this client.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(x.r.Context()), linkTime)
	defer cancel()
	if begun {
		if l.url, l.err = x.front.downstreams.Link(ctx, q); l.err == nil && l.url == "" {
			l.err = errors.New("the link is empty")
		}
		if l.err != nil {
			x.front.links.forget(k)
			x.complain("make a link to connect", l.err)
		}
		close(l.ready)
	}
	select {
	case <-l.ready:
	case <-ctx.Done():
		return page
	}
	if l.err != nil {
		return page
	}
	return l.url
}
