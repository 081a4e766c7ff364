package emcyworker

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"slices"
	"strings"
	"time"
)

const (
	assertionLife  = 60 * time.Second // the gateway signs for no longer
	assertionSkew  = 30 * time.Second // two clocks may differ
	assertionLimit = 16 << 10
	smallestRSA    = 2048
)

// errAssertion says that an assertion is not the gateway's, not for this runtime, or that
// its time is over.
var errAssertion = errors.New("the assertion is not valid")

// claims are what an assertion says.
type claims struct {
	issuer, subject, client, tenant string
	scopes                          []string
}

// verify gives what a valid assertion says (RFC 7519, RFC 8725).
func verify(ctx context.Context, token string, s *settings, keys *keySets, now time.Time) (*claims, error) {
	parts := strings.Split(token, ".")
	if len(token) > assertionLimit || len(parts) != 3 {
		return nil, errAssertion
	}
	head, body := object(parts[0]), object(parts[1])
	signature, err := base64.RawURLEncoding.Strict().DecodeString(parts[2])
	alg, kid := text(head["alg"]), text(head["kid"])
	_, critical := head["crit"]
	if err != nil || text(head["typ"]) != "JWT" || (alg != "ES256" && alg != "RS256") || critical || kid == "" {
		return nil, errAssertion
	}
	c := &claims{
		issuer: text(body["iss"]), subject: text(body["sub"]), client: text(body["client_id"]), tenant: text(body["tenant"]),
		scopes: strings.Fields(text(body["scope"])),
	}
	if c.subject == "" || !slices.Contains(s.issuers, c.issuer) || !addressed(body["aud"], s.audiences) || !timely(body, now) {
		return nil, errAssertion
	}
	key, err := keys.get(ctx, c.issuer, kid)
	if err != nil {
		return nil, err
	}
	if key == nil || !key.signed(alg, parts[0]+"."+parts[1], signature) {
		return nil, errAssertion
	}
	return c, nil
}

func addressed(audience any, own []string) bool {
	many, ok := audience.([]any)
	if !ok {
		many = []any{audience}
	}
	return slices.ContainsFunc(many, func(one any) bool {
		name := text(one)
		return name != "" && slices.Contains(own, name)
	})
}

func timely(body map[string]any, now time.Time) bool {
	at := float64(now.UnixNano()) / 1e9
	expires, ok := body["exp"].(float64)
	if !ok || expires <= at-assertionSkew.Seconds() || expires > at+(assertionLife+assertionSkew).Seconds() {
		return false
	}
	for _, name := range []string{"iat", "nbf"} {
		if claim, there := body[name]; there {
			if when, ok := claim.(float64); !ok || when > at+assertionSkew.Seconds() {
				return false
			}
		}
	}
	return true
}

func (k *jwk) signed(alg, data string, signature []byte) bool {
	if (k.Use != "" && k.Use != "sig") || (k.Alg != "" && k.Alg != alg) {
		return false
	}
	digest := sha256.Sum256([]byte(data))
	if alg == "ES256" {
		if k.Kty != "EC" || k.Crv != "P-256" || len(signature) != 64 {
			return false
		}
		point := slices.Concat([]byte{4}, fixed(k.X), fixed(k.Y))
		public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
		r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
		return err == nil && ecdsa.Verify(public, digest[:], r, s)
	}
	n, e := new(big.Int).SetBytes(decode(k.N)), new(big.Int).SetBytes(decode(k.E))
	if k.Kty != "RSA" || n.BitLen() < smallestRSA || e.BitLen() > 31 {
		return false
	}
	public := &rsa.PublicKey{N: n, E: int(e.Int64())}
	return rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature) == nil
}

// object decodes a part of a JWT; nil where it is none.
func object(part string) map[string]any {
	raw := decode(part)
	var value map[string]any
	decoder := json.NewDecoder(bytes.NewReader(raw))
	if decoder.Decode(&value) != nil || decoder.More() {
		return nil
	}
	return value
}

// decode gives nil for what is not base64url.
func decode(part string) []byte {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(part)
	if err != nil {
		return nil
	}
	return raw
}

// fixed is a coordinate of a point on P-256.
func fixed(coordinate string) []byte {
	raw := decode(coordinate)
	if len(raw) > 32 {
		return nil
	}
	return append(make([]byte, 32-len(raw)), raw...)
}

func text(value any) string {
	s, _ := value.(string)
	return s
}
