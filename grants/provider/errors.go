package provider

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Kind is what an error means for a grant.
type Kind string

// The kinds of errors.
const (
	// Rejected: the code, refresh token or account is refused for good. Only the user can help.
	Rejected Kind = "rejected"
	// Misconfigured: the client, its secret, a scope or a parameter is refused. An administrator can help; the grant may live.
	Misconfigured Kind = "misconfigured"
	// Limited: too many requests. RetryAfter is for the provider as a whole.
	Limited Kind = "limited"
	// Temporary: it does not answer, or answers that it has a problem. Later may be better.
	Temporary Kind = "temporary"
	// Denied: the user, or the provider for this user, said no.
	Denied Kind = "denied"
	// Invalid: an answer that cannot be used.
	Invalid Kind = "invalid"
	// Unsupported: the provider has no such endpoint.
	Unsupported Kind = "unsupported"
)

// Error is every error of a call. It holds nothing of a token, a code or a secret.
type Error struct {
	Kind Kind
	// Code is the provider's (RFC 6749, section 5.2), or ours where it gave none; short and printable.
	Code string
	// Description is the provider's text, of one line, without anything that was sent.
	// It is for administrators and logs.
	Description string
	// Status is the HTTP status, 0 where there was no answer.
	Status int
	// RetryAfter is how long the provider asks to be left alone, 0 where it does not say; 24 h at most.
	RetryAfter time.Duration
	// Sent says that the request may have reached the provider, which may have done what it asks.
	Sent bool
	// Cure says who can do what.
	Cure string

	words string
	cause error
}

// ofClients are the codes that say of a client that nobody's token is any good in its hands.
var ofClients = []string{
	"", "invalid_client", "unsupported_grant_type", "incorrect_client_credentials", "application_suspended", "deleted_client", "disabled_client",
}

// OfClient reports whether the error is about our client or the provider's addresses, and
// so about everybody, and not about the one token that was sent: providers have codes of
// their own for a person who may not go on, and some use those of RFC 6749 loosely.
func (e *Error) OfClient() bool {
	switch e.Kind {
	case Unsupported:
		return true
	case Misconfigured:
		return !e.Sent || slices.Contains(ofClients, e.Code)
	case Rejected, Limited, Temporary, Denied, Invalid:
	}
	return false
}

// Error is for logs.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("provider: " + string(e.Kind))
	if e.Code != "" {
		b.WriteString(": " + e.Code)
	}
	if e.Status != 0 {
		b.WriteString(" (status " + strconv.Itoa(e.Status) + ")")
	}
	if e.Description != "" {
		b.WriteString(": " + e.Description)
	}
	if e.cause != nil {
		b.WriteString(": " + e.cause.Error())
	}
	return b.String()
}

// Public says in a sentence what happened, for people.
func (e *Error) Public() string { return e.words }

// Unwrap gives the cause, nil where the provider itself answered the error.
func (e *Error) Unwrap() error { return e.cause }

// KindOf gives the kind of an error of this package, "" for any other.
func KindOf(err error) Kind {
	if own, ok := errors.AsType[*Error](err); ok {
		return own.Kind
	}
	return ""
}
