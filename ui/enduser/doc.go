// Package enduser holds the pages that end users see on a tenant's own origin: sign-in, consent, errors.
// They carry no script, no remote content and none of the console's chrome. Everything that a client says about
// itself is shown as its own claim.
package enduser
