package main

import (
	"fmt"

	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/workspaces"
)

// newProfiles makes the use cases of profiles, over the provider that grants use.
func (g *gateway) newProfiles() *profiles.Profiles {
	return profiles.New(profiles.Options{DB: g.db, Provider: g.provider, Outbound: g.outbound, Origin: tenantOrigin})
}

// tenantOrigin is the workspace's oldest origin, which is its issuer.
func tenantOrigin(tx *tenancy.Tx) (string, error) {
	t, err := workspaces.Load(tx)
	if err != nil {
		return "", err
	}
	if len(t.Origins) == 0 {
		return "", fmt.Errorf("workspace %s has no origin", t.ID)
	}
	return t.Origins[0], nil
}
