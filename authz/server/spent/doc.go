// Package spent remembers what may be used once: the jti of an assertion or a proof,
// until it has expired.
//
// It owns the table spent_tokens and nothing else. All nodes share it, so that what was
// used at one is used at all of them.
package spent
