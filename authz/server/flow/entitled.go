package flow

import (
	"context"
	"fmt"
	"strings"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
)

const (
	// endUserPrefix begins the ids of people whom an identity provider knows.
	endUserPrefix = "eu_"
	// profileUserPrefix begins the ids of people who signed in at a profile's provider.
	profileUserPrefix = "pu_"
)

func isEndUser(subject string) bool     { return strings.HasPrefix(subject, endUserPrefix) }
func isProfileUser(subject string) bool { return strings.HasPrefix(subject, profileUserPrefix) }

// Entitled reports whether the subject may act at the tenant: a member, an end user
// who is not blocked and whose identity provider is on, or somebody who signs in at
// a profile's provider. It is asked at every sign-in, page, decision and refresh.
func (f *Flow) Entitled(tx *tenancy.Tx, subject string) (bool, error) {
	if !isEndUser(subject) && !isProfileUser(subject) {
		return tx.IsMember(subject)
	}
	_, _, err := f.outsider(tx, subject)
	if errs.Is(err, errs.NotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("check end user: %w", err)
	}
	return true, nil
}

// EntitledAt is Entitled for one runtime: who signed in at a profile's provider may
// act only where that profile signs people in, because the provider may let in
// anybody. Members and end users whose consent is older than the profile go on.
func (f *Flow) EntitledAt(tx *tenancy.Tx, subject, upstreamID string) (bool, error) {
	if ok, err := f.Entitled(tx, subject); err != nil || !ok || !isProfileUser(subject) {
		return ok, err
	}
	return f.belongs(tx, subject, upstreamID)
}

// belongs reports whether the subject came by the way in which the runtime wants
// people to sign in.
func (f *Flow) belongs(tx *tenancy.Tx, subject, upstreamID string) (bool, error) {
	profile, err := f.accounts.SignIn(tx, upstreamID)
	if err != nil {
		return false, fmt.Errorf("read sign-in of runtime: %w", err)
	}
	if !isProfileUser(subject) {
		return profile == "", nil
	}
	_, from, err := f.accounts.Known(tx, subject)
	if errs.Is(err, errs.NotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("check end user: %w", err)
	}
	return profile == from, nil
}

// outsider is a person who is no member; errs.NotFound where there is none.
func (f *Flow) outsider(tx *tenancy.Tx, subject string) (p Person, profileID string, err error) {
	if isProfileUser(subject) {
		return f.accounts.Known(tx, subject)
	}
	p, err = f.lookup.EndUser(tx, subject)
	return p, "", err
}

// Person tells who a subject is; the zero Person for nobody.
func (f *Flow) Person(ctx context.Context, h tenancy.Handle, subject string) (p Person, err error) {
	switch {
	case subject == "":
		return Person{}, nil
	case isEndUser(subject), isProfileUser(subject):
		err = f.db.Read(ctx, h, func(tx *tenancy.Tx) error {
			p, _, err = f.outsider(tx, subject)
			return err
		})
	default:
		p, err = f.people.Person(ctx, subject)
	}
	if errs.Is(err, errs.NotFound) {
		return Person{}, nil // gone since the session was read
	}
	if err != nil {
		return Person{}, fmt.Errorf("read person: %w", err)
	}
	return p, nil
}
