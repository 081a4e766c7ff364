// Package keys keeps a tenant's signing keys and moves them through their states:
//
//	next     published, so that everybody has it before it signs
//	active   signs access tokens and assertions; there is always exactly one
//	retired  published for as long as a token that it signed can live
//
// A kid is the key's thumbprint (RFC 7638). Private keys are stored sealed and are
// opened for the active key only.
//
// It must not sign or verify a token: it hands out signers and public keys.
package keys
