package provider

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/emcy/gateway/internal/outbound"
)

// document is the part of a server's metadata that is used (RFC 8414, section 2; OpenID
// Connect Discovery, section 3; RFC 9207, section 3).
type document struct {
	Issuer           string   `json:"issuer"`
	Authorization    string   `json:"authorization_endpoint"`
	Token            string   `json:"token_endpoint"`
	Revocation       string   `json:"revocation_endpoint"`
	UserInfo         string   `json:"userinfo_endpoint"`
	Introspection    string   `json:"introspection_endpoint"`
	Registration     string   `json:"registration_endpoint"`
	JWKS             string   `json:"jwks_uri"`
	IssuerInResponse bool     `json:"authorization_response_iss_parameter_supported"`
	AuthMethods      []string `json:"token_endpoint_auth_methods_supported"`
	GrantTypes       []string `json:"grant_types_supported"`
	Scopes           []string `json:"scopes_supported"`
	SigningAlgs      []string `json:"id_token_signing_alg_values_supported"`
	ChallengeMethods []string `json:"code_challenge_methods_supported"`
	CIMD             bool     `json:"client_id_metadata_document_supported"`
}

// Discover reads an authorization server's metadata: that of OAuth (RFC 8414, section
// 3.1), completed by that of OpenID where the former names no userinfo or keys. The
// issuer in it must be the one that was asked, byte for byte (RFC 8414, section 3.3).
// An optional endpoint that the gateway does not connect to is left out. Errors: *Error.
func (p *Provider) Discover(ctx context.Context, issuer string) (Endpoints, error) {
	u, err := p.out.CheckURL(issuer)
	if err != nil || u.RawQuery != "" || u.Fragment != "" {
		return Endpoints{}, &Error{Kind: Misconfigured, Code: "issuer", words: "The issuer is not a URL that the gateway connects to.", Cure: "Type the issuer as the provider spells it.", cause: err}
	}
	var found Endpoints
	var last *Error
	for i, address := range metadataAddresses(u, issuer) {
		one, failed := p.document(ctx, address, issuer)
		switch {
		case failed == nil && found.Token == "":
			found = one
		case failed == nil:
			found.complete(one)
		case !failed.Sent && i == 0:
			return Endpoints{}, failed // nothing listens there
		case last == nil || last.Status == http.StatusNotFound:
			last = failed
		}
		if found.UserInfo != "" && found.JWKS != "" {
			break
		}
	}
	if found.Token == "" {
		return Endpoints{}, last
	}
	return found, nil
}

// metadataAddresses are where the metadata may be: OAuth's, OpenID's, and OpenID's as
// RFC 8414, section 5, moves it.
func metadataAddresses(u *url.URL, issuer string) []string {
	path := strings.TrimSuffix(u.EscapedPath(), "/")
	origin := u.Scheme + "://" + u.Host
	out := []string{origin + "/.well-known/oauth-authorization-server" + path, strings.TrimSuffix(issuer, "/") + "/.well-known/openid-configuration"}
	if path != "" {
		out = append(out, origin+"/.well-known/openid-configuration"+path)
	}
	return out
}

func (p *Provider) document(ctx context.Context, address, issuer string) (Endpoints, *Error) {
	var d document
	if _, err := p.out.GetJSON(ctx, address, MaxAnswer, &d); err != nil {
		return Endpoints{}, p.unread(err)
	}
	return p.endpoints(d, issuer)
}

