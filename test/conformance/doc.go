// Package conformance runs the official MCP conformance suite, reads what it
// found, and compares two runs: one against a server and one against the same
// server behind something else.
//
// It owns the pinned suite (package.json) and knows nothing of the gateway: what
// the suite is pointed at is the caller's business. It must never import a
// package of the product.
package conformance
