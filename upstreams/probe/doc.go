// Package probe asks a runtime's URL, live, whether an MCP server answers there, and explains every
// other answer in words with a next step.
//
// It owns: the order of questions (address, connection, certificate, protocol, tools, worker secret), the
// reading of JSON and event-stream answers, the report and its stable field names, and the warnings about
// tools that clients will stumble over.
//
// It must not: store anything, decide what is done with a report, send the secret or a static header to
// another origin than the one that was given, or let a byte of the runtime's text into the report
// uncapped, with control characters, or with the secret in it. It speaks HTTP only through
// internal/outbound and uses no MCP client library: those hide what this package has to explain.
//
// One probe is one budget of time (Budget), one connection pool, and at most two URLs: the given one and,
// where that answers like a web server, one likely neighbour of it on the same origin.
//
//	question         ok                     otherwise
//	address          the URL is allowed     fail
//	connect          resolved, connected    fail
//	tls              certificate is valid   warn when it ends soon, fail
//	protocol         discover, initialize   fail, in words for each kind of answer
//	tools            all pages              warn when cut, fail
//	with_secret      it answers             fail: waiting for the secret
//	without_secret   it refuses             warn: anyone can call it
//	suggestion       -                      warn: another URL works
package probe
