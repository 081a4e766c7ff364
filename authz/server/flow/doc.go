// Package flow takes a person from an authorization request, or from a device's code,
// to an answer: authorize -> sign-in (here, or at an identity provider) -> consent ->
// answer.
//
// Each step is a file; no step knows the next one. After each, the dispatcher
// (Next) decides from what is stored where the attempt stands:
//
//	no session, or prompt=login and an older one  -> sign-in
//	signed in, for no client                      -> the person's own page
//	signed in, not decided                        -> consent
//	decided                                       -> the stored answer
//
// An attempt is a row that lives ten minutes and is bound to the browser that
// started it. It holds references (client, upstream), not copies of their
// configuration. Its answer is sealed in the row, so that a second click, or a
// click after a crash, gives the same redirect and not a second code.
//
// A yes is asked for each time, unless everything holds that Remembered lists. What
// is granted is never more than what was asked for now or allowed before, and only
// what was ticked. Where the browser goes to a third party on the way, Bind and
// Unbind tie the way back to the browser that a yes sent out.
//
// It also owns the sessions at a tenant's origin and the one answer to who may act
// there (Entitled). It must not: know HTTP, issue tokens, or trust what a client says
// about itself.
package flow
