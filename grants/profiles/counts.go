package profiles

import (
	"fmt"
	"strconv"

	"github.com/emcy/gateway/tenancy"
)

// grantRow and revocationRow are what is read here of package grants' rows.
type grantRow struct {
	TenantID         string
	ProfileID        string
	State            string
	ClientGeneration int
}

func (grantRow) TableName() string { return "grants" }

type revocationRow struct {
	TenantID         string
	ProfileID        string
	State            string
	ClientGeneration int
}

func (revocationRow) TableName() string { return "grant_revocations" }

// Counts are a profile's grants by their state.
type Counts struct{ Connected, Failing, NeedReconnect, Revoked int }

// Live counts those that did not end.
func (c Counts) Live() int { return c.Connected + c.Failing + c.NeedReconnect }

type countRow struct {
	ProfileID string
	State     string
	N         int
}

// CountGrants counts a profile's grants.
func CountGrants(tx *tenancy.Tx, profileID string) (Counts, error) {
	all, err := countGrants(tx, "profile_id = ?", profileID)
	return all[profileID], err
}

// CountAllGrants counts the grants of all of the tenant's profiles, by profile.
func CountAllGrants(tx *tenancy.Tx) (map[string]Counts, error) { return countGrants(tx, "1 = 1") }

func countGrants(tx *tenancy.Tx, where string, args ...any) (map[string]Counts, error) {
	var rows []countRow
	err := tx.DB().Model(&grantRow{}).Select("profile_id, state, count(*) AS n").Where(where, args...).Group("profile_id, state").Scan(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("count grants: %w", err)
	}
	out := map[string]Counts{}
	for _, row := range rows {
		c := out[row.ProfileID]
		switch row.State {
		case "connected":
			c.Connected += row.N
		case "refresh_failing":
			c.Failing += row.N
		case "needs_reconnect":
			c.NeedReconnect += row.N
		default:
			c.Revoked += row.N
		}
		out[row.ProfileID] = c
	}
	return out, nil
}

func pendingRevocations(tx *tenancy.Tx, profileID string) (int, error) {
	var n int64
	err := tx.DB().Model(&revocationRow{}).Where("profile_id = ? AND state = ?", profileID, "pending").Count(&n).Error
	if err != nil {
		return 0, fmt.Errorf("count revocations: %w", err)
	}
	return int(n), nil
}

func many(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

func people(n int) string {
	if n == 1 {
		return "1 person is"
	}
	return strconv.Itoa(n) + " people are"
}

func connections(n int) string {
	if n == 1 {
		return "1 connection is"
	}
	return strconv.Itoa(n) + " connections are"
}
