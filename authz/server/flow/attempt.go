package flow

import (
	"context"
	"crypto/hmac"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"gorm.io/gorm"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/authz/server/clients"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/tenancy"
)

// Start is a checked authorization request, or a device code that somebody typed
// in: then DeviceHash is set and RedirectURI is empty.
type Start struct {
	ClientID, UpstreamID, RedirectURI, State, Scope, Resource, CodeChallenge string

	DPoPJKT, TraceID, DeviceHash string
	// Login asks for the password even where a session lives (prompt=login).
	Login bool
	// Ask shows the consent page even where a consent is remembered: the client asked
	// for it (prompt=consent), or another page sent the person here.
	Ask bool
}

// Begin stores an attempt for the browser and gives its id.
func (f *Flow) Begin(ctx context.Context, h tenancy.Handle, browser string, s Start) (id string, err error) {
	var prompt authz.Scopes // a list of words, as a scope is
	if s.Login {
		prompt = append(prompt, promptLogin)
	}
	if s.Ask {
		prompt = append(prompt, promptConsent)
	}
	if s.DeviceHash != "" && f.devices == nil {
		return "", errors.New("begin attempt: no device can wait for it")
	}
	err = f.db.Write(ctx, h, func(tx *tenancy.Tx) error {
		now := tx.Now()
		row := attemptRow{
			TenantID: tx.Tenant(), ID: ids.New("att"), BrowserHash: ids.Hash(browser), ClientID: s.ClientID, UpstreamID: s.UpstreamID,
			RedirectURI: s.RedirectURI, State: s.State, Scope: s.Scope, Resource: s.Resource, CodeChallenge: s.CodeChallenge,
			DPoPJKT: s.DPoPJKT, TraceID: s.TraceID, DeviceHash: s.DeviceHash,
			Prompt: prompt.String(), CreatedAt: now, ExpiresAt: now.Add(AttemptLife),
		}
		id = row.ID
		return tx.DB().Create(&row).Error
	})
	if err != nil {
		return "", fmt.Errorf("begin attempt: %w", err)
	}
	return id, nil
}

// Attempt is where a person stands.
type Attempt struct {
	ID          string
	Issuer      string
	Client      Client
	Resource    Resource
	RedirectURI string // "" where a device waits for the answer
	Scopes      authz.Scopes
	TraceID     string
	// Person is who is signed in; its ID is empty where nobody is.
	Person Person
	// Answer is the redirect to the client once it is decided.
	Answer string
	// CSRF is the token that the attempt's forms carry.
	CSRF string
	// SignIn is the profile whose provider signs people in for the runtime, "" for none.
	SignIn string
	row    attemptRow
	from   Session
	// stranger is a person who did not sign in as the runtime wants it.
	stranger bool
}

// The refusals of an attempt, each a page of its own.
var (
	// ErrGone is an attempt that does not exist or is over.
	ErrGone = errs.E(errs.NotFound, "This sign-in is over: it was used already, or more than ten minutes have passed.", nil)
	// ErrOtherBrowser is an attempt that another browser started.
	ErrOtherBrowser = errs.E(errs.Forbidden, "This sign-in was started in another browser.", nil)
	// ErrNoCookies is a browser that sends none of what it was given.
	ErrNoCookies = errs.E(errs.Forbidden, "Your browser did not send back the cookie that this sign-in needs.", nil)
	// ErrHeld is a client that an administrator has to let in.
	ErrHeld = errs.E(errs.Forbidden, "An administrator of this workspace has to approve this app before anybody can use it.", nil)
	// ErrBlocked is a client that an administrator turned away.
	ErrBlocked = errs.E(errs.Forbidden, "An administrator of this workspace has blocked this app.", nil)
	// ErrOtherAccount is an attempt that another account of this browser has allowed.
	ErrOtherAccount = errs.E(errs.Forbidden, "You allowed this with another account, and are signed in with a different one now.", nil)
	// ErrRedirect is a redirect URI that the client took back since the attempt began.
	ErrRedirect = errs.E(errs.Invalid, "The app has changed the address that it wants to return to. For your safety nothing was sent to the old one.", nil)
)

