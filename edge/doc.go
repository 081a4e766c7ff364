// Package edge is the MCP data plane: from a request's origin to the runtime's
// answer, decided from the snapshot, without a database.
//
// It owns: finding the tenant of an origin, the path rules of a tenant's origin,
// protected-resource metadata, which pages may call (CORS), the check of access
// tokens, the sessions of runtimes as clients know them, the worker contract towards
// the runtime, the person's downstream token on its way there and the ways of asking a
// client to let its person connect, the end of a loop back to the gateway, the relay of the answer and the
// end of streams, and one usage event per MCP request (of requests without an
// accepted token only so many in a second).
//
//	any path of an unknown origin                       421
//	/{runtime}/mcp                                      MCP
//	/.well-known/oauth-protected-resource/{runtime}/mcp metadata (RFC 9728)
//	/.well-known/oauth-protected-resource...            404
//	everything else                                     Config.Auth
//
// An MCP request goes through, in this order: CORS preflight, Via, Origin, token,
// scope, HTTP method, body, session, downstream token, runtime. Every answer that the gateway makes by itself
// is written in answer.go.
//
// It must not: reach the database, redirect, change a message (what it gave the client to
// bring back is taken out again, state.go), send a message twice (one that the runtime
// answered with 401 for the person's token goes out once more with another one, ADR 0011),
// pass the client's credentials on, or show the client the runtime's, of which
// the id of a session is one.
package edge
