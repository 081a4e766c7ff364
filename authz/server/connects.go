package server

import (
	"context"
	"net/url"
	"time"

	"github.com/emcy/gateway/authz/server/flow"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/secret"
	"github.com/emcy/gateway/tenancy"
)

// Connects are the accounts that people have at the providers behind runtimes.
type Connects interface {
	flow.Accounts
	Connector
	Connections
	ClientDocuments
}

// Connector takes a person to a provider and back. What cannot go on is a
// *ConnectRefused; errs.NotFound is a profile or link that is not there.
type Connector interface {
	// Card is what a person is shown before they connect.
	Card(ctx context.Context, h tenancy.Handle, q CardQuery) (ConnectCard, error)
	// Begin gives the provider's address.
	Begin(ctx context.Context, h tenancy.Handle, s ConnectStart) (address string, err error)
	// Finish takes the provider's answer. It calls the provider.
	Finish(ctx context.Context, h tenancy.Handle, a ConnectAnswer) (ConnectResult, error)
	// SaveKey checks and keeps an API key. A key that is refused is errs.Invalid.
	SaveKey(ctx context.Context, h tenancy.Handle, e KeyEntry) error
	// OpenLink reads a link by the hash of its token; "" of a token that is none.
	OpenLink(ctx context.Context, h tenancy.Handle, hash string) (ConnectLink, error)
}

// Connections are what a person has connected.
type Connections interface {
	Mine(ctx context.Context, h tenancy.Handle, subject string) ([]Connection, error)
	// Disconnect ends a connection here and has it taken back at the provider.
	Disconnect(ctx context.Context, h tenancy.Handle, subject, profileID string) error
	// SignIns are the profiles whose providers sign people in.
	SignIns(tx *tenancy.Tx) ([]SignInProfile, error)
	// LinkHash is the hash of a link's token; "" of what cannot be one.
	LinkHash(token string) string
}

// ClientDocuments are our client metadata documents, for providers that read them.
// Errors: errs.NotFound.
type ClientDocuments interface {
	ClientDocument(ctx context.Context, h tenancy.Handle, origin, profileID string) ([]byte, error)
	ClientKeys(ctx context.Context, h tenancy.Handle, profileID string) ([]byte, error)
}

// CardQuery names what somebody is to connect.
type CardQuery struct {
	// Subject is "" where nobody is signed in yet.
	Subject string
	// ProfileID may be "" where UpstreamID or LinkHash tells it.
	ProfileID, UpstreamID, LinkHash string
	// Trial is a ticket of the console's.
	Trial string
}

// ConnectCard is what a person connects, in words.
type ConnectCard struct {
	ProfileID, Name string
	// Host is the provider's; "" of an API key.
	Host string
	// Authorization is the address at the provider that the browser goes to.
	Authorization string
	// Key asks for an API key: KeyLabel and KeyHelp stand by the field.
	Key               bool
	KeyLabel, KeyHelp string
	// SignIn says that the provider is also the sign-in.
	SignIn bool
	// Missing says that calls lack something of it.
	Missing bool
	// Account is what is connected so far, State and Reason how that is; "" for nothing.
	Account, State, Reason string
	Scopes                 []ConnectScope
}

// ConnectScope is a permission at the provider.
type ConnectScope struct {
	Name, Text string
	// Have says that the connection has it already.
	Have bool
}

// ConnectStart begins one way to a provider.
type ConnectStart struct {
	ProfileID, UpstreamID string
	// Subject connects; "" in a sign-in or a trial.
	Subject string
	// SignIn makes it a sign-in.
	SignIn bool
	// Trial is a ticket of the console's.
	Trial string
	// Attempt is where it goes on afterwards, LinkHash the link that it came by.
	Attempt, LinkHash string
	Browser, Origin   string
}

// ConnectAnswer is what came back.
type ConnectAnswer struct {
	ProfileID       string
	Query           url.Values
	Browser, Origin string
	// Person is who is signed in now; the zero Person for nobody.
	Person flow.Person
}

