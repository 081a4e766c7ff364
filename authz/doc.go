// Package authz decides: which console role may do what, which scopes a client is
// granted, and whether granted scopes cover what a call needs. It is pure: no
// database, no HTTP, no clock.
package authz
