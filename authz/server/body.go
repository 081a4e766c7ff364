package server

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/emcy/gateway/internal/httpx"
)

// bodyTime is how long a body may take to arrive.
const bodyTime = 10 * time.Second

var errSlowBody = &oauthError{Code: "invalid_request", Description: "The request's body did not arrive in time.", Status: http.StatusRequestTimeout}

// timedBody takes the deadline away once the body is read, so that it does not end
// the work that follows.
type timedBody struct {
	io.ReadCloser
	w http.ResponseWriter
}

func (b timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		httpx.FreeBody(b.w)
	}
	return n, err
}

// slowPage tells a person whose form did not arrive. The server has taken the
// deadline for the end of the connection and canceled the request.
func (s *Server) slowPage(w http.ResponseWriter, r *http.Request) {
	r = r.WithContext(context.WithoutCancel(r.Context()))
	s.errorPage(w, r, http.StatusRequestTimeout, pageError{code: "invalid_request", title: "This form did not arrive in time", text: errSlowBody.Description, cure: "Go back and send it again."}, errSlowBody)
}
