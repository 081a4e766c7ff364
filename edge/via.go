package edge

import (
	"net/http"
	"strings"
)

// loops reports whether a message has been through this installation before: one
// of its Via fields names the installation's pseudonym (RFC 9110, section 7.6.3).
func (f *Front) loops(h http.Header) bool {
	if f.via == "" {
		return false
	}
	for _, field := range h[headerVia] {
		for member := range strings.SplitSeq(field, ",") {
			// The protocol, the name, and maybe a comment.
			if words := strings.Fields(member); len(words) > 1 && strings.EqualFold(words[1], f.via) {
				return true
			}
		}
	}
	return false
}

func (f *Front) viaField() string { return "1.1 " + f.via }

// loop is the answer to a request that came back. It carries Via itself, so that
// the outer request, which gets it as the runtime's answer, knows what it met.
func (x *exchange) loop() *refusal {
	x.w.Header()[headerVia] = []string{x.front.viaField()}
	return x.failed(http.StatusLoopDetected, reasonLoop,
		"The runtime's address leads back to this gateway. Its URL has to be changed in the gateway.")
}