// ConnectResult is a way to a provider that went well.
type ConnectResult struct {
	ProfileID, Profile string
	// Subject is set after a sign-in.
	Subject string
	// Attempt is where it goes on.
	Attempt string
	// Trial is set after a trial.
	Trial *ConnectTrial
}

// ConnectTrial is what a trial found, fit to be shown.
type ConnectTrial struct {
	// Facts and Claims are lines of names and values; values of claims are masked.
	Facts, Claims []TrialLine
	// Scopes are the granted ones, Refused those that were asked for and did not come.
	Scopes, Refused []string
	// Warnings say what would not work.
	Warnings []string
}

// TrialLine is a line of a trial.
type TrialLine struct{ Name, Value string }

// KeyEntry is an API key that somebody typed in.
type KeyEntry struct {
	ProfileID, Subject, LinkHash, Browser string
	Key                                   secret.Text
}

// ConnectLink is a link to connect an account.
type ConnectLink struct {
	ProfileID, UpstreamID, Subject, ClientID string
	Used                                     bool
}

// Connection is an account that a person has connected.
type Connection struct {
	ProfileID, Profile string
	Account            string
	// State is one of package grants'; Reason says it in words, "" while all is well.
	State, Reason string
	Key           bool
	Scopes        []ConnectScope
	ConnectedAt   time.Time
	// NextAt is the next refresh; zero where there is none.
	NextAt time.Time
	UsedAt time.Time
}

// SignInProfile is a profile whose provider signs people in.
type SignInProfile struct{ ID, Name string }

// ConnectRefused is a way to a provider that cannot go on: a page for the person, with
// a code that an administrator can look up. It holds nothing that the provider wrote.
type ConnectRefused struct {
	Code, Title, Text, Cure string
	Status                  int
	// Expected and Got are the two accounts of a mismatch, Provider the name of where Got is.
	Expected, Got, Provider string
	Cause                   error
}

// Error is for logs.
func (r *ConnectRefused) Error() string {
	if r.Cause == nil {
		return r.Code
	}
	return r.Code + ": " + r.Cause.Error()
}

func (r *ConnectRefused) Unwrap() error { return r.Cause }

// unconnected is a house without profiles.
type unconnected struct{}

var errNoConnects = errs.E(errs.NotFound, "There is nothing to connect here.", nil)

func (unconnected) Missing(*tenancy.Tx, string, string) (bool, error) { return false, nil }
func (unconnected) SignIn(*tenancy.Tx, string) (string, error)        { return "", nil }
func (unconnected) Known(*tenancy.Tx, string) (flow.Person, string, error) {
	return flow.Person{}, "", errNoConnects
}

func (unconnected) Card(context.Context, tenancy.Handle, CardQuery) (ConnectCard, error) {
	return ConnectCard{}, errNoConnects
}

func (unconnected) Begin(context.Context, tenancy.Handle, ConnectStart) (string, error) {
	return "", errNoConnects
}

func (unconnected) Finish(context.Context, tenancy.Handle, ConnectAnswer) (ConnectResult, error) {
	return ConnectResult{}, errNoConnects
}
func (unconnected) SaveKey(context.Context, tenancy.Handle, KeyEntry) error { return errNoConnects }
func (unconnected) OpenLink(context.Context, tenancy.Handle, string) (ConnectLink, error) {
	return ConnectLink{}, errNoConnects
}

func (unconnected) Mine(context.Context, tenancy.Handle, string) ([]Connection, error) {
	return nil, nil
}

func (unconnected) Disconnect(context.Context, tenancy.Handle, string, string) error {
	return errNoConnects
}
func (unconnected) SignIns(*tenancy.Tx) ([]SignInProfile, error) { return nil, nil }
func (unconnected) LinkHash(string) string                       { return "" }

func (unconnected) ClientDocument(context.Context, tenancy.Handle, string, string) ([]byte, error) {
	return nil, errNoConnects
}

func (unconnected) ClientKeys(context.Context, tenancy.Handle, string) ([]byte, error) {
	return nil, errNoConnects
}
