// Package server is the OAuth 2.1 authorization server of every tenant, on the
// tenant's own origin, which is its issuer.
//
//	GET       /.well-known/oauth-authorization-server    RFC 8414
//	GET       /.well-known/openid-configuration          the same document, for clients that try it
//	          (both also with /{upstream}/mcp inserted behind or before, because clients try those)
//	GET       /jwks                                      RFC 7517
//	POST      /register                                  RFC 7591
//	GET PUT DELETE /register/{client}                    RFC 7592
//	GET POST  /authorize                                 RFC 6749, 7636, 8707, 9207
//	POST      /token                                     authorization_code, refresh_token
//	POST      /revoke, /introspect                       RFC 7009, RFC 7662
//	POST      /par                                       RFC 9126
//	GET POST  /sign-in, /consent; POST /sign-out         end-user pages (package flow)
//	GET POST  /sign-in/{provider}; GET /callback/...     sign-in at the tenant's provider (package idp)
//	GET       /done                                      where a device's attempt ends
//	GET POST  /me/apps, /me/...                          what can act for a person, and its end
//
// The HTTP layer here is strict where the library behind it (package oplib) is
// not: single parameters, form bodies only, nothing in the query of a POST, exact
// redirect URIs, PKCE S256 always, no-store, iss.
//
// Refreshes that come while others of the tenant are being stored share the next
// transaction (rotations.go, shared.go); each is judged by itself, and one that is not ordinary
// has a transaction of its own.
//
// It issues tokens and never sees a runtime's or a downstream's.
package server
