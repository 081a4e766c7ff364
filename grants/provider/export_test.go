package provider

import (
	"net/http"

	"github.com/go-json-experiment/json"
)

// ReadTokens reads a token endpoint's answer as after a refresh that sent the secret.
func (p *Provider) ReadTokens(c Config, status int, media, body, sent string) (Tokens, error) {
	t, failed := p.tokens(c, answer{status, http.Header{"Content-Type": {media}}, []byte(body), []string{sent}}, false)
	return t, asError(failed)
}

// ReadAccount reads an answer of a userinfo endpoint.
func (p *Provider) ReadAccount(i Identity, body, sent string) (Account, error) {
	claims, failed := p.object(answer{http.StatusOK, http.Header{"Content-Type": {"application/json"}}, []byte(body), []string{sent}})
	if failed != nil {
		return Account{}, failed
	}
	return i.account(claims)
}

// ReadMetadata reads a metadata document that an issuer was asked for.
func (p *Provider) ReadMetadata(issuer, body string) (Endpoints, error) {
	var d document
	if err := json.Unmarshal([]byte(body), &d); err != nil {
		return Endpoints{}, p.unread(err)
	}
	e, failed := p.endpoints(d, issuer)
	return e, asError(failed)
}
