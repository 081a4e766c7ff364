// Package driver is what the Go clients under test have in common: stages told on
// stdout, a file that outlives a run, and a browser that comes back to loopback.
//
// It must stay free of MCP and OAuth: those are what is tested.
package driver
