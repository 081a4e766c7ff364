// Package profiles keeps a tenant's profiles: reusable settings of a downstream (its
// authorization server, our client there, allowed scopes, identity rule), and to which
// runtimes each is attached.
//
// It owns three tables: profiles, profile_clients and profile_upstreams. A profile's
// clients come in generations: a new client ID or credential is a new generation, a
// grant stays bound to the one that it came from, and an old one retires when no grant
// uses it. What a client proves itself with is sealed in its row and leaves this
// package in Config only.
//
// A secret goes to the host that it was typed for and to no other: where a profile's
// endpoints move to another origin, its secret has to be typed anew, and a profile
// whose people are connected does not move.
//
// It counts the rows of package grants, which stands on this one, and changes none but
// those that ended, when their profile is removed.
//
// It must not: show or log a secret, or call a provider while a transaction is open.
package profiles
