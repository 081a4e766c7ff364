package clients

import (
	"context"
	"crypto/subtle"
	"fmt"
	"net/http"
	"time"

	"github.com/emcy/gateway/authz/server/oplib"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/tenancy"
)

// Credentials are how a client says who it is at an endpoint that takes forms.
type Credentials struct {
	ClientID                         string
	Secret, Assertion, AssertionType string
	// Basic tells that id and secret came by the Authorization header, decoded (RFC 6749,
	// section 2.3.1).
	Basic bool
	// New takes a client whose metadata document was never seen, where an endpoint is the
	// first that a client calls (RFC 9126; RFC 8628).
	New bool
	// Issuer is the tenant's, Endpoint the URL that was called: an assertion has to be for
	// one of them.
	Issuer, Endpoint string
}

// Authenticate proves that the request is the client's, by the one way that it
// registered. What is refused is, or unwraps to, an *oplib.Error: invalid_client, with
// status 401, or invalid_request.
func (c *Clients) Authenticate(ctx context.Context, h tenancy.Handle, cr Credentials) (Client, error) {
	if cr.Secret != "" && cr.Assertion != "" {
		return Client{}, &oplib.Error{Code: "invalid_request", Description: "Use one way of client authentication."}
	}
	if cr.ClientID == "" && cr.Assertion != "" {
		cr.ClientID = subjectOf(cr.Assertion)
	}
	if cr.New && isDocumentID(cr.ClientID) {
		if _, err := c.Find(ctx, h, cr.ClientID); err != nil {
			return Client{}, err
		}
	}
	var r row
	var ok bool
	var now time.Time
	err := c.db.Read(ctx, h, func(tx *tenancy.Tx) (err error) {
		now = tx.Now()
		r, ok, err = loadRow(tx, cr.ClientID)
		return err
	})
	if err != nil {
		return Client{}, fmt.Errorf("authenticate client: %w", err)
	}
	if !ok {
		return Client{}, refuse(Unknown, Client{})
	}
	found, err := r.admitted()
	if err != nil {
		return Client{}, err
	}
	if cr.way() == AuthPrivateKey && r.AuthMethod == AuthPrivateKey {
		return found, c.assert(ctx, h, r, cr)
	}
	return found, r.prove(cr, now)
}

func unproven(format string, args ...any) *oplib.Error {
	return &oplib.Error{Code: "invalid_client", Description: fmt.Sprintf(format, args...), Status: http.StatusUnauthorized}
}

// prove checks that the way is the client's, and that it holds.
func (r row) prove(cr Credentials, now time.Time) error {
	way := cr.way()
	switch {
	case way == AuthNone && (r.AuthMethod == AuthNone || r.AuthOptional):
		return nil
	case r.AuthMethod == AuthNone:
		return unproven("This client has no secret: send its client_id alone.")
	case way == AuthNone || way != r.AuthMethod && !r.eitherSecret(way):
		return unproven("This client has to authenticate by %s.", r.AuthMethod)
	case !r.secretIs(cr.Secret, now):
		return unproven("The client's secret is not right.")
	}
	return nil
}

// way is what the request tries. A Basic header without a secret is how some libraries
// send a client_id alone.
func (cr Credentials) way() string {
	switch {
	case cr.Assertion != "":
		return AuthPrivateKey
	case cr.Secret == "":
		return AuthNone
	case cr.Basic:
		return AuthBasic
	}
	return AuthPost
}

// eitherSecret takes a secret from the header or the body where a person carried it from
// the console into an app, and cannot know which of them the app will use.
func (r row) eitherSecret(way string) bool {
	return r.Kind == KindPreregistered && (way == AuthBasic || way == AuthPost) && (r.AuthMethod == AuthBasic || r.AuthMethod == AuthPost)
}

func (r row) secretIs(secret string, now time.Time) bool {
	hash := ids.Hash(secret)
	if same(hash, r.SecretHash) {
		return true
	}
	return r.PreviousSecretUntil != nil && now.Before(*r.PreviousSecretUntil) && same(hash, r.PreviousSecretHash)
}

func same(hash, stored string) bool {
	return stored != "" && subtle.ConstantTimeCompare([]byte(hash), []byte(stored)) == 1
}
