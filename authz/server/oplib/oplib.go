package oplib

import (
	"context"
	"net/http"

	"github.com/zitadel/oidc/v3/pkg/op"
)

// The grant types that the token endpoint can know (RFC 6749, sections 4.1.3, 6 and
// 4.4.2; RFC 7523, section 2.1; RFC 8628, section 3.4).
const (
	GrantCode              = "authorization_code"
	GrantRefresh           = "refresh_token"
	GrantClientCredentials = "client_credentials"
	GrantJWTBearer         = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	GrantDevice            = "urn:ietf:params:oauth:grant-type:device_code"
)

// Backend is the authorization server behind the protocol. Its methods may block
// on the database; they return *Error for everything a client did wrong.
//
// It logs its own failures: the library's log lines go to slog's default logger.
//
// Every request's client was authenticated by Client just before. Its standing may
// have changed since: a method reads it again in the transaction of what it does.
type Backend interface {
	// Client authenticates the client of a request (RFC 6749, section 2.3). One that
	// is unknown, blocked or proves itself wrongly is *Error invalid_client.
	Client(ctx context.Context, cr Credentials) (Client, error)
	// Authorize gives where the browser goes on: a local path, or the client's
	// redirect URI with an error. It has no error of its own, because the library
	// would log the whole redirect, state included, and know nothing of iss.
	Authorize(ctx context.Context, r AuthorizeRequest) (location string)
	Code(ctx context.Context, r CodeRequest) (Tokens, error)
	Refresh(ctx context.Context, r RefreshRequest) (Tokens, error)
	ClientCredentials(ctx context.Context, r ClientCredentialsRequest) (Tokens, error)
	Assertion(ctx context.Context, r AssertionRequest) (Tokens, error)
	DeviceAuthorization(ctx context.Context, r DeviceAuthorizationRequest) (DeviceAuthorization, error)
	DeviceToken(ctx context.Context, r DeviceTokenRequest) (Tokens, error)
	Revoke(ctx context.Context, clientID, token string) error
	// Introspect answers a confidential client (RFC 7662). The answer is sent as JSON; a
	// token that is not the client's to know of is {"active":false} and no error.
	Introspect(ctx context.Context, r IntrospectionRequest) (answer any, err error)
}

// The endpoints' paths on a tenant's origin.
const (
	AuthorizePath           = "/authorize"
	TokenPath               = "/token"
	RevokePath              = "/revoke"
	IntrospectPath          = "/introspect"
	DeviceAuthorizationPath = "/device_authorization"
)

// New gives the handler of the endpoints.
func New(b Backend) http.Handler {
	return op.RegisterServer(
		&server{backend: b}, op.Endpoints{
			Authorization:       op.NewEndpoint(AuthorizePath),
			Token:               op.NewEndpoint(TokenPath),
			Revocation:          op.NewEndpoint(RevokePath),
			Introspection:       op.NewEndpoint(IntrospectPath),
			DeviceAuthorization: op.NewEndpoint(DeviceAuthorizationPath),
		},
		op.WithServerCORSOptions(nil), // the HTTP layer around it answers CORS, per endpoint
		op.WithHTTPMiddleware(readCredentials))
}
