package provider

import (
	"net/url"
	"time"
)

// Entry is one request that arrived.
type Entry struct {
	At time.Time
	// Endpoint is "authorize", "token", "revoke", "userinfo", "introspect", "register",
	// "metadata", "jwks" or "api".
	Endpoint string
	// Grant is the grant type of a token request.
	Grant string
	// Client and User are whom it was about, where that was found out.
	Client, User string
	// Family names the connection that a code or refresh token belongs to, from 1.
	Family int
	// Rotation is which refresh token of the family was sent, from 1.
	Rotation int
	// Reused says that the refresh token had been replaced before.
	Reused bool
	// Committed says that the request did what it asked for, whatever was answered.
	Committed bool
	// Status is what was answered, 0 where the connection was cut.
	Status int
	Error  string
	// Fault is the fault that was played.
	Fault string
	// Form is what was sent.
	Form url.Values
}

// Ledger is every request so far, in the order in which they arrived.
func (p *Provider) Ledger() []Entry {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Entry(nil), p.ledger...)
}

// Asked counts the requests to an endpoint, as Entry names it.
func (p *Provider) Asked(endpoint string) int {
	return p.count(func(e Entry) bool { return e.Endpoint == endpoint })
}

// Refreshes counts the refreshes that were committed.
func (p *Provider) Refreshes() int {
	return p.count(func(e Entry) bool { return e.Grant == "refresh_token" && e.Committed })
}

// RefreshRequests counts all requests to refresh.
func (p *Provider) RefreshRequests() int {
	return p.count(func(e Entry) bool { return e.Grant == "refresh_token" })
}

// Reuses counts the refresh tokens that were sent again after they had been replaced.
func (p *Provider) Reuses() int { return p.count(func(e Entry) bool { return e.Reused }) }

// Revocations counts the revocations that were committed.
func (p *Provider) Revocations() int {
	return p.count(func(e Entry) bool { return e.Endpoint == "revoke" && e.Committed })
}

func (p *Provider) count(is func(Entry) bool) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, e := range p.ledger {
		if is(e) {
			n++
		}
	}
	return n
}
