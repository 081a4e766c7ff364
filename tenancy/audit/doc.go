// Package audit is the append-only record of who did what. An entry is written in
// the transaction of the change it tells of: when it cannot be written, the change
// does not happen.
package audit
