package grants

import (
	"fmt"
	"strings"

	"gorm.io/gorm"

	"github.com/emcy/gateway/tenancy"
)

// MaxListed is the most that one List gives.
const MaxListed = 500

// Filter says which grants are meant. The zero value means all.
type Filter struct {
	// State narrows to one state. StateRefreshing are those whose lease lives; they are
	// not among StateConnected and StateRefreshFailing meanwhile.
	State State
	// ProfileID narrows to one profile, Subject to one person.
	ProfileID, Subject string
	// Text is a part of the account's name or id at the provider, in any case.
	Text string
	// Subjects are people who are meant although their account does not contain Text.
	Subjects []string
	// After is the last id of the page before.
	After string
	// Limit is the most that List gives, at most MaxListed and that where it is zero.
	Limit int
}

// Get gives one grant. Errors: errs.NotFound.
func Get(tx *tenancy.Tx, id string) (Grant, error) {
	row, err := read(tx, "id = ?", id)
	if err != nil {
		return Grant{}, err
	}
	return row.grant(), nil
}

// Find gives the grant of a profile and subject. Errors: errs.NotFound.
func Find(tx *tenancy.Tx, profileID, subject string) (Grant, error) {
	row, err := read(tx, "profile_id = ? AND subject = ?", profileID, subject)
	if err != nil {
		return Grant{}, err
	}
	return row.grant(), nil
}

// ForSubject gives the grants of one person that are not revoked.
func ForSubject(tx *tenancy.Tx, subject string) ([]Grant, error) {
	return list(tx, reading(tx).Where("subject = ? AND state <> ?", subject, string(StateRevoked)).Order("profile_id").Limit(MaxListed))
}

// List gives a page of grants, those that were made last first.
func List(tx *tenancy.Tx, f Filter) ([]Grant, error) {
	query := f.on(tx, reading(tx))
	if f.After != "" {
		query = query.Where("id < ?", f.After)
	}
	limit := f.Limit
	if limit <= 0 || limit > MaxListed {
		limit = MaxListed
	}
	return list(tx, query.Order("id DESC").Limit(limit))
}

// Counts says how many grants are in each state, of those that the filter means but
// for its State, After and Limit.
func Counts(tx *tenancy.Tx, f Filter) (map[State]int, error) {
	out := map[State]int{}
	f.State = StateNone
	stored, err := f.count(tx)
	if err != nil {
		return nil, err
	}
	f.State = StateRefreshing
	refreshing, err := f.count(tx)
	if err != nil {
		return nil, err
	}
	for state, n := range stored {
		out[state] += n
	}
	for state, n := range refreshing { // the states that they are stored as
		out[state] -= n
		out[StateRefreshing] += n
	}
	return out, nil
}

func (f Filter) count(tx *tenancy.Tx) (map[State]int, error) {
	var counts []struct {
		State State
		N     int
	}
	if err := f.on(tx, tx.DB().Model(&grantRow{})).Select("state, count(*) AS n").Group("state").Find(&counts).Error; err != nil {
		return nil, fmt.Errorf("count grants: %w", err)
	}
	out := make(map[State]int, len(counts))
	for _, c := range counts {
		out[c.State] = c.N
	}
	return out, nil
}

// CountProfiles says how many grants of each profile are not revoked.
func CountProfiles(tx *tenancy.Tx) (map[string]int, error) {
	var counts []struct {
		ProfileID string
		N         int
	}
	err := tx.DB().Model(&grantRow{}).Where("state <> ?", string(StateRevoked)).Select("profile_id, count(*) AS n").Group("profile_id").Find(&counts).Error
	if err != nil {
		return nil, fmt.Errorf("count grants of profiles: %w", err)
	}
	out := make(map[string]int, len(counts))
	for _, c := range counts {
		out[c.ProfileID] = c.N
	}
	return out, nil
}

// Subjects gives the people who have a grant, whatever its state.
func Subjects(tx *tenancy.Tx) ([]string, error) {
	var out []string
	if err := tx.DB().Model(&grantRow{}).Distinct().Order("subject").Pluck("subject", &out).Error; err != nil {
		return nil, fmt.Errorf("list people with grants: %w", err)
	}
	return out, nil
}

func (f Filter) on(tx *tenancy.Tx, query *gorm.DB) *gorm.DB {
	const leased = "(lease_id <> '' AND lease_until IS NOT NULL AND lease_until > ?)"
	switch f.State {
	case StateNone:
	case StateRefreshing:
		query = query.Where("state IN ? AND "+leased, living, databaseTime(tx, 0))
	case StateConnected, StateRefreshFailing:
		query = query.Where("state = ? AND NOT "+leased, string(f.State), databaseTime(tx, 0))
	case StateNeedsReconnect, StateRevoked:
		query = query.Where("state = ?", string(f.State))
	default:
		query = query.Where("1 = 0") // no grant is in a state that there is not
	}
	if f.ProfileID != "" {
		query = query.Where("profile_id = ?", f.ProfileID)
	}
	if f.Subject != "" {
		query = query.Where("subject = ?", f.Subject)
	}
	if f.Text != "" {
		like := "%" + strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(strings.ToLower(f.Text)) + "%"
		query = query.Where(`lower(account_name) LIKE ? ESCAPE '\' OR lower(account_id) LIKE ? ESCAPE '\' OR subject IN ?`, like, like, append([]string{""}, f.Subjects...))
	}
	return query
}

func list(tx *tenancy.Tx, query *gorm.DB) ([]Grant, error) {
	var rows []grantRow
	if err := query.Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("list grants: %w", err)
	}
	out := make([]Grant, len(rows))
	for i := range rows {
		rows[i].seen(tx)
		out[i] = rows[i].grant()
	}
	return out, nil
}
