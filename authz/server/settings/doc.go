// Package settings keeps what a tenant chose for its authorization server: one
// row, or the defaults where there is none.
//
// It must not act on a setting: whoever serves a request reads them in its own
// transaction and decides.
package settings
