package main

import (
	"github.com/emcy/gateway/cmd/join"
	"github.com/emcy/gateway/grants/connect"
)

// newConnects makes what takes people to providers and back, over the provider and
// the grants that everything uses.
func (g *gateway) newConnects() (*connect.Connects, error) {
	return connect.New(connect.Config{DB: g.db, Provider: g.provider, Grants: g.grants, Outbound: g.outbound})
}

// connectPages lets the authorization server's pages connect people's accounts.
func (g *gateway) connectPages() join.Connects {
	return join.Connects{Connect: g.connects, Profiles: g.newProfiles(nil)}
}
