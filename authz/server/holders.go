package server

import (
	"fmt"

	"github.com/emcy/gateway/tenancy"
)

// Use is how many let a client act for them.
type Use struct {
	// Families are the sign-ins that live, People those who signed in.
	Families, People int
}

// UseOf counts the living sign-ins of clients, by client id.
func UseOf(tx *tenancy.Tx, clientIDs []string) (map[string]Use, error) {
	var rows []struct {
		ClientID         string
		Families, People int
	}
	err := tx.DB().Model(&familyRow{}).Select("client_id", "count(*) AS families", "count(DISTINCT subject) AS people").
		Where("client_id IN ? AND revoked_at IS NULL AND expires_at > ?", clientIDs, tx.Now()).Group("client_id").Find(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("count sign-ins of clients: %w", err)
	}
	out := map[string]Use{}
	for _, r := range rows {
		out[r.ClientID] = Use{r.Families, r.People}
	}
	return out, nil
}
