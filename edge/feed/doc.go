// Package feed fills the edge's snapshot: it reads every tenant's rows, listens
// for change notices and publishes. It is the control side; nothing of a request
// passes through it.
//
// Bounds: a change is at the edge after the notice's way plus Debounce; when its
// notice was lost, after FullReload at the latest. What cannot be read, one tenant
// or the whole database, is tried again and meanwhile served as it was last.
package feed
