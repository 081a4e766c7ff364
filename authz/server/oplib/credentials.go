package oplib

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// Credentials are how a request's client says who it is: by client_id alone, by a
// secret in the Authorization header or in the body (RFC 6749, section 2.3.1), or by
// an assertion (RFC 7523, section 2.2).
type Credentials struct {
	// ClientID may be empty where there is an assertion: its sub is the client.
	ClientID      string
	Secret        string
	Assertion     string
	AssertionType string
	// Basic tells that id and secret came by the Authorization header.
	Basic bool
	// Path is the endpoint's, on the tenant's origin, and Grant the grant type that was asked
	// of it.
	Path, Grant string
}

// Client is an authenticated client.
type Client struct {
	ID string
	// AuthMethod is how it proved itself, "none" where it did not (RFC 7591, section 2).
	AuthMethod string
	// GrantTypes are those that it may use here.
	GrantTypes []string
}

// Confidential reports whether the client proved who it is.
func (c Client) Confidential() bool { return c.AuthMethod != string(oidc.AuthMethodNone) }

type credentialsKey struct{}

func credentialsFrom(ctx context.Context) Credentials {
	cr, _ := ctx.Value(credentialsKey{}).(Credentials)
	return cr
}

// readCredentials reads every form endpoint's credentials in one way, before the
// library does. The library takes an unreadable Basic header for none, ignores a
// client_id beside one, answers what it refuses with 400 where a client looks for
// 401, and reads none at all for the jwt-bearer grant.
func readCredentials(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != AuthorizePath {
			cr, err := ReadCredentials(r)
			if err == nil && cr.Path == IntrospectPath && cr.Secret == "" && cr.Assertion == "" {
				err = errUnproven
			}
			if err != nil {
				op.WriteError(w, r, tokenError(err), nil)
				return
			}
			r = r.WithContext(context.WithValue(r.Context(), credentialsKey{}, cr))
		}
		next.ServeHTTP(w, r)
	})
}

// ReadCredentials reads the credentials of a form request. What it refuses is *Error
// invalid_request or invalid_client.
func ReadCredentials(r *http.Request) (Credentials, error) {
	if err := r.ParseForm(); err != nil {
		return Credentials{}, &Error{Code: "invalid_request", Description: "The form cannot be read."}
	}
	form := r.PostForm
	cr := Credentials{
		ClientID: form.Get("client_id"), Secret: form.Get("client_secret"), Assertion: form.Get("client_assertion"),
		AssertionType: form.Get("client_assertion_type"), Path: r.URL.Path, Grant: form.Get("grant_type"),
	}
	scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	cr.Basic = strings.EqualFold(scheme, "Basic")
	switch {
	case cr.Basic && (cr.Secret != "" || cr.Assertion != ""), cr.Secret != "" && cr.Assertion != "":
		return Credentials{}, &Error{Code: "invalid_request", Description: "Use one way of client authentication."}
	case cr.Basic:
		return cr.basic(r)
	case cr.Assertion != "" && cr.AssertionType != oidc.ClientAssertionTypeJWTAssertion:
		return Credentials{}, &Error{Code: "invalid_request", Description: "client_assertion_type must be " + oidc.ClientAssertionTypeJWTAssertion + "."}
	case cr.ClientID == "" && cr.Assertion == "":
		return Credentials{}, &Error{Code: "invalid_request", Description: "client_id is missing."}
	}
	return cr, nil
}

// errUnproven is the answer to a public client where only a confidential one may ask.
var errUnproven = &Error{Code: "invalid_client", Description: "This is for clients that authenticate themselves."}

// basic reads the Authorization header, whose halves are form-encoded (RFC 6749,
// section 2.3.1).
func (cr Credentials) basic(r *http.Request) (Credentials, error) {
	id, secret, ok := r.BasicAuth()
	unescapedID, errID := url.QueryUnescape(id)
	unescapedSecret, errSecret := url.QueryUnescape(secret)
	if !ok || errID != nil || errSecret != nil || unescapedID == "" || len(r.Header.Values("Authorization")) > 1 {
		return Credentials{}, &Error{Code: "invalid_client", Description: "The Authorization header cannot be read."}
	}
	if cr.ClientID != "" && cr.ClientID != unescapedID {
		return Credentials{}, &Error{Code: "invalid_request", Description: "client_id is not the one of the Authorization header."}
	}
	cr.ClientID, cr.Secret = unescapedID, unescapedSecret
	return cr, nil
}

// authenticate asks the backend, and whether the client may use the grant.
func (s *server) authenticate(ctx context.Context, grant string) (Client, error) {
	c, err := s.backend.Client(ctx, credentialsFrom(ctx))
	if err != nil {
		return Client{}, tokenError(err)
	}
	switch {
	case grant != "" && !slices.Contains(c.GrantTypes, grant):
		return Client{}, tokenError(&Error{Code: "unauthorized_client", Description: "This client is not registered for this grant type."})
	case grant == GrantClientCredentials && !c.Confidential():
		return Client{}, tokenError(errUnproven)
	}
	return c, nil
}
