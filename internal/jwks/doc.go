// Package jwks finds the public keys that other parties sign with: issuers of
// assertions, clients that authenticate by one, and providers of ID tokens.
//
// It owns: the reading of a key set (public signature keys of the allowed algorithms and
// nothing else), the choice of the keys that a JWT's header may mean, and the cache of
// the sets that are fetched: capped, one request a minute for one address, the last good
// set for a day.
//
// It must not: decide whom to trust, read a claim, or let the JWT name the key or its
// address (jku, jwk, x5u and x5c are never read).
package jwks
