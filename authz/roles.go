package authz

import "slices"

// Role is a member's role in a workspace.
type Role string

// The roles, from most to least.
const (
	Owner     Role = "owner"
	Admin     Role = "admin"
	Developer Role = "developer"
	Viewer    Role = "viewer"
)

// Permission is one right in the console.
type Permission string

// The permissions. A console route names exactly one.
const (
	ReadWorkspace  Permission = "workspace.read"
	WriteUpstreams Permission = "upstreams.write"
	ReadLogs       Permission = "logs.read"
	// WriteSettings is how people and clients may come in at all.
	WriteSettings Permission = "settings.write"
	// WriteProfiles is which downstreams there are, and with what client the gateway comes to them.
	WriteProfiles Permission = "profiles.write"
	// WriteGrants is to end people's grants, and to ask people to connect again.
	WriteGrants Permission = "grants.write"
)

var granted = map[Role][]Permission{
	Owner:     {ReadWorkspace, WriteUpstreams, ReadLogs, WriteSettings, WriteProfiles, WriteGrants},
	Admin:     {ReadWorkspace, WriteUpstreams, ReadLogs, WriteSettings, WriteProfiles, WriteGrants},
	Developer: {ReadWorkspace, WriteUpstreams, ReadLogs},
	Viewer:    {ReadWorkspace, ReadLogs},
}

// Allow reports whether the role has the permission. An unknown role has none.
func Allow(role Role, p Permission) bool { return slices.Contains(granted[role], p) }

// Needs names the least role that has the permission, for the text that tells
// somebody whom to ask.
func Needs(p Permission) Role {
	for _, role := range []Role{Viewer, Developer, Admin, Owner} {
		if Allow(role, p) {
			return role
		}
	}
	return Owner
}
