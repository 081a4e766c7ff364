package oplib

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// AuthorizeRequest is an authorization request (RFC 6749, section 4.1.1; RFC 7636;
// RFC 8707) whose client and redirect URI were checked.
type AuthorizeRequest struct {
	ClientID            string
	RedirectURI         string
	ResponseType        string
	ResponseMode        string
	State               string
	Scope               string
	CodeChallenge       string
	CodeChallengeMethod string
	Prompt              []string
	RequestObject       bool
	Resources           []string
}

// CodeRequest redeems an authorization code (RFC 6749, section 4.1.3).
type CodeRequest struct {
	ClientID     string
	Code         string
	RedirectURI  string
	CodeVerifier string
	Resources    []string
}

// RefreshRequest renews tokens (RFC 6749, section 6).
type RefreshRequest struct {
	ClientID     string
	RefreshToken string
	Scope        string
	Resources    []string
}

// Tokens is a token response (RFC 6749, section 5.1).
type Tokens struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"` // seconds
	RefreshToken string `json:"refresh_token,omitempty"`
	Scope        string `json:"scope"`
}

// Error is an OAuth error (RFC 6749, sections 4.1.2.1 and 5.2). Any other error
// becomes server_error without a word of its text.
type Error struct {
	Code        string
	Description string
	// Status overrides the default 400; invalid_client is always 401.
	Status int
}

func (e *Error) Error() string { return e.Code + ": " + e.Description }

// Backend is the authorization server behind the protocol. Its methods may block
// on the database; they return *Error for everything a client did wrong.
//
// It logs its own failures: the library's log lines go to slog's default logger.
//
// Clients are public: all that is known of one is its id, which Code, Refresh and
// Revoke check themselves, in the transaction of what they do.
type Backend interface {
	// Authorize gives where the browser goes on: a local path, or the client's
	// redirect URI with an error. It has no error of its own, because the library
	// would log the whole redirect, state included, and know nothing of iss.
	Authorize(ctx context.Context, r AuthorizeRequest) (location string)
	Code(ctx context.Context, r CodeRequest) (Tokens, error)
	Refresh(ctx context.Context, r RefreshRequest) (Tokens, error)
	Revoke(ctx context.Context, clientID, token string) error
}

// The endpoints' paths on a tenant's origin.
const (
	AuthorizePath = "/authorize"
	TokenPath     = "/token"
	RevokePath    = "/revoke"
)

// New gives the handler of the three endpoints.
func New(b Backend) http.Handler {
	return op.RegisterServer(&server{backend: b}, op.Endpoints{
		Authorization: op.NewEndpoint(AuthorizePath),
		Token:         op.NewEndpoint(TokenPath),
		Revocation:    op.NewEndpoint(RevokePath),
	}, op.WithServerCORSOptions(nil)) // the HTTP layer around it answers CORS, per endpoint
}

type server struct {
	op.UnimplementedServer
	backend Backend
}

func (s *server) VerifyAuthRequest(_ context.Context, r *op.Request[oidc.AuthRequest]) (*op.ClientRequest[oidc.AuthRequest], error) {
	asked := *r.Data
	c := &client{id: asked.ClientID, redirect: asked.RedirectURI, asked: AuthorizeRequest{
		ClientID: asked.ClientID, RedirectURI: asked.RedirectURI, ResponseType: string(asked.ResponseType), ResponseMode: string(asked.ResponseMode),
		State: asked.State, Scope: strings.Join(asked.Scopes, " "), CodeChallenge: asked.CodeChallenge,
		CodeChallengeMethod: string(asked.CodeChallengeMethod), Prompt: asked.Prompt,
		RequestObject: asked.RequestParam != "" || r.Form.Get("request_uri") != "", Resources: resources(r.Form),
	}}
	// The library's own checks are laxer than the backend's, and what they refuse is
	// redirected without iss and logged with its state. So they see a request that
	// passes; the backend sees what was asked.
	r.Data = &oidc.AuthRequest{
		ClientID: asked.ClientID, RedirectURI: asked.RedirectURI, ResponseType: oidc.ResponseTypeCode, Scopes: oidc.SpaceDelimitedArray{oidc.ScopeOfflineAccess},
	}
	return &op.ClientRequest[oidc.AuthRequest]{Request: r, Client: c}, nil
}

