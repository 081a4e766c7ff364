package server

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/emcy/gateway/authz/server/oplib"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/logx"
)

// oauthError is an error of an endpoint that answers JSON (RFC 6749, section 5.2;
// RFC 7591, section 3.2.2).
type oauthError struct {
	Code        string
	Description string
	Status      int // 400 where it is zero
	RetryAfter  time.Duration
}

var errNothingHere = &oauthError{Code: "not_found", Description: "There is nothing here.", Status: http.StatusNotFound}

func (e *oauthError) Error() string { return e.Code + ": " + e.Description }

// writeError is the one writer of JSON errors. What is not an oauthError shows
// nothing of its text.
func (s *Server) writeError(w http.ResponseWriter, r *http.Request, err error) {
	e, ok := errors.AsType[*oauthError](err)
	if !ok {
		e = s.classify(r.Context(), err)
	}
	status := e.Status
	if status == 0 {
		status = http.StatusBadRequest
	}
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", retryAfter(e.RetryAfter))
	}
	writeJSON(w, status, map[string]string{"error": e.Code, "error_description": e.Description})
}

func (s *Server) classify(ctx context.Context, err error) *oauthError {
	if e, ok := errors.AsType[*oplib.Error](err); ok {
		return &oauthError{Code: e.Code, Description: e.Description, Status: e.Status}
	}
	switch errs.KindOf(err) {
	case errs.NotFound:
		return &oauthError{Code: "invalid_request", Description: "There is no such workspace.", Status: http.StatusNotFound}
	case errs.RateLimited:
		return &oauthError{Code: "temporarily_unavailable", Description: errs.Public(err), Status: http.StatusTooManyRequests, RetryAfter: waitOf(err)}
	case errs.Unavailable:
		return &oauthError{Code: "temporarily_unavailable", Description: "The service is busy. Try again in a moment.", Status: http.StatusServiceUnavailable, RetryAfter: time.Second}
	case errs.Canceled:
		return &oauthError{Code: "server_error", Description: "The request was given up.", Status: 499}
	case errs.Invalid, errs.Unauthenticated, errs.Forbidden, errs.Conflict, errs.Stale, errs.NeedsConsent, errs.BudgetExceeded,
		errs.UpstreamFailed, errs.DownstreamRejected, errs.Internal:
	}
	s.log.ErrorContext(ctx, "authorization server failed", logx.Err, err)
	return &oauthError{Code: "server_error", Description: "Something went wrong on our side. Try again.", Status: http.StatusInternalServerError}
}

// waitOf is how long a refused one is to wait: a minute, where nothing longer is known.
func waitOf(err error) time.Duration {
	if e, ok := errors.AsType[*errs.Error](err); ok && e.RetryAfter > 0 {
		return e.RetryAfter
	}
	return time.Minute
}

func retryAfter(d time.Duration) string { return strconv.Itoa(int(math.Ceil(d.Seconds()))) }

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may be gone, which nobody can help
}
