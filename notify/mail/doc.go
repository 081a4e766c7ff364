// Package mail hands messages to the mail server that the operator has set, over SMTP.
//
// It owns: the reading of the server's URL, the connection with TLS and authentication,
// the form of a message (plain text and HTML, no attachment, nothing remote in it), and
// errors that say whether another try can help, in words that name neither the server
// nor its answer's secrets.
//
// It must not: know events, recipients' names or the database, take a header from
// outside without cleaning it, or send a password over a connection without TLS, except
// on the machine itself.
package mail
