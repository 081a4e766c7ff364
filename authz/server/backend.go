package server

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/emcy/gateway/authz/server/clients"
	"github.com/emcy/gateway/authz/server/flow"
	"github.com/emcy/gateway/authz/server/oplib"
	"github.com/emcy/gateway/authz/server/trace"
	"github.com/emcy/gateway/tenancy"
)

// errUnknownClient is the token endpoint's answer to a client that is none, or none any more.
var errUnknownClient = clients.ErrUnknown

// failure logs an error that is no refusal, and turns it into one that says nothing
// of its cause. A refusal stays as it is.
func (s *Server) failure(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if refused, ok := errors.AsType[*oplib.Error](err); ok {
		return refused
	}
	e := s.classify(ctx, err)
	return &oplib.Error{Code: e.Code, Description: e.Description, Status: e.Status}
}

const maxState = 4096 // bytes

// s256Length is the length of a base64url SHA-256 (RFC 7636, section 4.2).
const s256Length = 43

// Authorize is the second phase of an authorization request: what fails here is
// told to the client, at the redirect URI that the first phase has proven.
func (s *Server) Authorize(ctx context.Context, r oplib.AuthorizeRequest) string {
	location, err := s.begin(ctx, r)
	if err == nil {
		return location
	}
	code, description := "server_error", ""
	if refused, ok := errors.AsType[*oplib.Error](s.failure(ctx, err)); ok {
		code, description = refused.Code, refused.Description
	}
	return flow.ErrorURL(r.RedirectURI, code, description, r.State, requestFrom(ctx).issuer)
}

func (s *Server) begin(ctx context.Context, r oplib.AuthorizeRequest) (string, error) {
	req := requestFrom(ctx)
	if refused := checkAuthorize(r); refused != nil {
		return "", refused
	}
	resource, target, err := s.target(ctx, req, r.Resources)
	if err != nil {
		return "", err
	}
	scope, err := s.asked(ctx, req.handle, r.ClientID, resource.ID, r.Scope)
	if err != nil {
		return "", err
	}
	jkt, err := s.protect(ctx, req, r)
	if err != nil {
		return "", err
	}
	id, err := s.flow.Begin(ctx, req.handle, req.browser, flow.Start{
		ClientID: r.ClientID, UpstreamID: resource.ID, RedirectURI: r.RedirectURI, State: r.State, Resource: target,
		Scope: scope.String(), CodeChallenge: r.CodeChallenge, DPoPJKT: jkt, Login: slices.Contains(r.Prompt, "login"), TraceID: trace.ID(ctx),
		// A page that sends somebody here must not get an answer that nobody saw (B3).
		Ask: slices.Contains(r.Prompt, "consent") || req.site != "none",
	})
	if err != nil {
		return "", err
	}
	return "/sign-in?attempt=" + url.QueryEscape(id), nil
}

func checkAuthorize(r oplib.AuthorizeRequest) error {
	switch {
	case r.RequestObject:
		return &oplib.Error{Code: "request_not_supported", Description: "Request objects are not supported: send plain parameters."}
	case r.ResponseType == "":
		return &oplib.Error{Code: "invalid_request", Description: "response_type is missing."}
	case r.ResponseType != "code":
		return &oplib.Error{Code: "unsupported_response_type", Description: "response_type must be code."}
	case r.ResponseMode != "" && r.ResponseMode != "query":
		return &oplib.Error{Code: "invalid_request", Description: "response_mode must be query."}
	case r.CodeChallenge == "" || r.CodeChallengeMethod != "S256":
		return &oplib.Error{Code: "invalid_request", Description: "PKCE is required: send code_challenge with code_challenge_method=S256."}
	case len(r.CodeChallenge) != s256Length || strings.Trim(r.CodeChallenge, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "":
		return &oplib.Error{Code: "invalid_request", Description: "code_challenge is not the base64url form of a SHA-256."}
	case slices.Contains(r.Prompt, "none"):
		return &oplib.Error{Code: "login_required", Description: "A person has to sign in and agree here: prompt=none is not possible."}
	case len(r.State) > maxState || !clients.Storable(r.State):
		return &oplib.Error{Code: "invalid_request", Description: "state is too long, or not text."}
	}
	return nil
}

// target finds the runtime that the resource parameter names (RFC 8707). Without
// one, a tenant with a single runtime means that one.
func (s *Server) target(ctx context.Context, req request, requested []string) (flow.Resource, string, error) {
	var all []flow.Resource
	err := s.db.Read(ctx, req.handle, func(tx *tenancy.Tx) (err error) {
		all, err = s.resources.All(tx)
		return err
	})
	if err != nil {
		return flow.Resource{}, "", fmt.Errorf("list resources: %w", err)
	}
	if len(requested) == 0 && len(all) == 1 {
		return all[0], resourceURL(req.issuer, all[0].Slug), nil
	}
	if len(requested) == 1 {
		for _, r := range all {
			if u := resourceURL(req.issuer, r.Slug); sameResource(requested[0], u) {
				return r, u, nil
			}
		}
	}
	return flow.Resource{}, "", &oplib.Error{Code: "invalid_target", Description: "resource must be the URL of one MCP server at " + req.issuer + "."}
}

// resourceURL is the MCP URL of an upstream: the audience of its tokens.
func resourceURL(issuer, slug string) string { return issuer + "/" + slug + "/mcp" }

// sameResource compares a resource parameter with a canonical one. Scheme and host
// may be in other letters, and one slash may follow, because clients send both.
func sameResource(requested, canonical string) bool {
	if requested == canonical {
		return true
	}
	u, err := url.Parse(requested)
	if err != nil || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.RawPath != "" || strings.ContainsAny(requested, "?#") {
		return false
	}
	return strings.ToLower(u.Scheme)+"://"+strings.ToLower(u.Host)+strings.TrimSuffix(u.Path, "/") == canonical
}

// checkRedirect is the first phase of an authorization request: what fails here is
// told to the person and never sent to the redirect URI.
func (s *Server) checkRedirect(ctx context.Context, clientID, redirectURI string) error {
	c, err := s.clients.Find(ctx, requestFrom(ctx).handle, clientID)
	if err != nil {
		return err
	}
	if !clients.MatchRedirect(c.RedirectURIs, redirectURI) {
		return errRedirect
	}
	return nil
}

var errRedirect = errors.New("redirect_uri is not registered")
