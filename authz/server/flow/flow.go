package flow

import (
	"context"
	"time"

	"github.com/emcy/gateway/authz"
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

// Kinds of clients, by how they came to be known.
const (
	KindDCR           = "dcr"
	KindCIMD          = "cimd"
	KindPreregistered = "preregistered"
)

// Client is what a person is shown of a client.
type Client struct {
	ID   string
	Name string // what it calls itself, cleaned
	Kind string
	// Verified is the name under which the catalogue knows it, "" where it does not.
	Verified string
	// Impersonates is the brand whose name an unproven client uses, "" for none.
	Impersonates string
	// Host is the host of a metadata document's address.
	Host string
	// FetchedAt is when the document was last read.
	FetchedAt *time.Time
	CreatedAt time.Time
	// Ceiling are the most scopes that it may get; nil is all.
	Ceiling authz.Scopes
	// RedirectURIs are those that are registered now.
	RedirectURIs []string
	// Held waits for an administrator; Blocked was turned away by one.
	Held, Blocked bool
}

// Trusted reports whether somebody other than the client itself vouches for it.
func (c Client) Trusted() bool {
	return c.Kind == KindPreregistered || (c.Kind == KindCIMD && c.Verified != "")
}

// Resource is the runtime that the client wants to use.
type Resource struct {
	ID   string
	Slug string
	Name string
}

// Lookup reads what an attempt refers to. Client and Resource answer
// errs.NotFound when it is gone.
type Lookup interface {
	Client(tx *tenancy.Tx, id string) (Client, error)
	Resource(tx *tenancy.Tx, id string) (Resource, error)
	// Scopes describes those of the scopes that the tenant has, in the tenant's order.
	Scopes(tx *tenancy.Tx, r Resource, scopes authz.Scopes) ([]Scope, error)
	// Needed are the scopes that the client's calls for the subject lacked just now.
	Needed(tx *tenancy.Tx, subject, clientID, upstreamID string) (authz.Scopes, error)
	// EndUser is somebody whom the tenant's identity provider knows; errs.NotFound
	// where there is none, or one who may not sign in any more.
	EndUser(tx *tenancy.Tx, id string) (Person, error)
}

// Approved is what a person said yes to.
type Approved struct {
	ConsentID     string
	ClientID      string
	Subject       string
	UpstreamID    string
	Resource      string
	Scope         string
	RedirectURI   string
	CodeChallenge string
	// DPoPJKT binds the code and its tokens to a key (RFC 9449, section 10); "" for none.
	DPoPJKT string
	// DeviceHash is the device code that the yes is for (RFC 8628); "" for none.
	DeviceHash string
	TraceID    string
	// Until is when everything that comes from this yes ends.
	Until time.Time
}

// Issuer makes what an answer gives, in the transaction of the consent.
type Issuer interface {
	IssueCode(tx *tenancy.Tx, a Approved) (code string, err error)
}

// Devices take a decision to the device that waits for it (RFC 8628).
type Devices interface {
	ApproveDevice(tx *tenancy.Tx, a Approved) error
	DenyDevice(tx *tenancy.Tx, hash string) error
}

// Config is what the flow stands on. Devices may be nil: then no attempt is for one.
// Accounts may be nil: then no runtime wants an account that people have elsewhere.
type Config struct {
	DB       *tenancy.DB
	People   People
	Lookup   Lookup
	Accounts Accounts
	Codes    Issuer
	Devices  Devices
}

// Flow is the steps' common ground.
type Flow struct {
	db       *tenancy.DB
	people   People
	lookup   Lookup
	accounts Accounts
	codes    Issuer
	devices  Devices
}

// New makes the flow.
func New(cfg Config) *Flow {
	if cfg.Accounts == nil {
		cfg.Accounts = noAccounts{}
	}
	return &Flow{db: cfg.DB, people: cfg.People, lookup: cfg.Lookup, accounts: cfg.Accounts, codes: cfg.Codes, devices: cfg.Devices}
}
