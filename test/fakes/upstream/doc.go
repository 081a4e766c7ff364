// Package upstream is a customer's MCP server for tests: real HTTP on loopback,
// a few tools on the official Go SDK, the check of the worker secret, and a
// record of every request that arrived.
//
// It keeps the worker contract the way a runtime does and knows nothing of the
// gateway; it must never import a package of this project.
package upstream
