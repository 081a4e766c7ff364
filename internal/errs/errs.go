package errs

import (
	"context"
	"errors"
	"time"
)

// Kind says what went wrong in terms that every surface can answer.
type Kind int

const (
	// Internal is the zero value on purpose: an error nobody classified is ours.
	Internal Kind = iota
	Invalid
	Unauthenticated
	Forbidden
	NotFound // also "not yours": the two are never told apart
	Conflict
	Stale // the row changed since it was read
	NeedsConsent
	RateLimited
	BudgetExceeded
	UpstreamFailed
	DownstreamRejected
	Unavailable
	Canceled
)

// Error carries a kind, a public text and a private cause.
type Error struct {
	Kind       Kind
	PublicText string
	// Fields holds one message per form or JSON field, for Invalid.
	Fields map[string]string
	// RetryAfter is how long to wait, for RateLimited and Unavailable.
	RetryAfter time.Duration
	cause      error
}

// E makes an error of a kind. public is shown to people and programs outside;
// cause, which may be nil, goes to the log only.
func E(kind Kind, public string, cause error) *Error {
	return &Error{Kind: kind, PublicText: public, cause: cause}
}

// Field makes an Invalid error about one field.
func Field(name, message string) *Error {
	return &Error{Kind: Invalid, PublicText: message, Fields: map[string]string{name: message}}
}

// Fields makes an Invalid error from several messages, or nil when there are none.
func Fields(messages map[string]string) error {
	if len(messages) == 0 {
		return nil
	}
	return &Error{Kind: Invalid, PublicText: "Some fields need attention.", Fields: messages}
}

// Error is for logs: it may hold the cause.
func (e *Error) Error() string {
	if e.cause == nil {
		return e.PublicText
	}
	return e.PublicText + ": " + e.cause.Error()
}

func (e *Error) Unwrap() error { return e.cause }

// KindOf classifies any error; unknown errors are Internal.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	if errors.Is(err, context.Canceled) {
		return Canceled
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return Unavailable
	}
	return Internal
}

// Public is the text that may leave the process.
func Public(err error) string {
	if e, ok := errors.AsType[*Error](err); ok && e.PublicText != "" && e.Kind != Internal {
		return e.PublicText
	}
	return "Something went wrong on our side."
}

// FieldsOf is the field messages of an Invalid error, or nil.
func FieldsOf(err error) map[string]string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Fields
	}
	return nil
}

// Is reports whether err is of the kind.
func Is(err error, kind Kind) bool { return err != nil && KindOf(err) == kind }
