// Package flow takes a person from an authorization request to an answer:
// authorize -> sign-in -> consent -> answer.
//
// Each step is a file; no step knows the next one. After each, the dispatcher
// (Next) decides from what is stored where the attempt stands:
//
//	no session, or prompt=login and an older one  -> sign-in
//	signed in, not decided                        -> consent
//	decided                                       -> the stored answer
//
// An attempt is a row that lives ten minutes and is bound to the browser that
// started it. It holds references (client, upstream), not copies of their
// configuration. Its answer is sealed in the row, so that a second click, or a
// click after a crash, gives the same redirect and not a second code.
package flow
