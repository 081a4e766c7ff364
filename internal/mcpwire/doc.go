// Package mcpwire reads and writes the little of MCP's wire format that the gateway has to judge.
//
// It owns: the one strict look into a JSON-RPC body (Peek), the check that the mirrored Mcp-* headers
// say what the body says (CheckHeaders), the answers that the gateway gives by itself (errors, tool
// results, questions to the user), and the names of headers, versions and error codes. One thing it
// changes in a message: what the gateway itself gave the client to bring back is taken out again
// (SwapParams).
//
// It must not: change anything else of a message, decide a policy, speak HTTP to anyone, or import
// another package of this project. What Peek cannot read in exactly one way, it refuses: a runtime behind the gateway may
// parse more loosely (case-folded member names, last duplicate wins), and a message that two parsers
// read differently is how a call slips past a policy.
package mcpwire
