package oplib

import (
	"context"
	"fmt"
	"strings"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// server turns the library's calls into the backend's.
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
		RequestObject: asked.RequestParam != "" || r.Form.Get("request_uri") != "", Resources: resources(r.Form), DPoPJKT: r.Form.Get("dpop_jkt"),
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

func (s *server) VerifyClient(ctx context.Context, r *op.Request[op.ClientCredentials]) (op.Client, error) {
	grant := ""
	switch r.URL.Path {
	case TokenPath:
		grant = r.Form.Get("grant_type")
	case DeviceAuthorizationPath:
		grant = GrantDevice
	}
	c, err := s.authenticate(ctx, grant)
	if err != nil {
		return nil, err
	}
	return &client{id: c.ID, method: c.AuthMethod, grants: c.GrantTypes}, nil
}

func (s *server) CodeExchange(ctx context.Context, r *op.ClientRequest[oidc.AccessTokenRequest]) (*op.Response, error) {
	return respond(s.backend.Code(ctx, CodeRequest{
		ClientID: r.Client.GetID(), Code: r.Data.Code, RedirectURI: r.Data.RedirectURI, CodeVerifier: r.Data.CodeVerifier,
		Resources: resources(r.PostForm), Proofs: proofs(r.Header),
	}))
}

func (s *server) RefreshToken(ctx context.Context, r *op.ClientRequest[oidc.RefreshTokenRequest]) (*op.Response, error) {
	return respond(s.backend.Refresh(ctx, RefreshRequest{
		ClientID: r.Client.GetID(), RefreshToken: r.Data.RefreshToken, Scope: strings.Join(r.Data.Scopes, " "), Unproven: r.Client.AuthMethod() == oidc.AuthMethodNone,
		Resources: resources(r.PostForm), Proofs: proofs(r.Header),
	}))
}

func (s *server) ClientCredentialsExchange(ctx context.Context, r *op.ClientRequest[oidc.ClientCredentialsRequest]) (*op.Response, error) {
	return respond(s.backend.ClientCredentials(ctx, ClientCredentialsRequest{
		ClientID: r.Client.GetID(), Scope: r.PostForm.Get("scope"), Resources: resources(r.PostForm), Proofs: proofs(r.Header),
	}))
}

// JWTProfile authenticates the client itself: the library takes the assertion for that.
func (s *server) JWTProfile(ctx context.Context, r *op.Request[oidc.JWTProfileGrantRequest]) (*op.Response, error) {
	c, err := s.authenticate(ctx, GrantJWTBearer)
	if err != nil {
		return nil, err
	}
	return respond(s.backend.Assertion(ctx, AssertionRequest{
		ClientID: c.ID, Assertion: r.Data.Assertion, Scope: r.PostForm.Get("scope"), Resources: resources(r.PostForm), Proofs: proofs(r.Header),
	}))
}

func (s *server) DeviceAuthorization(ctx context.Context, r *op.ClientRequest[oidc.DeviceAuthorizationRequest]) (*op.Response, error) {
	return respond(s.backend.DeviceAuthorization(ctx, DeviceAuthorizationRequest{
		ClientID: r.Client.GetID(), Scope: r.PostForm.Get("scope"), Resources: resources(r.PostForm), Proofs: proofs(r.Header),
	}))
}

func (s *server) DeviceToken(ctx context.Context, r *op.ClientRequest[oidc.DeviceAccessTokenRequest]) (*op.Response, error) {
	return respond(s.backend.DeviceToken(ctx, DeviceTokenRequest{
		ClientID: r.Client.GetID(), DeviceCode: r.Data.DeviceCode, Resources: resources(r.PostForm), Proofs: proofs(r.Header),
	}))
}

func (s *server) Revocation(ctx context.Context, r *op.ClientRequest[oidc.RevocationRequest]) (*op.Response, error) {
	return respond(struct{}{}, s.backend.Revoke(ctx, r.Client.GetID(), r.Data.Token))
}

// Introspect authenticates itself: the library leaves that to it.
func (s *server) Introspect(ctx context.Context, r *op.Request[op.IntrospectionRequest]) (*op.Response, error) {
	c, err := s.authenticate(ctx, "")
	if err != nil {
		return nil, err
	}
	return respond(s.backend.Introspect(ctx, IntrospectionRequest{ClientID: c.ID, Token: r.Data.Token}))
}

func respond[T any](data T, err error) (*op.Response, error) {
	if err != nil {
		return nil, tokenError(err)
	}
	return op.NewResponse(data), nil
}
