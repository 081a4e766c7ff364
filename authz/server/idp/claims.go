package idp

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/zitadel/oidc/v3/pkg/client/rp"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"golang.org/x/oauth2"

	"github.com/emcy/gateway/internal/outbound"
)

const (
	maxSubject = 255 // OpenID Connect Core, section 2
	maxEmail   = 254
	maxGroups  = 1000
)

// identity is what a provider says of a person, by the provider's claim mapping.
type identity struct {
	Subject string
	Email   string
	Name    string
	Groups  []string
	// unverified says that the provider itself does not vouch for the address.
	unverified bool
	// claims are all that came, for a trial.
	claims map[string]any
}

// idClaims are an ID token's: what the library checks, and all of it by name. The
// library's own type knows more, and refuses a token for a claim that nobody reads.
type idClaims struct {
	oidc.TokenClaims
	AccessTokenHash string `json:"at_hash"`
	all             map[string]any
}

// GetAccessTokenHash implements oidc.IDClaims.
func (c *idClaims) GetAccessTokenHash() string { return c.AccessTokenHash }

// UnmarshalJSON implements json.Unmarshaler.
func (c *idClaims) UnmarshalJSON(raw []byte) error {
	type plain idClaims
	if err := json.Unmarshal(raw, (*plain)(c)); err != nil {
		return err
	}
	return json.Unmarshal(raw, &c.all)
}

// userinfo is an answer of the userinfo endpoint.
type userinfo map[string]any

// GetSubject implements rp.SubjectGetter.
func (u userinfo) GetSubject() string { return text(u["sub"], maxSubject) }

// identify redeems the code and reads the person from the ID token, and from userinfo
// where the ID token lacks something.
func (p *Providers) identify(ctx context.Context, provider Provider, party *party, code, verifier string) (identity, error) {
	start := time.Now()
	tokens, err := rp.CodeExchange[*idClaims](ctx, code, party, rp.WithCodeVerifier(verifier))
	if err != nil {
		return identity{}, p.notExchanged(ctx, provider, start, err)
	}
	who := provider.read(tokens.IDTokenClaims.Subject, tokens.IDTokenClaims.all)
	if who.Email == "" || who.Name == "" || who.Groups == nil && len(provider.AllowedGroups) > 0 {
		who, err = p.fromUserinfo(ctx, provider, party, tokens, who)
		if err != nil {
			return identity{}, err
		}
	}
	switch {
	case len(who.Subject) > maxSubject || !printable(who.Subject):
		return identity{}, broken(provider, "wrong_subject", "its name for you cannot be used", nil)
	case who.Email == "":
		return identity{}, refuse("no_email", http403, provider.Name+" did not tell your e-mail address.", "Tell the workspace's owner: the scope “email” or the claim's name in the provider's settings may be missing.", nil)
	case who.unverified:
		return identity{}, refuse("email_not_verified", http403, provider.Name+" says that your e-mail address is not verified.", "Verify the address there, then start again from the app.", nil)
	}
	return who, nil
}

// fromUserinfo adds what the ID token lacks, where the provider has such a place.
func (p *Providers) fromUserinfo(ctx context.Context, provider Provider, party *party, tokens *oidc.Tokens[*idClaims], who identity) (identity, error) {
	if party.UserinfoEndpoint() == "" {
		return who, nil
	}
	info, err := rp.Userinfo[userinfo](ctx, tokens.AccessToken, oidc.BearerToken, who.Subject, party)
	if errors.Is(err, rp.ErrUserInfoSubNotMatching) {
		return identity{}, broken(provider, "wrong_subject", "its userinfo is about somebody else", err)
	}
	if err != nil {
		return identity{}, broken(provider, "userinfo", "its userinfo could not be read", err)
	}
	maps.Copy(info, tokens.IDTokenClaims.all) // what is signed comes first
	return provider.read(who.Subject, info), nil
}

