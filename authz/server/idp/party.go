package idp

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/pkg/client/rp"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"golang.org/x/oauth2"
)

// clockSkew is how far a provider's clock may be off.
const clockSkew = 30 * time.Second

// party is a relying party at one provider: the library's, with our discovery, keys
// and verifier. The library's own constructor fetches its metadata each time, and
// reads nothing of RFC 9207 in it.
type party struct {
	rp.RelyingParty
	doc      document
	verifier *rp.IDTokenVerifier
}

// IsOAuth2Only says that an ID token is demanded.
func (p *party) IsOAuth2Only() bool { return false }

// Issuer is the provider's.
func (p *party) Issuer() string { return p.doc.Issuer }

// UserinfoEndpoint is the provider's, "" where it has none.
func (p *party) UserinfoEndpoint() string { return p.doc.UserInfo }

// IDTokenVerifier checks issuer, audience, azp, algorithm, signature, times and nonce.
func (p *party) IDTokenVerifier() *rp.IDTokenVerifier { return p.verifier }

func (p *Providers) party(provider Provider, doc document, secret, callback, nonce string) (*party, error) {
	style := oauth2.AuthStyleInHeader
	if secret == "" || len(doc.AuthMethods) > 0 && !slices.Contains(doc.AuthMethods, "client_secret_basic") {
		style = oauth2.AuthStyleInParams
	}
	base, err := rp.NewRelyingPartyOAuth(&oauth2.Config{
		ClientID: provider.ClientID, ClientSecret: secret, RedirectURL: callback, Scopes: strings.Fields(provider.Scopes),
		Endpoint: oauth2.Endpoint{AuthURL: doc.Authorization, TokenURL: doc.Token},
	}, rp.WithHTTPClient(p.out.Standard()), rp.WithAuthStyle(style))
	if err != nil {
		return nil, err
	}
	return &party{RelyingParty: base, doc: doc, verifier: rp.NewIDTokenVerifier(
		doc.Issuer, provider.ClientID, p.keys.At(doc.Keys),
		rp.WithSupportedSigningAlgorithms(doc.algorithms()...), rp.WithIssuedAtOffset(clockSkew), rp.WithNonce(func(context.Context) string { return nonce }),
	)}, nil
}

// authURL is where the browser goes. Nothing but this is sent: no prompt, scope or
// resource of the client that somebody is about to connect.
func (p *party) authURL(state, nonce, verifier string) string {
	return rp.AuthURL(state, p, rp.WithCodeChallenge(oidc.NewSHACodeChallenge(verifier)), rp.AuthURLOpt(rp.WithURLParam("nonce", nonce)))
}
