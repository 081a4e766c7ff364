// Package oplib is the adapter to zitadel/oidc's op.Server, and its only importer.
//
// It turns the library's requests into this project's own types and the project's
// errors into the library's, and reads a client's credentials, in one way for every
// endpoint. What else the library does not do strictly (single parameters, POST only,
// redirect matching, PKCE as a demand, iss, no-store, which grants a tenant has on)
// is done by the HTTP layer of package server before and around it.
package oplib
