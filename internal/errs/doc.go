// Package errs gives every error that crosses a package boundary a kind, a
// text that may be shown, and a cause that may not.
//
// It owns the list of kinds; how a kind looks on a surface (console page,
// problem+json, OAuth error, MCP error, job outcome) is that surface's
// business, in one writer each.
package errs
