// Package web is the console: an Echo application of server-rendered pages, its
// sessions, its forms and its live streams. It turns domain values into the view
// models of ui and nothing else: what may happen is decided in the domain packages.
//
// A request passes, in this order: request id, recover, real address, security
// headers, the console's own host, same-origin check of unsafe methods, body limit,
// session, form token, and for a workspace's route the membership and the
// permission. Every route is registered by exactly one of four functions:
//
//	open      anybody                          health, assets, robots.txt, reports
//	guest     anybody, forms with a double-submitted token    sign-up, sign-in
//	person    a session, forms with its token                 workspaces
//	tenant    a session, a membership and a named permission  everything else
//
// Routes lists them, so that a test can walk every one.
//
// It must not: read the environment, open a database, make outbound requests, keep
// state of its own beyond open streams, or write an error anywhere but in errors.go.
package web
