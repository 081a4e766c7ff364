package connect

import (
	"errors"
	"net/http"

	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/grants/provider"
)

// Refused is a way to a provider that cannot go on: a page for the person, with a code
// that an administrator can look up. It holds nothing that the provider wrote.
type Refused struct {
	// Code is short and stable, such as "wrong_issuer".
	Code string
	// Status is the page's HTTP status.
	Status int
	// Title and Text say what happened, Cure who can do what.
	Title, Text, Cure string
	// Expected and Got name the two accounts where they are not the same person's;
	// Provider names where Got is.
	Expected, Got, Provider string
	cause                   error
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
	notConnected = "Nothing was connected"
	cureAgain    = "Start again from the app that you want to connect."
	cureAdmin    = "Try again in a moment. If it happens again, give the code above to the workspace's owner, who finds a test of the profile in the console."
	cureLater    = "Try again in a moment."
)

func refuse(code string, status int, text, cure string, cause error) *Refused {
	return &Refused{Code: code, Status: status, Title: notConnected, Text: text, Cure: cure, cause: cause}
}

// errOver is every answer that no way out of this browser waits for: used, expired,
// another browser's, another profile's, another tenant's. They are not told apart.
func errOver() *Refused {
	return refuse("connect_over", http.StatusBadRequest, "This is over, or was started in another browser.", cureAgain, nil)
}

func broken(p profiles.Profile, code, what string, cause error) *Refused {
	return refuse(code, http.StatusBadGateway, "The answer of "+p.Name+" was not accepted: "+what+".", cureAdmin, cause)
}

// answers explains the error codes of an authorization response (RFC 6749, section
// 4.1.2.1; OpenID Connect Core, section 3.1.2.6). Others are shown as one code of ours.
var answers = map[string][2]string{
	"access_denied":              {"You, or the provider, said no.", "Go back and connect again, or go on without the account. If you did not say no, ask who runs the provider whether your account may use this application."},
	"login_required":             {"The provider did not sign you in.", cureLater},
	"interaction_required":       {"The provider did not sign you in.", cureLater},
	"account_selection_required": {"The provider wants you to choose an account.", cureLater},
	"consent_required":           {"The provider wants a consent that was not given.", "Ask who runs the provider to approve this application."},
	"invalid_request":            {"The provider did not understand the request.", "Tell the workspace's owner: the redirect URI at the provider may be another one."},
	"unauthorized_client":        {"The provider does not let this workspace connect accounts.", "Tell the workspace's owner: the client at the provider must allow the authorization code grant."},
	"unsupported_response_type":  {"The provider does not let this workspace connect accounts.", "Tell the workspace's owner: the client at the provider must allow the authorization code grant."},
	"invalid_scope":              {"The provider refused what was asked for.", "Tell the workspace's owner: one of the scopes in the profile is unknown there."},
	"invalid_target":             {"The provider refused what was asked for.", "Tell the workspace's owner: the resource or audience in the profile is unknown there."},
	"server_error":               {"The provider has a problem.", cureLater},
	"temporarily_unavailable":    {"The provider is busy.", cureLater},
}

func answered(p profiles.Profile, code string) *Refused {
	words, ok := answers[code]
	if !ok {
		return refuse("provider_error", http.StatusBadRequest, p.Name+" ended this with an error.", cureAdmin, errors.New("provider's error code is not a registered one"))
	}
	return refuse(code, http.StatusBadRequest, p.Name+" ended this. "+words[0], words[1], nil)
}

// failed is an error of the provider's own, at its endpoints.
func failed(p profiles.Profile, err error) error {
	own, ok := errors.AsType[*provider.Error](err)
	if !ok {
		return err
	}
	r := refuse("provider_"+string(own.Kind), http.StatusBadGateway, p.Name+" did not go on. "+own.Public(), own.Cure, err)
	if r.Cure == "" {
		r.Cure = cureAdmin
	}
	if own.Kind == provider.Limited {
		r.Status = http.StatusServiceUnavailable
	}
	return r
}
