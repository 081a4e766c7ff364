// Package integration wires several packages in one process, as cmd does, and
// drives them over HTTP: one node on SQLite, two nodes with connections of their
// own on one PostgreSQL database.
//
// It holds what no single package can prove: that what one node of the
// authorization server ends is refused by the edges of all. It has no code of the
// product, and starts no binary: that is test/e2e.
package integration
