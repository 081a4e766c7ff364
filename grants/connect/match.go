package connect

import (
	"net/http"
	"strings"

	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
)

const (
	otherPerson  = "These are two different accounts"
	cureMismatch = "Go back, and choose the right account at the provider: sign out there first if it does not ask. Or sign out here, and sign in as the person whose account that is."
)

// match holds an account against the person who connects it: somebody who signed in at
// the profile's provider has that one account; elsewhere by the profile's rule.
func match(tx *tenancy.Tx, p profiles.Profile, person Person, account provider.Account) (*Refused, error) {
	if IsSubject(person.ID) {
		user, err := userOf(tx, person.ID)
		if err != nil && !errs.Is(err, errs.NotFound) {
			return nil, err
		}
		if err == nil && user.ProfileID == p.ID {
			if user.ExternalID != account.ID {
				return mismatch(p, person, account), nil
			}
			return nil, nil
		}
	}
	if p.Settings.Match != profiles.MatchEmail {
		return nil, nil
	}
	switch {
	case account.Email == "" || !account.EmailVerified:
		r := refuse("email_unverified", http.StatusForbidden, p.Name+" does not say that the account's e-mail address is verified, and only your own account can be connected here.",
			"Verify the address at the provider, or tell the workspace's owner: the profile may not ask for the scope that shows it.", nil)
		r.Expected, r.Got, r.Provider = person.shown(), shown(account), p.Name
		return r, nil
	case !strings.EqualFold(account.Email, person.Email):
		return mismatch(p, person, account), nil
	}
	return nil, nil
}

func mismatch(p profiles.Profile, person Person, account provider.Account) *Refused {
	r := refuse("account_mismatch", http.StatusForbidden, "You are signed in here as one person, and at "+p.Name+" as another. Nothing was connected.", cureMismatch, nil)
	r.Title, r.Expected, r.Got, r.Provider = otherPerson, person.shown(), shown(account), p.Name
	return r
}

// shown is an account for the person who has just signed in with it.
func shown(a provider.Account) string {
	who := Person{Name: a.Name, Email: a.Email}.shown()
	if who == "" {
		return a.ID
	}
	return who
}