// endpoints judges a document that an issuer was asked for.
func (p *Provider) endpoints(d document, issuer string) (Endpoints, *Error) {
	if d.Issuer != issuer {
		e := &Error{Kind: Invalid, Code: "other_issuer", Status: http.StatusOK, Sent: true, words: "The provider calls itself by another name than the issuer that was typed in.", Cure: "Type the issuer exactly as the provider spells it, a slash at the end included."}
		if sameHost(d.Issuer, issuer) && printable(d.Issuer) && len(d.Issuer) <= outbound.MaxURL {
			e.words = "The provider calls itself " + d.Issuer + ", which is another issuer."
		}
		return Endpoints{}, e
	}
	for name, endpoint := range map[string]*string{"token": &d.Token, "authorization": &d.Authorization} {
		if *endpoint == "" && name == "authorization" {
			continue // a server that does no more than exchange tokens has none
		}
		if _, err := p.out.CheckURL(*endpoint); err != nil {
			return Endpoints{}, &Error{Kind: Invalid, Code: "bad_endpoint", Status: http.StatusOK, Sent: true, words: "The provider's metadata lacks the " + name + " endpoint, or names one that the gateway does not connect to.", Cure: "Type the endpoints in by hand."}
		}
	}
	for _, endpoint := range []*string{&d.Revocation, &d.UserInfo, &d.Introspection, &d.Registration, &d.JWKS} {
		if _, err := p.out.CheckURL(*endpoint); err != nil {
			*endpoint = ""
		}
	}
	return Endpoints{
		Issuer: d.Issuer, Authorization: d.Authorization, Token: d.Token, Revocation: d.Revocation, UserInfo: d.UserInfo, Introspection: d.Introspection,
		Registration: d.Registration, JWKS: d.JWKS, IssuerInResponse: d.IssuerInResponse, CIMD: d.CIMD,
		AuthMethods: names(d.AuthMethods), GrantTypes: names(d.GrantTypes), Scopes: names(d.Scopes), SigningAlgs: names(d.SigningAlgs), ChallengeMethods: names(d.ChallengeMethods),
	}, nil
}

// complete takes from another document of the same issuer what is missing.
func (e *Endpoints) complete(other Endpoints) {
	for _, pair := range [][2]*string{
		{&e.Authorization, &other.Authorization},
		{&e.Revocation, &other.Revocation},
		{&e.UserInfo, &other.UserInfo},
		{&e.Introspection, &other.Introspection},
		{&e.Registration, &other.Registration},
		{&e.JWKS, &other.JWKS},
	} {
		if *pair[0] == "" {
			*pair[0] = *pair[1]
		}
	}
	for _, pair := range [][2]*[]string{{&e.SigningAlgs, &other.SigningAlgs}, {&e.Scopes, &other.Scopes}, {&e.AuthMethods, &other.AuthMethods}, {&e.ChallengeMethods, &other.ChallengeMethods}} {
		if len(*pair[0]) == 0 {
			*pair[0] = *pair[1]
		}
	}
	e.IssuerInResponse = e.IssuerInResponse || other.IssuerInResponse
	e.CIMD = e.CIMD || other.CIMD
}

// names keeps what can be shown of a list, 500 entries at most.
func names(list []string) []string {
	var out []string
	for _, one := range list {
		if validScope(one) && len(out) < maxScopes {
			out = append(out, one)
		}
	}
	return out
}

// unread is a document that could not be fetched.
func (p *Provider) unread(err error) *Error {
	own := outbound.Classify(err)
	e := p.unanswered(own, false)
	switch own.Kind {
	case outbound.KindStatus:
		m := byStatus(own.Status)
		if own.Status < 500 && m.kind != Limited {
			m = meaning{Invalid, "The provider publishes no metadata at this address: " + own.Public() + ".", "Compare the issuer with the provider's documentation, or type the endpoints in by hand."}
		}
		e.Kind, e.Status, e.Sent, e.words, e.Cure = m.kind, own.Status, true, m.words, m.cure
	case outbound.KindContent, outbound.KindTooLarge, outbound.KindEncoding, outbound.KindRedirect, outbound.KindProtocol:
		e.Sent = true
	case outbound.KindURL, outbound.KindAddress, outbound.KindDNS, outbound.KindConnect, outbound.KindUnreachable, outbound.KindTimeout, outbound.KindTLS, outbound.KindCanceled, outbound.KindInternal:
	}
	if e.cause == nil {
		e.cause = errors.New("no metadata")
	}
	return e
}

func sameHost(a, b string) bool {
	left, errLeft := url.Parse(a)
	right, errRight := url.Parse(b)
	return errLeft == nil && errRight == nil && left.Host == right.Host
}
