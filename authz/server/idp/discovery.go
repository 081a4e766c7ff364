package idp

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/emcy/gateway/internal/jwks"
)

const (
	wellKnown = "/.well-known/openid-configuration"
	// MaxDocument is the most that is read of any answer of a provider, in bytes.
	MaxDocument = 256 << 10
)

// document is the part of a provider's metadata that is used (OpenID Connect
// Discovery, section 3; RFC 9207, section 3).
type document struct {
	Issuer           string   `json:"issuer"`
	Authorization    string   `json:"authorization_endpoint"`
	Token            string   `json:"token_endpoint"`
	UserInfo         string   `json:"userinfo_endpoint"`
	Keys             string   `json:"jwks_uri"`
	AuthMethods      []string `json:"token_endpoint_auth_methods_supported"`
	Algorithms       []string `json:"id_token_signing_alg_values_supported"`
	IssuerInResponse bool     `json:"authorization_response_iss_parameter_supported"`
}

// algorithms are those of the provider's that are accepted: none is symmetric, and
// "none" is none of them (RFC 8725, section 3.1). A provider that lists none signs
// with RS256 (OpenID Connect Discovery, section 3).
func (d document) algorithms() []string {
	if len(d.Algorithms) == 0 {
		return []string{"RS256"}
	}
	return slices.DeleteFunc(slices.Clone(d.Algorithms), func(alg string) bool { return !slices.Contains(jwks.Algorithms, jose.SignatureAlgorithm(alg)) })
}

var (
	errOtherIssuer  = errors.New("the document names another issuer")
	errIncomplete   = errors.New("the document lacks an endpoint")
	errNoAlgorithms = errors.New("no accepted signing algorithm is offered")
	errUnreachable  = errors.New("no answer")
)

// discover gives a provider's metadata, whose issuer is the one that was asked (OpenID
// Connect Discovery, section 4.3).
func (p *Providers) discover(ctx context.Context, issuer string) (document, error) {
	return p.documents.get(ctx, issuer, func(ctx context.Context) (document, error) {
		start := time.Now()
		d, err := p.fetchDocument(ctx, issuer)
		if err != nil && !reached(err) {
			p.even(ctx, start)
			return document{}, fmt.Errorf("%w: %w", errUnreachable, err)
		}
		return d, err
	})
}

func (p *Providers) fetchDocument(ctx context.Context, issuer string) (document, error) {
	var d document
	if _, err := p.out.GetJSON(ctx, strings.TrimSuffix(issuer, "/")+wellKnown, MaxDocument, &d); err != nil {
		return document{}, err
	}
	if d.Issuer != issuer {
		return document{}, fmt.Errorf("%w: %w", errOtherIssuer, otherIssuer{issuer, d.Issuer})
	}
	for _, endpoint := range []string{d.Authorization, d.Token, d.Keys} {
		if _, err := p.out.CheckURL(endpoint); err != nil {
			return document{}, fmt.Errorf("%w: %s", errIncomplete, words(err)) // the provider did answer: this is no failure to reach it
		}
	}
	if len(d.algorithms()) == 0 {
		return document{}, errNoAlgorithms
	}
	return d, nil
}

// even lets every failed connection take the same time: how long one took would tell
// what listens in the gateway's network.
func (p *Providers) even(ctx context.Context, start time.Time) {
	wait, cancel := context.WithTimeout(ctx, p.timeout-time.Since(start))
	defer cancel()
	<-wait.Done()
}

// otherIssuer is the issuer that a document names.
type otherIssuer struct{ asked, named string }

func (o otherIssuer) Error() string { return "named " + o.named }

// adminText says to an administrator why a provider cannot be used. Of what the
// document says only an issuer of the same host is shown: it is often a slash that is missing.
func adminText(err error) string {
	var other otherIssuer
	switch {
	case errors.Is(err, errUnreachable):
		return unreachable
	case errors.As(err, &other):
		if sameHost(other.asked, other.named) && printable(other.named) {
			return "The provider calls itself " + clipTo(other.named, maxField) + " and the issuer must be typed exactly like that, a slash at the end included."
		}
		return "The provider calls itself by another name. The issuer must be typed exactly as the provider spells it, a slash at the end included."
	case errors.Is(err, errIncomplete):
		return "The provider's discovery document lacks an endpoint that is needed, or names one that the gateway does not connect to."
	case errors.Is(err, errNoAlgorithms):
		return "The provider signs its ID tokens with no algorithm that is accepted here. RS256, PS256, ES256 and EdDSA are."
	}
	return "The provider's discovery document cannot be used: " + words(err) + "."
}

func sameHost(a, b string) bool {
	left, errLeft := url.Parse(a)
	right, errRight := url.Parse(b)
	return errLeft == nil && errRight == nil && left.Host == right.Host
}

// formSources are the places that a form may lead to on its way through the
// provider, as CSP sources: browsers check every redirect that follows a form, and a
// provider sends people on to hosts of its own.
func formSources(authorization string) []string {
	if u, err := url.Parse(authorization); err == nil && u.Scheme == "http" {
		return []string{"http://localhost:*", "http://127.0.0.1:*", "https:"}
	}
	return []string{"https:"}
}
