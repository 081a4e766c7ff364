// Package issuers keeps whom a tenant trusts to say who its people are: the issuers of
// identity assertions (ID-JAG, draft-ietf-oauth-identity-assertion-authz-grant), and
// reads those assertions.
//
// It owns the table trusted_issuers, the claims of an ID-JAG and every rule of them that
// one can judge without the token request. Of end users it only reads who an issuer's
// subject is.
//
// It must not: fetch anything itself, issue a token, or remember an assertion: that one
// is used once is package spent's.
package issuers
