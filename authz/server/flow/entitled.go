package flow

import (
	"fmt"
	"strings"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
)

// endUserPrefix begins the ids of people whom an identity provider knows.
const endUserPrefix = "eu_"

func isEndUser(subject string) bool { return strings.HasPrefix(subject, endUserPrefix) }

// Entitled reports whether the subject may act at the tenant: a member, or an end
// user who is not blocked and whose identity provider is on. It is asked at every
// sign-in, page, decision and refresh.
func (f *Flow) Entitled(tx *tenancy.Tx, subject string) (bool, error) {
	if !isEndUser(subject) {
		return tx.IsMember(subject)
	}
	_, err := f.lookup.EndUser(tx, subject)
	if errs.Is(err, errs.NotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("check end user: %w", err)
	}
	return true, nil
}
