// Package snapshot is the edge's immutable view of every tenant: origins, keys,
// runtimes, revocations. A request loads one pointer and decides everything from
// what it points to.
//
// It is a leaf: package edge/feed fills it, package edge reads it, and nobody
// changes a value that was published.
package snapshot
