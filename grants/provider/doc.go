// Package provider speaks with the authorization server of a profile: discovery, the
// browser's way there, codes, refreshes, revocation, token exchange, registration, and
// who the account belongs to.
//
// It owns: what goes over the wire and how an answer is read, the quirks by which
// providers depart from the standards (Style), the presets of well-known providers
// (presets.json) and what their errors mean in words.
//
// It must not: touch a database, keep a token, retry (a refresh that is sent twice can
// cost the grant), or put anything of a token, code or secret into an error.
package provider
