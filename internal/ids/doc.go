// Package ids makes identifiers and bearer secrets.
//
// Identifiers are random 128 bit with a prefix that names their kind and are
// never reused. Bearer secrets are random 256 bit with a prefix and a checksum,
// shown once and stored as SHA-256 only.
package ids
