package httpx

import (
	"net/http"
	"time"
)

// BoundBody bounds the time in which a request's body arrives, whether a handler
// reads it or the server reads it away behind one that did not want it. A request
// without a body gets no deadline: it would end the watch for a client that goes
// away. Whoever reads the body to its end takes the deadline away with FreeBody.
func BoundBody(w http.ResponseWriter, r *http.Request, within time.Duration) {
	if r.ContentLength != 0 {
		// A server that cannot set deadlines has its own; the body is bounded in size either way.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(within))
	}
}

// FreeBody ends what BoundBody began, so that it does not end the work that follows.
func FreeBody(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // as in BoundBody
}
