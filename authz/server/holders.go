package server

import (
	"fmt"
	"slices"
	"time"

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

// Held is a client that may act for a person at a runtime.
type Held struct {
	ClientID, UpstreamID string
	// Since is when the person let it in, in the newest of its sign-ins.
	Since time.Time
}

// HeldBy lists the clients that may act for a person now, the newest first.
func HeldBy(tx *tenancy.Tx, subject string) ([]Held, error) {
	var rows []familyRow
	err := tx.DB().Where("subject = ? AND revoked_at IS NULL AND expires_at > ?", subject, tx.Now()).Order("created_at DESC, id").Find(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("list sign-ins of a person: %w", err)
	}
	var out []Held
	for _, r := range rows {
		if !slices.ContainsFunc(out, func(h Held) bool { return h.ClientID == r.ClientID && h.UpstreamID == r.UpstreamID }) {
			out = append(out, Held{ClientID: r.ClientID, UpstreamID: r.UpstreamID, Since: r.CreatedAt})
		}
	}
	return out, nil
}
