// Package grants keeps the downstream tokens of people: one grant per tenant, profile
// and subject, sealed, refreshed before it ends, and never lost where the provider
// has not lost it.
//
//	Save, SaveKey    a grant out of a connect, or a key that somebody typed in
//	Resolve          the credential for a call; refreshes first where it has to
//	Source           the same from memory, for the edge
//	Refresh          the one entry point for every refresh: edge, queue and console
//	Suspect          after a runtime refused a token: one refresh
//	Disconnect       takes a grant back here, and has it taken back at the provider
//	RevokeAll        the same for a grant, a profile or a workspace, with a report
//	ClaimDue         asks for the refreshes that are due; RefreshDue does one of them
//	RevokeDue        takes tokens back at providers
//
// States: connected, refresh_failing (the provider does not renew it now; it is kept),
// needs_reconnect (dead: only the person can renew it), revoked (taken back). That a
// refresh is running is derived from the lease.
//
// A refresh takes a lease on the row, commits, calls the provider with no transaction
// open, and stores what came back before anybody uses it. A refresh token that was
// answered with another one is never sent again.
//
// It must not show a token to anybody but the edge: no token in logs, errors, job
// arguments or notices. It must not know how a provider is spoken to (grants/provider),
// what a profile may say (grants/profiles), or how a person connects (grants/connect).
package grants
