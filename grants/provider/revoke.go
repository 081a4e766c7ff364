package provider

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/emcy/gateway/internal/secret"
)

// Revoke takes tokens back at the provider (RFC 7009, section 2.1). Either may be empty.
// A token that the provider no longer knows counts as revoked (section 2.2). Errors:
// *Error, of the kind Unsupported where there is nothing to revoke with.
func (p *Provider) Revoke(ctx context.Context, c Config, refresh, access secret.Text) error {
	if c.Endpoints.Revocation == "" {
		return missing("revocation")
	}
	endpoint := strings.ReplaceAll(c.Endpoints.Revocation, "{client_id}", url.PathEscape(c.Client.ID))
	if c.Style.RevokeWith == "github" {
		return asError(p.revokeGitHub(ctx, c, endpoint, access))
	}
	first, second := refresh, secret.Text{}
	hint, other := "refresh_token", "access_token"
	if c.Style.RevokeWith == "access_token" || refresh.Empty() {
		first, hint = access, other
	} else if c.Style.RevokeWith == "both" {
		second = access
	}
	if first.Empty() {
		return nil // nothing was held
	}
	failed := p.revoke(ctx, c, endpoint, first, hint)
	if failed != nil && failed.Kind == Unsupported && hint != other && !access.Empty() {
		return asError(p.revoke(ctx, c, endpoint, access, other))
	}
	if failed == nil && !second.Empty() {
		failed = p.revoke(ctx, c, endpoint, second, other)
	}
	return asError(failed)
}

func (p *Provider) revoke(ctx context.Context, c Config, endpoint string, token secret.Text, hint string) *Error {
	a, failed := p.post(ctx, c, endpoint, url.Values{"token": {token.Reveal()}, "token_type_hint": {hint}})
	if failed != nil {
		return failed
	}
	if a.status >= 200 && a.status < 300 {
		return nil
	}
	e := p.refused(a)
	if a.status == http.StatusBadRequest && (e.Code == "invalid_token" || e.Code == "invalid_grant") {
		return nil // it is gone already
	}
	return e
}

// googleRevocation is the endpoint of Google, whose revocation ends every token of the
// user and the client's project
// (https://developers.google.com/identity/protocols/oauth2/web-server#tokenrevoke).
const googleRevocation = "https://oauth2.googleapis.com/revoke"

// RevokeEndsAll says that to revoke one token ends everything that its account gave to
// the client, also what was given since.
func (c Config) RevokeEndsAll() bool {
	return c.Style.RevokeWith == "github" || c.Endpoints.Revocation == googleRevocation
}

// revokeGitHub takes back everything that the user granted to the application
// (https://docs.github.com/en/rest/apps/oauth-applications#delete-an-app-authorization).
func (p *Provider) revokeGitHub(ctx context.Context, c Config, endpoint string, access secret.Text) *Error {
	if access.Empty() {
		return nil
	}
	body, err := json.Marshal(map[string]string{"access_token": access.Reveal()})
	if err != nil {
		return p.unusable("encode", "The request could not be made.")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, endpoint, bytes.NewReader(body))
	if err != nil {
		return misaddressed()
	}
	req.SetBasicAuth(c.Client.ID, c.Client.Secret.Reveal())
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/vnd.github+json")
	a, failed := p.call(ctx, req, access.Reveal(), c.Client.Secret.Reveal())
	switch {
	case failed != nil:
		return failed
	case a.status == http.StatusNoContent, a.status == http.StatusNotFound, a.status == http.StatusUnprocessableEntity:
		return nil // 404 and 422: no such token of this application
	}
	return p.refused(a)
}

// asError keeps a nil *Error from becoming an error that is not nil.
func asError(e *Error) error {
	if e == nil {
		return nil
	}
	return e
}
