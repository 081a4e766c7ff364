// Package oauthwire reads and writes the few OAuth texts that a protected
// resource has to get exactly right: Bearer challenges (RFC 6750, section 3),
// the bearer token of a request (section 2.1), and the protected-resource
// metadata document (RFC 9728).
//
// It must not verify a token, know a tenant, or decide a status.
package oauthwire
