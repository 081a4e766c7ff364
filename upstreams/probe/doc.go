// Package probe asks a runtime's URL, live, whether an MCP server answers there, and explains every
// other answer in words with a next step.
//
// It owns: the order of questions (address, connection, certificate, protocol, lists, worker secret,
// latency), the reading of JSON and event-stream answers, the report and its stable field names, the
// warnings about what clients and their users will stumble over, and the command lines that ask the same.
//
// It must not: store anything, decide what is done with a report, send the secret or a static header to
// another origin than the one that was given, or let a byte of the runtime's text into the report
// uncapped, with control characters, or with the secret in it. It speaks HTTP only through
// internal/outbound and uses no MCP client library: those hide what this package has to explain.
//
// One probe is one budget of time (Budget), one connection pool, and at most two URLs: the given one and,
// where that answers like a web server, one likely neighbour of it on the same origin. Whoever watches
// (Target.OnStep) hears of every step when it is asked and when it is answered, on the probe's own
// goroutine. An address that is refused reads the same whatever is behind it, and as if it took no time.
//
//	question           ok                       otherwise
//	address            the URL is allowed       fail
//	dns                resolved and allowed     fail
//	connect            connected                fail
//	tls                certificate is valid     warn when it ends soon or there is none, fail
//	discover           it speaks 2026-07-28     skip: an older server is asked on, fail in words
//	initialize         it speaks an older one   skip, warn, fail in words for each kind of answer
//	tools              all pages                warn when cut or none, fail
//	prompts, resources all pages                skip: not offered, warn
//	with_secret        it answers               fail: waiting for the secret
//	wrong_secret       it refuses               warn: any secret will do
//	without_secret     it refuses               warn: anyone can call it
//	own_authorization  its 401 names none       warn: resource_metadata
//	latency            the median of a few      warn when slow
//	suggestion         -                        warn: another URL works
package probe
