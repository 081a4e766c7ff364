package edge

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/emcy/gateway/internal/ids"
)

const (
	assertionLife  = 60 * time.Second
	assertionReuse = 30 * time.Second // so that half its life is left when it leaves
)

// assertion is a signed statement for the runtime of who asks. It is kept with the
// token that it speaks of, so one signature serves many calls.
type assertion struct {
	jwt      string
	kid      string
	upstream url.URL
	made     time.Time
}

type assertionClaims struct {
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	Audience string `json:"aud"`
	ClientID string `json:"client_id"`
	Scope    string `json:"scope"`
	Expires  int64  `json:"exp"`
	IssuedAt int64  `json:"iat"`
	ID       string `json:"jti"`
}

// assertion gives a statement that is fresh, signed with the active key, and meant
// for the runtime's present URL. Two requests at once may each make one.
func (x *exchange) assertion() (string, error) {
	now := x.front.clock.Now()
	signer := x.tenant.Signer
	if last := x.access.assertion.Load(); last != nil && last.kid == signer.KID && last.upstream == *x.edge.Upstream {
		if age := now.Sub(last.made); age >= 0 && age < assertionReuse {
			return last.jwt, nil
		}
	}
	if signer.Key == nil {
		return "", errors.New("sign assertion: the tenant has no signing key")
	}
	text, err := signES256(signer.Key, signer.KID, assertionClaims{
		Issuer: x.tenant.Issuer, Subject: x.access.subject, Audience: x.edge.Upstream.String(),
		ClientID: x.access.client, Scope: x.access.scope,
		IssuedAt: now.Unix(), Expires: now.Add(assertionLife).Unix(), ID: ids.New("as"),
	})
	if err != nil {
		return "", fmt.Errorf("sign assertion: %w", err)
	}
	x.access.assertion.Store(&assertion{jwt: text, kid: signer.KID, upstream: *x.edge.Upstream, made: now})
	return text, nil
}
