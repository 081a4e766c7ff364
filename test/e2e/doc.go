// Package e2e tests the built binary from outside: a browser, the official MCP
// client, real runtimes, both databases, and a process that is killed. Its tests
// need the build tag e2e; `make e2e` installs what they need and runs them.
//
// It knows the gateway by its command line, its addresses and its pages only,
// and must never import a package of the product.
package e2e
