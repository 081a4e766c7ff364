package profiles

import (
	"fmt"

	"github.com/emcy/gateway/tenancy"
)

// SignIns ends what people were issued who signed in through a profile. An empty
// upstreamID ends it everywhere, with their sessions; another one ends it at that
// runtime.
type SignIns interface {
	EndSignIns(tx *tenancy.Tx, subjects []string, upstreamID, reason string) error
}

// endSignIns is for the change by which a profile's provider no longer signs people in:
// nowhere any more, or not at one runtime.
func (p *Profiles) endSignIns(tx *tenancy.Tx, profileID, upstreamID, reason string) error {
	if p.cfg.SignIns == nil {
		return nil
	}
	var subjects []string
	if err := tx.DB().Model(&userRow{}).Where("profile_id = ?", profileID).Pluck("id", &subjects).Error; err != nil {
		return fmt.Errorf("list people of profile: %w", err)
	}
	if err := p.cfg.SignIns.EndSignIns(tx, subjects, upstreamID, reason); err != nil {
		return fmt.Errorf("end sign-ins of profile: %w", err)
	}
	return nil
}
