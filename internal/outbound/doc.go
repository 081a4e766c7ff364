// Package outbound is the one way out for every URL that a user or a document can name: runtimes,
// client metadata documents, key sets, authorization servers, webhooks.
//
// It owns: the strict reading of such a URL (CheckURL), the check of the address that is really dialled
// (in net.Dialer.Control, so that neither a second DNS answer nor a redirect gets past it), the caps on
// time, headers and body, and errors that say what went wrong in words fit to be shown.
//
// It must not: follow a redirect, read proxy settings, keep cookies, answer an HTTP authentication,
// expand a compressed body, or put a resolved address or a byte of a body into words for a user. It
// imports no other package of this project.
//
// It has two faces. Client.Do and Client.GetJSON fetch a bounded document. Client.Transport is for the
// edge's proxy: the same dial check, pooled connections, and no overall timeout, since event streams
// live long.
//
// Private targets (loopback, RFC 1918, unique local addresses) and plain http are open only with
// Config.AllowPrivate, for a gateway on someone's own machine or network. Link-local addresses, and with
// them the metadata services of clouds, stay closed even then.
package outbound
