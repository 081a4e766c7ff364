// Package feed fills the edge's snapshot: it reads every tenant's rows, listens
// for change notices and publishes. It is the control side; nothing of a request
// passes through it.
//
// Bounds: a change is at the edge after the notice's way plus Debounce; without
// notices, after FullReload at the latest. While the database is away the last
// snapshot goes on being served.
package feed
