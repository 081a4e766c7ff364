// Package mail is a mail server on loopback that takes what is handed in over SMTP
// and shows it, for tests. It is built on emersion/go-smtp, which shares no code with the
// client of the gateway, and can refuse, dawdle, want TLS and want a password.
package mail
