package flow

import "github.com/emcy/gateway/tenancy"

// Accounts tells what runtimes want of the accounts that people have at other
// providers (downstream).
type Accounts interface {
	// Missing reports whether the runtime's calls for the subject lack such an account,
	// or permissions there.
	Missing(tx *tenancy.Tx, subject, upstreamID string) (bool, error)
	// SignIn is the profile whose provider signs people in for the runtime, "" for none.
	SignIn(tx *tenancy.Tx, upstreamID string) (profileID string, err error)
	// Known is somebody who came by such a profile; errs.NotFound where there is none,
	// or one who may not sign in any more.
	Known(tx *tenancy.Tx, id string) (p Person, profileID string, err error)
}

// noAccounts is a house where no runtime wants any.
type noAccounts struct{}

func (noAccounts) Missing(*tenancy.Tx, string, string) (bool, error) { return false, nil }
func (noAccounts) SignIn(*tenancy.Tx, string) (string, error)        { return "", nil }
func (noAccounts) Known(*tenancy.Tx, string) (Person, string, error) { return Person{}, "", ErrGone }
