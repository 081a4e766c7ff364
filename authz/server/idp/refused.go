package idp

import (
	"errors"
	"net/http"

	"github.com/emcy/gateway/internal/outbound"
)

// Refused is a sign-in that cannot go on: a page for the person, with a code that the
// administrator can look up. It holds nothing that the provider wrote.
type Refused struct {
	// Code is short and stable, such as "wrong_issuer".
	Code string
	// Status is the page's HTTP status.
	Status int
	// Text says what happened, Cure who can do what.
	Text, Cure string
	cause      error
}

// Error is for logs: it may hold the cause.
func (r *Refused) Error() string {
	if r.cause == nil {
		return r.Code
	}
	return r.Code + ": " + r.cause.Error()
}

func (r *Refused) Unwrap() error { return r.cause }

const (
	http400 = http.StatusBadRequest
	http403 = http.StatusForbidden
	http502 = http.StatusBadGateway
)

func refuse(code string, status int, text, cure string, cause error) *Refused {
	return &Refused{Code: code, Status: status, Text: text, Cure: cure, cause: cause}
}

const (
	cureAgain = "Start again from the app that you want to connect."
	cureAdmin = "Try again in a moment. If it happens again, give the code above to the workspace's owner, who finds a test of the provider in the console."
)

// errOver is every callback that no sign-in of this browser waits for: used, expired,
// another browser's, another provider's, another tenant's. They are not told apart.
func errOver() *Refused {
	return refuse("sign_in_over", http400, "This sign-in is over, or was started in another browser.", cureAgain, nil)
}

func notAdmitted(p Provider, rule string) *Refused {
	return refuse("not_admitted", http403, "You are signed in at "+p.Name+", but this workspace does not let you in: it asks for "+rule+" that you do not have.",
		"Ask the workspace's owner, or sign in with another account.", nil)
}

func broken(p Provider, code, what string, cause error) *Refused {
	return refuse(code, http502, "The answer of "+p.Name+" was not accepted: "+what+".", cureAdmin, cause)
}

// answers explains the error codes of an authorization response (RFC 6749, section
// 4.1.2.1; OpenID Connect Core, section 3.1.2.6). Others are shown as one code of ours.
var answers = map[string][2]string{
	"access_denied":             {"You, or the provider, declined the sign-in.", "Start again from the app, or ask who runs the provider whether your account may use this application."},
	"login_required":            {"The provider did not sign you in.", cureAgain},
	"interaction_required":      {"The provider did not sign you in.", cureAgain},
	"consent_required":          {"The provider wants a consent that was not given.", "Ask who runs the provider to approve this application."},
	"invalid_request":           {"The provider did not understand the request.", "Tell the workspace's owner: the callback URL at the provider may be another one."},
	"unauthorized_client":       {"The provider does not let this workspace sign people in.", "Tell the workspace's owner: the client at the provider must allow the authorization code grant."},
	"unsupported_response_type": {"The provider does not let this workspace sign people in.", "Tell the workspace's owner: the client at the provider must allow the authorization code grant."},
	"invalid_scope":             {"The provider refused what was asked for.", "Tell the workspace's owner: one of the scopes in the provider's settings is unknown there."},
	"server_error":              {"The provider has a problem.", "Try again in a moment."},
	"temporarily_unavailable":   {"The provider is busy.", "Try again in a moment."},
}

func answered(p Provider, code string) *Refused {
	words, ok := answers[code]
	if !ok {
		return refuse("provider_error", http400, p.Name+" ended the sign-in with an error.", cureAdmin, errors.New("provider's error code is not a registered one"))
	}
	return refuse(code, http400, p.Name+" ended the sign-in. "+words[0], words[1], nil)
}

// unreachable is one text for every reason why nothing answered, so that it tells
// nobody what listens in the gateway's network.
const unreachable = "The provider could not be reached from the gateway. Check the address, and that it is public and served over https with a valid certificate."

// reached reports whether an error came after a provider had answered.
func reached(err error) bool {
	switch outbound.KindOf(err) {
	case outbound.KindAddress, outbound.KindDNS, outbound.KindConnect, outbound.KindUnreachable, outbound.KindTimeout, outbound.KindTLS,
		outbound.KindProtocol, outbound.KindCanceled, outbound.KindInternal:
		return false
	case outbound.KindURL, outbound.KindRedirect, outbound.KindTooLarge, outbound.KindEncoding, outbound.KindStatus, outbound.KindContent:
	}
	return true
}

// words is an outbound error's public part.
func words(err error) string {
	if e, ok := errors.AsType[*outbound.Error](err); ok {
		return e.Public()
	}
	return "it could not be read"
}
