// Package workspaces is tenants and their members: names and slugs, the origin a
// tenant gets, who belongs to it. The gate (tenancy) reads these rows to mint
// handles; this package is the one that writes them.
package workspaces
