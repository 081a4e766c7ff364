// Package event is the usage event: one record per MCP request. The edge makes
// it, package usage stores it, and neither needs to know the other.
package event
