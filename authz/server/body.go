package server

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"
)

// bodyTime is how long a body may take to arrive.
const bodyTime = 10 * time.Second

var errSlowBody = &oauthError{Code: "invalid_request", Description: "The request's body did not arrive in time.", Status: http.StatusRequestTimeout}

// boundBody bounds the time in which a body is read, by a handler or by the server
// behind one that did not want it. A request without a body gets no deadline: it
// would end the watch for a client that goes away.
func (s *Server) boundBody(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 {
		// A server that cannot set deadlines has its own; the body is bounded in size either way.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.bodyTime))
	}
}

// timedBody takes the deadline away once the body is read, so that it does not end
// the work that follows.
type timedBody struct {
	io.ReadCloser
	control *http.ResponseController
}

func (b timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		_ = b.control.SetReadDeadline(time.Time{}) // as in boundBody
	}
	return n, err
}

// slowPage tells a person whose form did not arrive. The server has taken the
// deadline for the end of the connection and canceled the request.
func (s *Server) slowPage(w http.ResponseWriter, r *http.Request) {
	r = r.WithContext(context.WithoutCancel(r.Context()))
	s.errorPage(w, r, http.StatusRequestTimeout, pageError{"invalid_request", "This form did not arrive in time", errSlowBody.Description, "Go back and send it again."}, errSlowBody)
}
