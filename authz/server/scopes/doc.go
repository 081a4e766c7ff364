// Package scopes keeps what a tenant's scopes are: their rows, the changes of them,
// and what a person is told about them before saying yes.
//
// It owns the tables scopes and scope_tools. It decides nothing: package authz does,
// from the catalogue that Load gives. Of the tools of a runtime it knows what it is
// handed, and of the token families it only reads who holds what.
package scopes
