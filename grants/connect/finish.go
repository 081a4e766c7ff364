package connect

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/emcy/gateway/grants"
	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/tenancy"
)

// Person is who is signed in here.
type Person struct{ ID, Name, Email string }

func (p Person) shown() string {
	switch {
	case p.Name == "":
		return p.Email
	case p.Email == "":
		return p.Name
	}
	return p.Name + " (" + p.Email + ")"
}

// Answer is what came back at a profile's callback.
type Answer struct {
	ProfileID string // from the callback's path
	Query     url.Values
	Browser   string
	Origin    string
	// Person is who is signed in now; the zero Person for nobody.
	Person Person
}

// Result is a way to a provider that went well.
type Result struct {
	Profile profiles.Profile
	// Subject is who is to be signed in; "" but in a sign-in.
	Subject string
	// Attempt is the Start's.
	Attempt string
	// Trial is what a trial found; nil otherwise.
	Trial *Trial
}

// way is a claimed way to a provider.
type way struct {
	row     connectRow
	own     secrets
	profile profiles.Profile
	config  provider.Config
}

// Finish judges a provider's answer and keeps what it brought. It calls the provider.
// Errors: *Refused.
func (c *Connects) Finish(ctx context.Context, h tenancy.Handle, a Answer) (Result, error) {
	for _, values := range a.Query {
		if len(values) > 1 {
			return Result{}, errOver()
		}
	}
	w, err := c.claim(ctx, h, a)
	if err != nil {
		return Result{}, err
	}
	if err := w.judge(a); err != nil {
		return Result{}, err
	}
	tokens, err := c.provider.Exchange(ctx, w.config, a.Query.Get("code"), w.own.Verifier)
	if err != nil {
		return Result{}, failed(w.profile, err)
	}
	account, err := c.provider.Account(ctx, w.config, tokens, w.own.Nonce)
	if err != nil {
		return Result{}, failed(w.profile, err)
	}
	if Purpose(w.row.Purpose) == ForTrial {
		trial, err := c.try(ctx, h, w, tokens, account)
		return Result{Profile: w.profile, Attempt: w.row.AttemptID, Trial: trial}, err
	}
	result, refused := Result{Profile: w.profile, Attempt: w.row.AttemptID}, (*Refused)(nil)
	tokens.Scope = given(w.profile, w.row.scopes(), tokens.Scope)
	if w.row.Subject != "" {
		h = h.As("end_user", w.row.Subject)
	}
	err = c.db.Write(ctx, h, func(tx *tenancy.Tx) (err error) {
		result.Subject, refused, err = c.keep(tx, w, a.Person, tokens, account)
		return err
	})
	if err != nil {
		return Result{}, fmt.Errorf("keep connection: %w", err)
	}
	if refused != nil {
		return Result{}, refused
	}
	return result, nil
}

// claim uses up the state: one browser, one profile, one tenant, once.
func (c *Connects) claim(ctx context.Context, h tenancy.Handle, a Answer) (w way, err error) {
	state := a.Query.Get("state")
	if a.Browser == "" || !ids.ValidSecret(statePrefix, state) || !profiles.ValidID(a.ProfileID) {
		return way{}, errOver()
	}
	hash := ids.Hash(state)
	err = c.db.Write(ctx, h, func(tx *tenancy.Tx) error {
		now := tx.Now()
		res := tx.DB().Model(&connectRow{}).
			Where("state_hash = ? AND profile_id = ? AND browser_hash = ? AND used_at IS NULL AND expires_at > ?", hash, a.ProfileID, ids.Hash(a.Browser), now).
			Updates(map[string]any{"used_at": &now})
		if res.Error != nil {
			return res.Error
		}
		if res.RowsAffected == 0 {
			return errOver()
		}
		if err := tx.DB().Where("state_hash = ?", hash).First(&w.row).Error; err != nil {
			return err
		}
		if w.own, err = w.row.open(tx); err != nil {
			return err
		}
		if w.profile, err = profiles.Get(tx, a.ProfileID); err != nil {
			return err
		}
		w.config, err = profiles.Config(tx, a.ProfileID, w.row.ClientGeneration, a.Origin)
		return err
	})
	if _, ok := errors.AsType[*Refused](err); err != nil && !ok && !errs.Is(err, errs.NotFound) {
		err = fmt.Errorf("claim connect: %w", err)
	}
	return w, err
}

// judge is everything that has to hold before the code goes anywhere.
func (w way) judge(a Answer) error {
	iss, code := a.Query.Get("iss"), a.Query.Get("code")
	switch {
	case w.row.Subject != a.Person.ID && Purpose(w.row.Purpose) == ForConnect:
		return refuse("other_account", http.StatusForbidden, "You set out with another account than the one that you are signed in with now.", cureAgain, nil)
	case w.config.Endpoints.Issuer != w.row.Issuer:
		return refuse("profile_changed", http.StatusBadRequest, "The settings of "+w.profile.Name+" were changed meanwhile.", cureAgain, nil)
	case a.Query.Has("iss") && iss != w.row.Issuer, w.config.Endpoints.IssuerInResponse && iss == "":
		return broken(w.profile, "wrong_issuer", "it does not come from the provider that was asked", nil)
	case a.Query.Get("error") != "":
		return answered(w.profile, a.Query.Get("error"))
	case code == "":
		return broken(w.profile, "no_code", "it holds no code", nil)
	}
	return nil
}

// keep stores what a provider gave. A refusal comes back as one and not as an error,
// because what was stored of the person is to stay.
func (c *Connects) keep(tx *tenancy.Tx, w way, person Person, tokens provider.Tokens, account provider.Account) (signedIn string, refused *Refused, err error) {
	// What an administrator changed since the beginning holds.
	p, err := profiles.Get(tx, w.profile.ID)
	if err != nil {
		return "", nil, err
	}
	subject := w.row.Subject
	if Purpose(w.row.Purpose) == ForSignIn {
		if !signsIn(p) {
			return "", nil, ErrNothing
		}
		if subject, refused, err = admit(tx, p, account); err != nil || refused != nil {
			return "", refused, err
		}
		signedIn = subject
		narrower, err := narrows(tx, p, subject, w.row.scopes(), tokens.Scope)
		if err != nil || narrower {
			return signedIn, nil, err // the grant that is there can do more, and goes on
		}
	} else if refused, err = match(tx, p, person, account); err != nil || refused != nil {
		return "", refused, err
	}
	if w.row.LinkHash != "" {
		if err := useLink(tx, w.row.LinkHash, subject); err != nil {
			return "", nil, err
		}
	}
	_, err = c.grants.Save(tx, grants.Connected{
		ProfileID: p.ID, Subject: subject, Tokens: tokens, Account: account, ClientGeneration: w.row.ClientGeneration, Scopes: w.row.scopes(),
	})
	return signedIn, nil, err
}

// narrows reports whether a sign-in brought less than the person's living grant has.
func narrows(tx *tenancy.Tx, p profiles.Profile, subject string, asked, said []string) (bool, error) {
	g, err := grantOf(tx, p.ID, subject)
	if err != nil || !lives(g) {
		return false, err
	}
	if said == nil {
		said = asked
	}
	return !covers(p, grants.Grant{Scopes: said}, g.Scopes), nil
}
