// Package clients owns the clients of every tenant: how they come to be known
// (dynamic registration, client ID metadata documents, by hand in the console),
// whether a tenant lets them in, how they prove themselves, and where they may be
// sent back to.
//
// It speaks no HTTP of its own: documents and key sets come by internal/outbound, and
// package server serves the endpoints. It must not issue or end tokens: what has to end
// with a client is told to its owner by Config.Ended.
package clients
