// Package trace keeps one record per connection attempt: what a client asked and
// was answered, from its first discovery request to its first tool call.
//
// It owns traces and their steps: how requests are put together to one attempt
// (correlate.go), what of a request may be kept (redact.go), in which state an
// attempt is, how much is kept and for how long.
//
// It must not decide anything about a request, hold a secret, or make a request
// wait: what it cannot store in time is left out, and counted.
package trace
