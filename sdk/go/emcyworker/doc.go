// Package emcyworker is the worker contract of Emcy Gateway for runtimes written in Go.
//
// [Middleware] lets in only the gateway: requests with the secret that the runtime shares
// with it, or with an assertion that it signed. [FromContext] and [FromHeader] say who
// sent such a request. The package needs the standard library alone and never reads a
// body.
//
// Settings come from the environment:
//
//	EMCY_WORKER_SHARED_SECRET   the secret; several, separated by commas, are all valid
//	EMCY_WORKER_ISSUER          workspaces' origins whose assertions count, by commas
//	EMCY_WORKER_AUDIENCE        this runtime's URL as the console has it; several by commas
//	EMCY_WORKER_SECRET_HEADER, EMCY_WORKER_SUBJECT_HEADER, EMCY_WORKER_TENANT_HEADER,
//	EMCY_WORKER_CLIENT_HEADER, EMCY_WORKER_REQUEST_ID_HEADER,
//	EMCY_WORKER_ASSERTION_HEADER, EMCY_UPSTREAM_ACCESS_TOKEN_HEADER
//	                            names of headers that were renamed in the console; the last
//	                            is Authorization in Bearer mode
package emcyworker