// Visit reads an attempt for a browser and its session cookie. Errors: those above.
func (f *Flow) Visit(ctx context.Context, h tenancy.Handle, issuer, id, browser, cookie string) (Attempt, error) {
	var a Attempt
	err := f.db.Read(ctx, h, func(tx *tenancy.Tx) (err error) {
		if a, err = f.load(tx, issuer, id, browser); err != nil {
			return err
		}
		if a.from, err = f.session(tx, cookie, issuer); err != nil || a.from.Subject == "" {
			return err
		}
		belongs, err := f.belongs(tx, a.from.Subject, a.row.UpstreamID)
		a.stranger = !belongs
		return err
	})
	if errs.Is(err, errs.NotFound) {
		return Attempt{}, ErrGone
	}
	if err != nil {
		return Attempt{}, fmt.Errorf("read attempt: %w", err)
	}
	if a.Person, err = f.Person(ctx, h, a.from.Subject); err != nil {
		return Attempt{}, err
	}
	if a.waits() && a.Person.ID != "" && a.Person.ID != a.row.Subject {
		return Attempt{}, ErrOtherAccount
	}
	return a, f.seen(ctx, h, a.from)
}

func (f *Flow) load(tx *tenancy.Tx, issuer, id, browser string) (Attempt, error) {
	var row attemptRow
	if id == "" || len(id) > maxID || !utf8.ValidString(id) || strings.Contains(id, "\x00") {
		return Attempt{}, ErrGone
	}
	err := tx.DB().Where("id = ? AND expires_at > ?", id, tx.Now()).First(&row).Error
	switch {
	case errors.Is(err, gorm.ErrRecordNotFound):
		return Attempt{}, ErrGone
	case err != nil:
		return Attempt{}, err
	case browser == "":
		return Attempt{}, ErrNoCookies
	case row.BrowserHash != ids.Hash(browser):
		return Attempt{}, ErrOtherBrowser
	}
	a := Attempt{ID: row.ID, Issuer: issuer, RedirectURI: row.RedirectURI, Scopes: authz.ParseScopes(row.Scope), TraceID: row.TraceID, row: row}
	if a.Client, err = f.lookup.Client(tx, row.ClientID); err != nil {
		return Attempt{}, err
	}
	if err := a.Client.refused(); err != nil {
		return Attempt{}, err
	}
	if !a.Device() && !clients.MatchRedirect(a.Client.RedirectURIs, row.RedirectURI) {
		return Attempt{}, ErrRedirect
	}
	if a.Resource, err = f.lookup.Resource(tx, row.UpstreamID); err != nil {
		return Attempt{}, err
	}
	if a.SignIn, err = f.accounts.SignIn(tx, row.UpstreamID); err != nil {
		return Attempt{}, err
	}
	answer, err := tx.Open("attempts", "answer", row.ID, row.Answer)
	if err != nil {
		return Attempt{}, err
	}
	a.Answer = string(answer)
	a.CSRF, err = csrf(tx, row.ID, browser)
	return a, err
}

func (c Client) refused() error {
	switch {
	case c.Held:
		return ErrHeld
	case c.Blocked:
		return ErrBlocked
	}
	return nil
}

// Device reports whether a device, not a redirect, waits for the answer.
func (a Attempt) Device() bool { return a.row.DeviceHash != "" }

// Denied reports whether a device's attempt was answered with a no.
func (a Attempt) Denied() bool { return a.Answer == deviceAnswer(a.ID, false) }

func csrf(tx *tenancy.Tx, id, browser string) (string, error) {
	mac, err := tx.MAC("attempt-csrf", id, browser)
	return base64.RawURLEncoding.EncodeToString(mac[:]), err
}

// CheckCSRF compares a form's token.
func (a Attempt) CheckCSRF(token string) error { return checkCSRF(a.CSRF, token) }

func checkCSRF(want, token string) error {
	if want == "" || !hmac.Equal([]byte(want), []byte(token)) {
		return errs.E(errs.Forbidden, "This form is too old or came from another page. Go back, reload and try again.", nil)
	}
	return nil
}

// Step is where an attempt goes on.
type Step string

// The steps.
const (
	StepSignIn  Step = "sign-in"
	StepConsent Step = "consent"
	StepConnect Step = "connect"
	StepAnswer  Step = "answer"
	StepOwn     Step = "me" // the person's own pages
)

// Next is the dispatcher.
func (a Attempt) Next() Step {
	switch {
	case a.Answer != "":
		return StepAnswer
	case a.Person.ID == "":
		return StepSignIn
	case IsOwn(a.ID):
		return StepOwn
	case a.stranger:
		return StepSignIn
	case a.waits():
		return StepConnect
	case a.prompts(promptLogin) && a.from.CreatedAt.Before(a.row.CreatedAt):
		return StepSignIn
	}
	return StepConsent
}

// waits reports whether a yes was given whose answer waits for an account.
func (a Attempt) waits() bool { return a.Answer == "" && a.row.ConsentID != "" }

func (a Attempt) prompts(word string) bool { return authz.ParseScopes(a.row.Prompt).Has(word) }