func (s *server) Authorize(ctx context.Context, r *op.ClientRequest[oidc.AuthRequest]) (*op.Redirect, error) {
	c, ok := r.Client.(*client)
	if !ok {
		return nil, tokenError(fmt.Errorf("client of type %T", r.Client))
	}
	return op.NewRedirect(s.backend.Authorize(ctx, c.asked)), nil
}

func (s *server) VerifyClient(_ context.Context, r *op.Request[op.ClientCredentials]) (op.Client, error) {
	if r.Data.ClientSecret != "" || r.Data.ClientAssertion != "" {
		return nil, tokenError(&Error{Code: "invalid_client", Description: "This client has no secret: send its client_id alone."})
	}
	return &client{id: r.Data.ClientID}, nil
}

func (s *server) CodeExchange(ctx context.Context, r *op.ClientRequest[oidc.AccessTokenRequest]) (*op.Response, error) {
	tokens, err := s.backend.Code(ctx, CodeRequest{
		ClientID: r.Client.GetID(), Code: r.Data.Code, RedirectURI: r.Data.RedirectURI, CodeVerifier: r.Data.CodeVerifier, Resources: resources(r.PostForm),
	})
	if err != nil {
		return nil, tokenError(err)
	}
	return op.NewResponse(tokens), nil
}

func (s *server) RefreshToken(ctx context.Context, r *op.ClientRequest[oidc.RefreshTokenRequest]) (*op.Response, error) {
	tokens, err := s.backend.Refresh(ctx, RefreshRequest{
		ClientID: r.Client.GetID(), RefreshToken: r.Data.RefreshToken, Scope: strings.Join(r.Data.Scopes, " "), Resources: resources(r.PostForm),
	})
	if err != nil {
		return nil, tokenError(err)
	}
	return op.NewResponse(tokens), nil
}

func (s *server) Revocation(ctx context.Context, r *op.ClientRequest[oidc.RevocationRequest]) (*op.Response, error) {
	if err := s.backend.Revoke(ctx, r.Client.GetID(), r.Data.Token); err != nil {
		return nil, tokenError(err)
	}
	return op.NewResponse(struct{}{}), nil
}

// resources are the resource parameters; one without a value counts as left out
// (RFC 6749, section 3.1).
func resources(form url.Values) []string {
	return slices.DeleteFunc(slices.Clone(form["resource"]), func(v string) bool { return v == "" })
}

// codes are the errors that the backend may answer with. The library keeps the
// type of an error's code to itself, so each is made by its constructor.
var codes = map[string]func() *oidc.Error{
	"invalid_request":         oidc.ErrInvalidRequest,
	"invalid_client":          oidc.ErrInvalidClient,
	"invalid_grant":           oidc.ErrInvalidGrant,
	"invalid_target":          oidc.ErrInvalidTarget,
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

// client is what the library wants to know of a client. It was checked before, so
// its registered redirect URI is the one requested.
type client struct {
	id       string
	redirect string
	asked    AuthorizeRequest
}

func (c *client) GetID() string                      { return c.id }
func (c *client) RedirectURIs() []string             { return []string{c.redirect} }
func (*client) PostLogoutRedirectURIs() []string     { return nil }
func (*client) ApplicationType() op.ApplicationType  { return op.ApplicationTypeNative }
func (*client) AuthMethod() oidc.AuthMethod          { return oidc.AuthMethodNone }
func (*client) ResponseTypes() []oidc.ResponseType   { return []oidc.ResponseType{oidc.ResponseTypeCode} }
func (*client) LoginURL(string) string               { return "" }
func (*client) AccessTokenType() op.AccessTokenType  { return op.AccessTokenTypeJWT }
func (*client) IDTokenLifetime() time.Duration       { return 0 }
func (*client) DevMode() bool                        { return false }
func (*client) IsScopeAllowed(string) bool           { return true }
func (*client) IDTokenUserinfoClaimsAssertion() bool { return false }
func (*client) ClockSkew() time.Duration             { return 0 }
func (*client) GrantTypes() []oidc.GrantType {
	return []oidc.GrantType{oidc.GrantTypeCode, oidc.GrantTypeRefreshToken}
}
func (*client) RestrictAdditionalIdTokenScopes() func([]string) []string     { return same }
func (*client) RestrictAdditionalAccessTokenScopes() func([]string) []string { return same }

func same(s []string) []string { return s }
