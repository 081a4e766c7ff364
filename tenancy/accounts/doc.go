// Package accounts is people: their accounts, passwords and console sessions.
//
// A password check answers the same, in the same time, whether or not the account
// exists. Sessions are rows; the cookie holds a random value whose hash is the
// row's key, and a session names its origin and is refused on any other, because
// browsers ignore the port in cookies.
package accounts
