// Package upstreams is the registry of a tenant's runtimes: where they are, the
// secret that the gateway proves itself with, static headers, and what the last
// probe found; and the tool snapshot of each, with its past.
//
// A probe is the only way by which tools are listed. What it lists goes into the
// snapshot in the transaction that keeps its report; a probe that cannot list them
// leaves the snapshot as it was.
//
// Secrets are sealed in their rows and leave this package in two ways only: the
// worker secret to the member who just made it, for a short while, and both kinds
// to the edge's snapshot.
//
// Probing happens outside any transaction.
package upstreams
