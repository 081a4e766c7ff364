package clients

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Bounds of how long a document is believed without asking again.
const (
	shortestFresh = time.Minute
	longestFresh  = 24 * time.Hour
	usualFresh    = time.Hour // where the answer says nothing
)

// freshness reads how long an answer may be kept (RFC 9111, section 4.2), within bounds.
func freshness(h http.Header, now time.Time) time.Duration {
	return min(max(lifetime(h, now), shortestFresh), longestFresh)
}

func lifetime(h http.Header, now time.Time) time.Duration {
	var life time.Duration
	var told bool
	for directive := range strings.SplitSeq(strings.Join(h.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.ToLower(strings.TrimSpace(directive)), "=")
		switch name {
		case "no-store", "no-cache":
			return 0
		case "max-age":
			seconds, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31)
			if err != nil {
				return 0 // an unreadable age is a stale one (RFC 9111, section 4.2.1)
			}
			life, told = time.Duration(seconds)*time.Second, true
		}
	}
	if told {
		age, _ := strconv.ParseUint(h.Get("Age"), 10, 31) // without one it is zero
		return life - time.Duration(age)*time.Second
	}
	if raw := h.Get("Expires"); raw != "" {
		expires, err := http.ParseTime(raw)
		if err != nil {
			return 0
		}
		return expires.Sub(now)
	}
	return usualFresh
}
