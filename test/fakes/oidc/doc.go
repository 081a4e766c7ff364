// Package oidc holds OpenID providers for tests, real HTTP on loopback.
//
// Provider is made here and can be told to misbehave: every part of its metadata, keys,
// answers and ID tokens can be replaced. Start runs one that others wrote and that is
// certified, npm oidc-provider, with one client and one person.
//
// It knows nothing of the gateway; it must never import a package of this project.
package oidc