// notExchanged explains a failed exchange by what the library found.
func (p *Providers) notExchanged(ctx context.Context, provider Provider, start time.Time, err error) *Refused {
	if own, ok := errors.AsType[*outbound.Error](err); ok {
		if !reached(own) {
			p.even(ctx, start)
			return refuse("provider_unreachable", http502, provider.Name+" does not answer.", "Try again in a moment. If it happens again, tell the workspace's owner.", err)
		}
		return broken(provider, "provider_answer", "a part of it cannot be read", err)
	}
	if answer, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		// The answer's body goes nowhere, not even to the log: it may hold what was sent.
		cause := errors.New("token endpoint answered with an error")
		switch answer.ErrorCode {
		case "invalid_client", "unauthorized_client":
			return broken(provider, "invalid_client", "it does not accept the client id and secret of this workspace", cause)
		case "invalid_grant":
			return broken(provider, "invalid_grant", "it does not accept its own code; the callback URL registered there may be another one", cause)
		}
		return broken(provider, "token_endpoint", "its token endpoint refused the code", cause)
	}
	for _, known := range []struct {
		err        error
		code, what string
	}{
		{rp.ErrMissingIDToken, "no_id_token", "there is no ID token in it"},
		{oidc.ErrIssuerInvalid, "wrong_issuer", "its ID token comes from another issuer"},
		{oidc.ErrAudience, "wrong_audience", "its ID token is for another application"},
		{oidc.ErrAzpMissing, "wrong_audience", "its ID token is for another application"},
		{oidc.ErrAzpInvalid, "wrong_audience", "its ID token is for another application"},
		{oidc.ErrSignatureUnsupportedAlg, "wrong_algorithm", "its ID token is signed with an algorithm that is not accepted"},
		{oidc.ErrSignatureInvalid, "wrong_signature", "the signature of its ID token does not hold"},
		{oidc.ErrExpired, "expired", "its ID token is over; its clock may be wrong"},
		{oidc.ErrIatInFuture, "expired", "its ID token is from the future; its clock may be wrong"},
		{oidc.ErrNonceInvalid, "wrong_nonce", "its ID token belongs to another sign-in"},
		{oidc.ErrAtHash, "wrong_token", "its tokens do not belong together"},
	} {
		if errors.Is(err, known.err) {
			return broken(provider, known.code, known.what, known.err)
		}
	}
	return broken(provider, "provider_answer", "a part of it cannot be read", nil)
}

// read maps claims.
func (p Provider) read(subject string, claims map[string]any) identity {
	who := identity{Subject: subject, claims: claims, Email: text(lookup(claims, p.EmailClaim), maxEmail), Name: text(lookup(claims, p.NameClaim), maxName)}
	if !strings.Contains(who.Email, "@") {
		who.Email = ""
	}
	switch verified := claims["email_verified"].(type) {
	case bool:
		who.unverified = !verified
	case string: // some providers write it so
		who.unverified = !strings.EqualFold(verified, "true")
	}
	switch found := lookup(claims, p.GroupsClaim).(type) {
	case string:
		who.Groups = []string{found}
	case []any:
		who.Groups = []string{}
		for _, g := range found {
			if name := text(g, maxField); name != "" && len(who.Groups) < maxGroups {
				who.Groups = append(who.Groups, name)
			}
		}
	}
	return who
}

// lookup finds a claim by its name, or by a path with dots, as realm_access.roles.
func lookup(claims map[string]any, name string) any {
	if value, ok := claims[name]; ok {
		return value
	}
	first, rest, dotted := strings.Cut(name, ".")
	if inner, ok := claims[first].(map[string]any); ok && dotted {
		return lookup(inner, rest)
	}
	return nil
}

// text is a claim that is a short line of text; "" for anything else.
func text(value any, most int) string {
	s, ok := value.(string)
	if s = strings.TrimSpace(s); !ok || len(s) > most || !utf8.ValidString(s) || !printable(s) {
		return ""
	}
	return s
}
