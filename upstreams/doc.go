// Package upstreams is the registry of a tenant's runtimes: where they are, the
// secret that the gateway proves itself with, static headers, and what the last
// probe found.
//
// Secrets are sealed in their rows and leave this package in two ways only: the
// worker secret to the member who just made it, for a short while, and both kinds
// to the edge's snapshot.
//
// Probing happens outside any transaction.
package upstreams
