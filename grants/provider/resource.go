package provider

import (
	"context"
	"net/http"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/oauthex"

	"github.com/emcy/gateway/internal/oauthwire"
	"github.com/emcy/gateway/internal/outbound"
)

// DiscoverResource asks an upstream that is an OAuth resource itself which authorization
// servers it trusts (RFC 9728, sections 3 and 5): by the address in its challenge, else
// below its path, else at its root. The resource that the document names must be the
// upstream, or a part of its path (MCP allows a server to stand for all below it). Errors: *Error.
func (p *Provider) DiscoverResource(ctx context.Context, mcpURL string) (Resource, error) {
	u, err := p.out.CheckURL(mcpURL)
	if err != nil {
		return Resource{}, &Error{Kind: Misconfigured, Code: "url", words: "The runtime's address is not a URL that the gateway connects to.", Cure: "Correct the runtime's address.", cause: err}
	}
	origin := u.Scheme + "://" + u.Host
	addresses := []string{origin + oauthwire.ResourceMetadataPath + strings.TrimSuffix(u.EscapedPath(), "/"), origin + oauthwire.ResourceMetadataPath}
	challenged, failed := p.challenge(ctx, mcpURL)
	if failed != nil && !failed.Sent {
		return Resource{}, failed // nothing listens there
	}
	if challenged != "" {
		addresses = append([]string{challenged}, addresses...)
	}
	var last *Error
	for _, address := range addresses {
		found, failed := p.resource(ctx, address, mcpURL)
		if failed == nil {
			return found, nil
		}
		if last == nil || last.Status == http.StatusNotFound {
			last = failed
		}
	}
	return Resource{}, last
}

// challenge is the address of the metadata in the answer to a request without a token,
// "" where there is none.
func (p *Provider) challenge(ctx context.Context, mcpURL string) (string, *Error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, mcpURL, nil)
	if err != nil {
		return "", misaddressed()
	}
	req.Header.Set("Accept", "application/json, text/event-stream")
	resp, err := p.out.Do(req)
	if err != nil {
		switch outbound.KindOf(err) {
		case outbound.KindDNS, outbound.KindConnect, outbound.KindUnreachable, outbound.KindTLS, outbound.KindAddress, outbound.KindURL, outbound.KindTimeout, outbound.KindCanceled, outbound.KindInternal:
			return "", p.unanswered(err, false)
		case outbound.KindRedirect, outbound.KindTooLarge, outbound.KindEncoding, outbound.KindStatus, outbound.KindContent, outbound.KindProtocol:
		}
		return "", nil
	}
	_ = resp.Body.Close() // only the header counts; the body may be a stream
	if resp.StatusCode != http.StatusUnauthorized {
		return "", nil
	}
	challenges, err := oauthex.ParseWWWAuthenticate(resp.Header.Values("WWW-Authenticate"))
	if err != nil {
		return "", nil //nolint:nilerr // a challenge that cannot be read is as good as none
	}
	for _, c := range challenges {
		if address := c.Params["resource_metadata"]; c.Scheme == "bearer" && address != "" {
			return address, nil
		}
	}
	return "", nil
}

func (p *Provider) resource(ctx context.Context, address, mcpURL string) (Resource, *Error) {
	var doc struct {
		Resource string   `json:"resource"`
		Servers  []string `json:"authorization_servers"`
		Scopes   []string `json:"scopes_supported"`
		Name     string   `json:"resource_name"`
	}
	if _, err := p.out.GetJSON(ctx, address, MaxAnswer, &doc); err != nil {
		e := p.unread(err)
		if e.Kind == Invalid && e.Status != 0 {
			e.words, e.Cure = "The runtime publishes no metadata of an OAuth resource.", "Type the provider's issuer in by hand."
		}
		return Resource{}, e
	}
	if !covers(doc.Resource, mcpURL) {
		return Resource{}, &Error{Kind: Invalid, Code: "other_resource", Status: http.StatusOK, Sent: true, words: "The runtime's metadata is about another resource than the runtime.", Cure: "Correct the runtime's metadata, or type the provider's issuer in by hand."}
	}
	r := Resource{Resource: doc.Resource, Scopes: names(doc.Scopes)}
	if len(doc.Name) <= maxName && printable(doc.Name) {
		r.Name = doc.Name
	}
	for _, server := range doc.Servers {
		if _, err := p.out.CheckURL(server); err == nil && len(r.Servers) < maxServers {
			r.Servers = append(r.Servers, server)
		}
	}
	if len(r.Servers) == 0 {
		return Resource{}, &Error{Kind: Invalid, Code: "no_server", Status: http.StatusOK, Sent: true, words: "The runtime's metadata names no authorization server that the gateway connects to.", Cure: "Type the provider's issuer in by hand."}
	}
	return r, nil
}

const maxServers = 20

// covers reports whether a resource is the URL, or a whole part of its path.
func covers(resource, mcpURL string) bool {
	rest, ok := strings.CutPrefix(mcpURL, strings.TrimSuffix(resource, "/"))
	return ok && resource != "" && sameHost(resource, mcpURL) && (rest == "" || strings.HasPrefix(rest, "/"))
}
