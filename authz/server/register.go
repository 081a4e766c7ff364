package server

import (
	"errors"
	"mime"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/emcy/gateway/internal/clock"
	"github.com/emcy/gateway/tenancy"
)

// register is dynamic client registration (RFC 7591) of public clients.
func (s *Server) register(w http.ResponseWriter, r *http.Request) {
	req := requestFrom(r.Context())
	if wait := s.registry.take(req.handle.Tenant(), s.clientIP(r)); wait > 0 {
		s.writeError(w, r, &oauthError{Code: "temporarily_unavailable", Description: "Too many registrations from this address. Try again later.", Status: http.StatusTooManyRequests, RetryAfter: wait})
		return
	}
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" {
		s.writeError(w, r, &oauthError{Code: "invalid_client_metadata", Description: "Send the client's metadata as application/json."})
		return
	}
	var asked metadata
	if err := json.UnmarshalRead(r.Body, &asked); err != nil {
		status := 0
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			status = http.StatusRequestEntityTooLarge
		}
		s.writeError(w, r, &oauthError{Code: "invalid_client_metadata", Description: "The client's metadata is not a valid JSON object.", Status: status})
		return
	}
	accepted, refused := asked.accept()
	if refused != nil {
		s.writeError(w, r, refused)
		return
	}
	var out registered
	err = s.db.Write(r.Context(), req.handle, func(tx *tenancy.Tx) (err error) {
		out, refused, err = register(tx, accepted)
		return err
	})
	switch {
	case err != nil:
		s.writeError(w, r, err)
	case refused != nil:
		s.writeError(w, r, refused)
	default:
		writeJSON(w, http.StatusCreated, out)
	}
}

// Registration limits, per tenant and address prefix. One sign-in of a real client
// takes up to three registrations, and every new sign-in registers anew.
const (
	registrationsPerHour = 120
	registrationWindow   = time.Hour
	maxRegistrars        = 50_000
)

// registrations counts registrations in this process.
type registrations struct {
	clock clock.Clock
	mu    sync.Mutex
	seen  map[registrar]*window
	swept time.Time
}

type registrar struct {
	tenant string
	prefix netip.Prefix
}

type window struct {
	count int
	until time.Time
}

func newRegistrations(c clock.Clock) *registrations {
	return &registrations{clock: c, seen: map[registrar]*window{}}
}

// take counts one registration and says how long to wait where it is one too many.
func (l *registrations) take(tenant string, ip netip.Addr) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.Now()
	l.makeRoom(now)
	bits := 32
	if ip.Is6() && !ip.Is4In6() {
		bits = 64 // an IPv6 customer has a whole /64
	}
	prefix, _ := ip.Unmap().Prefix(bits)
	key := registrar{tenant, prefix}
	w := l.seen[key]
	if w == nil || !now.Before(w.until) {
		w = &window{until: now.Add(registrationWindow)}
		l.seen[key] = w
	}
	w.count++
	if w.count > registrationsPerHour {
		return w.until.Sub(now)
	}
	return 0
}

// makeRoom keeps the map bounded, at a bounded price: expired windows go at most
// once a minute, and a full map loses any one window for each new one.
func (l *registrations) makeRoom(now time.Time) {
	if len(l.seen) < maxRegistrars {
		return
	}
	if now.Sub(l.swept) >= time.Minute {
		l.swept = now
		for key, w := range l.seen {
			if !now.Before(w.until) {
				delete(l.seen, key)
			}
		}
	}
	for key := range l.seen {
		if len(l.seen) < maxRegistrars {
			return
		}
		delete(l.seen, key)
	}
}
