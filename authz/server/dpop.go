package server

import (
	"context"
	"net/http"

	"github.com/emcy/gateway/authz/server/clients"
	"github.com/emcy/gateway/authz/server/oplib"
	"github.com/emcy/gateway/authz/server/settings"
	"github.com/emcy/gateway/authz/server/spent"
	"github.com/emcy/gateway/internal/dpop"
	"github.com/emcy/gateway/tenancy"
)

const tokenTypeDPoP = "DPoP"

func invalidProof(description string) *oplib.Error {
	return &oplib.Error{Code: dpop.ErrorInvalidProof, Description: description}
}

var (
	errProofMissing = invalidProof("A DPoP proof is needed here: send one in the DPoP header.")
	errProofSpent   = invalidProof("The DPoP proof was used before.")
	errNonce        = &oplib.Error{Code: dpop.ErrorUseNonce, Description: "Send a proof with the nonce of the DPoP-Nonce header."}
	errOtherKey     = invalidGrant("It is bound to another key than the DPoP proof's.")
)

// readProof judges the proof of a request to an endpoint (RFC 9449, section 4.3), as
// far as that needs no transaction. It is nil where the request has none.
func (s *Server) readProof(ctx context.Context, path string, values oplib.Proofs) (*dpop.Proof, error) {
	if len(values) == 0 {
		return nil, nil //nolint:nilnil // no proof is no error
	}
	if len(values) > 1 {
		return nil, invalidProof("There is more than one DPoP proof.")
	}
	p, err := dpop.Verify(values[0], dpop.Request{Method: http.MethodPost, URLs: []string{requestFrom(ctx).issuer + path}, Now: s.db.Clock().Now()})
	if err != nil {
		return nil, invalidProof(sentence(err))
	}
	return &p, nil
}

// bind decides which key the tokens of a request are bound to, and uses up the proof;
// "" is none. bound is the key that what was presented is bound to already: it then
// needs a proof of that key, also where the tenant has switched DPoP off since.
func (s *Server) bind(ctx context.Context, tx *tenancy.Tx, set settings.Settings, client clients.Client, p *dpop.Proof, bound string) (jkt string, refused, err error) {
	if set.DPoP == settings.Never && bound == "" {
		return "", nil, nil
	}
	strict := set.DPoP == settings.Required
	if p == nil {
		if strict || client.DPoPRequired || bound != "" {
			refused = errProofMissing
		}
		return "", refused, nil
	}
	nonces, err := nonces(tx)
	if err != nil {
		return "", nil, err
	}
	// A nonce costs a client a second request, so only who insists on DPoP asks for one.
	if strict {
		requestFrom(ctx).offerNonce(nonces.At(tx.Now()))
	}
	if (strict || p.Nonce != "") && !nonces.Valid(p.Nonce, tx.Now()) {
		requestFrom(ctx).offerNonce(nonces.At(tx.Now()))
		return "", errNonce, nil
	}
	first, err := spent.Use(tx, spent.DPoP, p.Thumbprint, p.ID, p.Expires())
	switch {
	case err != nil:
		return "", nil, err
	case !first:
		return "", errProofSpent, nil
	case bound != "" && bound != p.Thumbprint:
		return "", errOtherKey, nil
	}
	return p.Thumbprint, nil, nil
}

// nonces are the tenant's, the same at every node.
func nonces(tx *tenancy.Tx) (dpop.Nonces, error) {
	key, err := tx.MAC("dpop-nonce")
	return dpop.NewNonces(key), err
}

// offerNonce gives the client the nonce of its next proof, which a browser client may
// read only if it is told so.
func (r request) offerNonce(nonce string) {
	if r.answer == nil {
		return
	}
	r.answer.Set(dpop.NonceHeader, nonce)
	r.answer.Set("Access-Control-Expose-Headers", dpop.NonceHeader)
}

// boundFamily keeps a public client's refresh tokens to the key (RFC 9449, section 5).
// A confidential client's are bound to the client, whose keys may change.
func boundFamily(tx *tenancy.Tx, family *familyRow, client clients.Client, jkt string) error {
	if jkt == "" || family.DPoPJKT == jkt || client.Confidential() {
		return nil
	}
	family.DPoPJKT = jkt
	return tx.DB().Model(&familyRow{}).Where("id = ?", family.ID).Update("dpop_jkt", jkt).Error
}
