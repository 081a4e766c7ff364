// Package seal is the envelope encryption of stored secrets.
//
// A key-encryption key (KEK) wraps one 256-bit data-encryption key (DEK) per
// tenant; the DEK seals fields with XChaCha20-Poly1305, whose 192-bit random
// nonce needs no counter. Every field is bound to its place (tenant, table,
// column, row, key version), so a ciphertext that was moved does not open.
//
// Values that strangers carry for us, such as the ids of MCP sessions, are sealed in
// an Envelope, whose keys are derived from the data keys for one purpose each.
//
// It owns the format and the cryptography; where wrapped keys are stored is
// tenancy's business.
package seal
