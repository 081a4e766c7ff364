package clients

import (
	"net/http"

	"github.com/emcy/gateway/authz/server/oplib"
)

// Reason is why a client is not let in.
type Reason string

// The reasons.
const (
	Unknown     Reason = "unknown"      // never registered here, or its registration has expired
	Waiting     Reason = "waiting"      // an administrator has to let it in
	Barred      Reason = "blocked"      // an administrator blocked it
	NotAdmitted Reason = "not_admitted" // the workspace takes no clients of this kind
	Unreachable Reason = "unreachable"  // its metadata document cannot be fetched, or is not valid
)

// Refusal is an invalid_client (RFC 6749, section 5.2) for a reason that a page can
// explain.
type Refusal struct {
	Reason Reason
	Client Client // as far as it is known
	// Words are for people: what is wrong, without a cure.
	Words string
	// Detail is for the workspace's own people, in its log and traces.
	Detail string
}

var words = map[Reason]string{
	Unknown: "This client is not registered here, or its registration has expired. Register again.",
	Waiting: "An administrator of this workspace has to approve this client first.",
	Barred:  "An administrator of this workspace has blocked this client.",
}

func refuse(reason Reason, c Client) *Refusal {
	return &Refusal{Reason: reason, Client: c, Words: words[reason]}
}

func (r *Refusal) Error() string { return "invalid_client: " + r.Words }

// Unwrap is the same for a program.
func (r *Refusal) Unwrap() error {
	return &oplib.Error{Code: "invalid_client", Description: r.Words, Status: http.StatusUnauthorized}
}

// ErrUnknown is the token endpoint's answer to a client that is none, or none any more.
var ErrUnknown = &oplib.Error{Code: "invalid_client", Description: words[Unknown], Status: http.StatusUnauthorized}
