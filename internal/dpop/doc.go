// Package dpop judges DPoP proofs (RFC 9449): whether the sender of one request
// holds the private key that it shows. It also makes and checks the nonces that a
// server may ask for (section 8), which need no memory.
//
// It must not remember a proof: whether its jti was seen before is its caller's to
// know, who knows how far to look.
package dpop
