package oplib

import (
	"errors"
	"net/http"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// Error is an OAuth error (RFC 6749, sections 4.1.2.1 and 5.2). Any other error
// becomes server_error without a word of its text.
type Error struct {
	Code        string
	Description string
	// Status overrides the default 400; invalid_client is always 401.
	Status int
}

func (e *Error) Error() string { return e.Code + ": " + e.Description }

// codes are the errors that the backend may answer with. The library keeps the
// type of an error's code to itself, so each is made by its constructor, or of an
// untyped constant.
var codes = map[string]func() *oidc.Error{
	"invalid_request":         oidc.ErrInvalidRequest,
	"invalid_client":          oidc.ErrInvalidClient,
	"invalid_grant":           oidc.ErrInvalidGrant,
	"invalid_scope":           oidc.ErrInvalidScope,
	"invalid_target":          oidc.ErrInvalidTarget,
	"unauthorized_client":     oidc.ErrUnauthorizedClient,
	"unsupported_grant_type":  oidc.ErrUnsupportedGrantType,
	"authorization_pending":   oidc.ErrAuthorizationPending, // RFC 8628, section 3.5
	"slow_down":               oidc.ErrSlowDown,
	"access_denied":           oidc.ErrAccessDenied,
	"expired_token":           oidc.ErrExpiredDeviceCode,
	"invalid_dpop_proof":      func() *oidc.Error { return &oidc.Error{ErrorType: "invalid_dpop_proof"} }, // RFC 9449, section 5
	"use_dpop_nonce":          func() *oidc.Error { return &oidc.Error{ErrorType: "use_dpop_nonce"} },
	"temporarily_unavailable": func() *oidc.Error { return &oidc.Error{ErrorType: "temporarily_unavailable"} },
}

// tokenError never carries the error itself: the library would log it.
func tokenError(err error) error {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return op.NewStatusError(oidc.ErrServerError().WithDescription("Something went wrong on our side. Try again."), http.StatusInternalServerError)
	}
	out := oidc.ErrServerError()
	if make, known := codes[e.Code]; known {
		out = make()
	}
	out.Description = e.Description
	switch {
	case e.Status != 0:
		return op.NewStatusError(out, e.Status)
	case e.Code == "invalid_client":
		return op.NewStatusError(out, http.StatusUnauthorized)
	}
	return op.NewStatusError(out, http.StatusBadRequest)
}
