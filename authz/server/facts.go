package server

import (
	"fmt"

	"github.com/emcy/gateway/authz/server/clients"
	"github.com/emcy/gateway/authz/server/flow"
	"github.com/emcy/gateway/tenancy"
)

// Facts count how far clients came with a runtime, for the console's funnel.
type Facts struct{ Registered, SignedIn, Consented int }

// FactsOf counts them.
func FactsOf(tx *tenancy.Tx, upstreamID string) (Facts, error) {
	registered, err := clients.Count(tx)
	if err != nil {
		return Facts{}, err
	}
	var codes int64
	if err := tx.DB().Model(&familyRow{}).Where("upstream_id = ? AND revoked_at IS NULL", upstreamID).Count(&codes).Error; err != nil {
		return Facts{}, fmt.Errorf("count consents: %w", err)
	}
	signedIn, err := flow.SignedIn(tx)
	if err != nil {
		return Facts{}, err
	}
	// A consent is only given by somebody who signed in, also when that session is over.
	return Facts{Registered: int(registered), SignedIn: max(signedIn, int(codes)), Consented: int(codes)}, nil
}
