package profiles

import (
	"fmt"
	"strings"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
)

// connectRow and userRow are what is changed and read here of package grants/connect's rows.
type connectRow struct{ TenantID, ProfileID string }

func (connectRow) TableName() string { return "connects" }

type userRow struct{ TenantID, ID, ProfileID string }

func (userRow) TableName() string { return "profile_users" }

// nothingUnderWay keeps what was meant for the old hosts from arriving at the new ones:
// tokens that wait to be taken back there, and codes of connects that have begun, with
// which the secret of the earlier client would go.
func nothingUnderWay(tx *tenancy.Tx, id string, d draft, hosts []string) error {
	pending, err := pendingRevocations(tx, id)
	if err != nil {
		return err
	}
	if pending > 0 {
		text := fmt.Sprintf("%s still being taken back at the provider, and the tokens would go to %s. Try again when that is over, or make another profile.", connections(pending), strings.Join(hosts, " and "))
		return errs.Field(movedField(d), text)
	}
	if err := tx.DB().Where("profile_id = ?", id).Delete(&connectRow{}).Error; err != nil {
		return fmt.Errorf("end connects that have begun: %w", err)
	}
	return nil
}

// samePeople refuses another provider, or another rule of who somebody is, for a profile
// with which people have signed in: there, the same account id may be somebody else's,
// who would come in as the person that it was.
func samePeople(tx *tenancy.Tx, stored Profile, d draft) error {
	var field string
	was, is := stored.Settings.Style.Identity, d.Style.Identity
	switch {
	case stored.Kind != KindOAuth:
		return nil
	case stored.Issuer != d.Issuer || len(goesElsewhere(stored, d)) > 0 || originOf(stored.Endpoints().JWKS) != originOf(d.endpoints().JWKS):
		field = movedField(d)
	case was.From != is.From || was.ID != is.ID || was.URL != is.URL:
		field = "identity_from"
	default:
		return nil
	}
	var n int64
	if err := tx.DB().Model(&userRow{}).Where("profile_id = ?", stored.ID).Count(&n).Error; err != nil {
		return fmt.Errorf("count people who signed in: %w", err)
	}
	if n == 0 {
		return nil
	}
	return errs.Field(field, fmt.Sprintf("%s known by their account at this provider, and the same account there may be another person's. Make another profile.", people(int(n))))
}
