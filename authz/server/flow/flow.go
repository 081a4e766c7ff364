package flow

import (
	"context"
	"crypto/hmac"
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/tenancy"
)

// Person is who signs in.
type Person struct {
	ID    string
	Name  string
	Email string
}

// People checks passwords. SignIn answers a wrong address and a wrong password
// alike, and errs.RateLimited after many wrong tries from one address.
type People interface {
	SignIn(ctx context.Context, email, password, from string) (Person, error)
	Person(ctx context.Context, id string) (Person, error)
}

// Client is what a person is shown of a client.
type Client struct {
	ID   string
	Name string
}

// Resource is the runtime that the client wants to use.
type Resource struct {
	ID   string
	Slug string
	Name string
}

// Lookup reads what an attempt refers to. Both answer errs.NotFound when it is gone.
type Lookup interface {
	Client(tx *tenancy.Tx, id string) (Client, error)
	Resource(tx *tenancy.Tx, id string) (Resource, error)
}

// Approved is what a person said yes to.
type Approved struct {
	ClientID      string
	Subject       string
	UpstreamID    string
	Resource      string
	Scope         string
	RedirectURI   string
	CodeChallenge string
}

// CodeIssuer makes the authorization code, in the transaction of the consent.
type CodeIssuer interface {
	IssueCode(tx *tenancy.Tx, a Approved) (code string, err error)
}

// Flow is the steps' common ground.
type Flow struct {
	db     *tenancy.DB
	people People
	lookup Lookup
	codes  CodeIssuer
}

// New makes the flow.
func New(db *tenancy.DB, people People, lookup Lookup, codes CodeIssuer) *Flow {
	return &Flow{db: db, people: people, lookup: lookup, codes: codes}
}

// Start is a checked authorization request.
type Start struct {
	ClientID, UpstreamID, RedirectURI, State, Scope, Resource, CodeChallenge string
	// Login asks for the password even where a session lives (prompt=login).
	Login bool
}

// Begin stores an attempt for the browser and gives its id.
func (f *Flow) Begin(ctx context.Context, h tenancy.Handle, browser string, s Start) (id string, err error) {
	prompt := ""
	if s.Login {
		prompt = promptLogin
	}
	err = f.db.Write(ctx, h, func(tx *tenancy.Tx) error {
		now := tx.Now()
		row := attemptRow{
			TenantID: tx.Tenant(), ID: ids.New("att"), BrowserHash: ids.Hash(browser), ClientID: s.ClientID, UpstreamID: s.UpstreamID,
			RedirectURI: s.RedirectURI, State: s.State, Scope: s.Scope, Resource: s.Resource, CodeChallenge: s.CodeChallenge,
			Prompt: prompt, CreatedAt: now, ExpiresAt: now.Add(AttemptLife),
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
	RedirectURI string
	Scopes      authz.Scopes
	// Person is who is signed in; its ID is empty where nobody is.
	Person Person
	// Answer is the redirect to the client once it is decided.
	Answer string
	// CSRF is the token that the attempt's forms carry.
	CSRF string
	row  attemptRow
	from Session
}

// ErrGone is an attempt that does not exist, is over, or belongs to another browser.
var ErrGone = errs.E(errs.NotFound, "This sign-in is over, or was started in another browser.", nil)

// Visit reads an attempt for a browser and its session cookie.
func (f *Flow) Visit(ctx context.Context, h tenancy.Handle, issuer, id, browser, cookie string) (Attempt, error) {
	var a Attempt
	err := f.db.Read(ctx, h, func(tx *tenancy.Tx) (err error) {
		if a, err = f.load(tx, issuer, id, browser); err != nil {
			return err
		}
		a.from, err = session(tx, cookie, issuer)
		return err
	})
	if errs.Is(err, errs.NotFound) {
		return Attempt{}, ErrGone
	}
	if err != nil {
		return Attempt{}, fmt.Errorf("read attempt: %w", err)
	}
	if a.from.Subject != "" {
		if a.Person, err = f.people.Person(ctx, a.from.Subject); err != nil {
			return Attempt{}, fmt.Errorf("read person: %w", err)
		}
	}
	return a, nil
}

func (f *Flow) load(tx *tenancy.Tx, issuer, id, browser string) (Attempt, error) {
	var row attemptRow
	if browser == "" || len(id) > maxID || !utf8.ValidString(id) || strings.Contains(id, "\x00") {
		return Attempt{}, ErrGone
	}
	if err := tx.DB().Where("id = ? AND browser_hash = ? AND expires_at > ?", id, ids.Hash(browser), tx.Now()).First(&row).Error; err != nil {
		return Attempt{}, err
	}
	a := Attempt{ID: row.ID, Issuer: issuer, RedirectURI: row.RedirectURI, Scopes: authz.ParseScopes(row.Scope), row: row}
	var err error
	if a.Client, err = f.lookup.Client(tx, row.ClientID); err != nil {
		return Attempt{}, err
	}
	if a.Resource, err = f.lookup.Resource(tx, row.UpstreamID); err != nil {
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

func csrf(tx *tenancy.Tx, id, browser string) (string, error) {
	mac, err := tx.MAC("attempt-csrf", id, browser)
	return base64.RawURLEncoding.EncodeToString(mac[:]), err
}

// CheckCSRF compares a form's token.
func (a Attempt) CheckCSRF(token string) error {
	if !hmac.Equal([]byte(a.CSRF), []byte(token)) {
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
	StepAnswer  Step = "answer"
)

// Next is the dispatcher.
func (a Attempt) Next() Step {
	switch {
	case a.Answer != "":
		return StepAnswer
	case a.Person.ID == "":
		return StepSignIn
	case a.row.Prompt == promptLogin && a.from.CreatedAt.Before(a.row.CreatedAt):
		return StepSignIn
	}
	return StepConsent
}

// ErrorURL is an error response at a redirect URI (RFC 6749, section 4.1.2.1; RFC
// 9207, section 2).
func ErrorURL(redirectURI, code, description, state, issuer string) string {
	return answerURL(redirectURI, [][2]string{{"error", code}, {"error_description", description}, {"state", state}, {"iss", issuer}})
}

// answerURL adds an authorization response to a redirect URI (RFC 6749, section
// 4.1.2; RFC 9207). The URI's own bytes stay as they were registered.
func answerURL(redirectURI string, params [][2]string) string {
	sep := "?"
	if strings.Contains(redirectURI, "?") {
		sep = "&"
	}
	var q strings.Builder
	_, _ = q.WriteString(redirectURI)
	for _, p := range params {
		if p[1] == "" {
			continue
		}
		_, _ = q.WriteString(sep + url.QueryEscape(p[0]) + "=" + url.QueryEscape(p[1]))
		sep = "&"
	}
	return q.String()
}

// Sweep deletes what has expired, in all tenants.
func (f *Flow) Sweep(ctx context.Context, now time.Time) error {
	return f.db.System(ctx, tenancy.ReasonSweep, func(tx *tenancy.Tx) error {
		if err := tx.DB().Where("expires_at < ?", now.Add(-AttemptLife)).Delete(&attemptRow{}).Error; err != nil {
			return err
		}
		return tx.DB().Where("expires_at < ?", now).Delete(&sessionRow{}).Error
	})
}
