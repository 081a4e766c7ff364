// Package authz decides: which console role may do what, and whether a granted
// scope covers what a call needs. It is pure: no database, no HTTP, no clock.
package authz
