package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/internal/logx"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/workspaces"
)

// newProfiles makes the use cases of profiles, over the provider that grants use. What
// a change takes from people is ended by signIns.
func (g *gateway) newProfiles(signIns profiles.SignIns) *profiles.Profiles {
	return profiles.New(profiles.Options{DB: g.db, Provider: g.provider, Outbound: g.outbound, Origin: tenantOrigin, SignIns: signIns})
}

// tendProfiles lets go of clients that nobody's grant needs any more, and registers
// those anew whose secrets end. One workspace's trouble is not another's.
func (g *gateway) tendProfiles(ctx context.Context) error {
	handles, err := g.db.ForEveryTenant(ctx, "profiles.tend")
	if err != nil {
		return err
	}
	p := g.newProfiles(nil)
	for _, h := range handles {
		_, err := p.Retire(ctx, h)
		if err := errors.Join(err, p.RenewDue(ctx, h)); err != nil {
			g.log.ErrorContext(ctx, "clients at providers were not tended", logx.Tenant, h.Tenant(), logx.Err, err)
		}
	}
	return ctx.Err()
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
