// Package oauthwire reads and writes the few OAuth texts that a protected
// resource has to get exactly right: Bearer and DPoP challenges (RFC 6750, section 3; RFC 9449,
// section 7.1), the access token of a request, and the protected-resource
// metadata document (RFC 9728).
//
// It must not verify a token, know a tenant, or decide a status.
package oauthwire
