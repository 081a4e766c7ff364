package server

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/emcy/gateway/authz/server/clients"
	"github.com/emcy/gateway/authz/server/flow"
	"github.com/emcy/gateway/authz/server/idp"
	"github.com/emcy/gateway/authz/server/oplib"
	"github.com/emcy/gateway/authz/server/trace"
	"github.com/emcy/gateway/internal/jwks"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/tenancy"
)

// Resources finds the runtimes that tokens are for.
type Resources interface {
	// ByID answers errs.NotFound when the runtime is gone.
	ByID(tx *tenancy.Tx, id string) (flow.Resource, error)
	All(tx *tenancy.Tx) ([]flow.Resource, error)
	// Tools are those that the runtime listed last.
	Tools(tx *tenancy.Tx, id string) ([]flow.Tool, error)
}

// People are those who can sign in.
type People interface {
	flow.People
	// AccountOf gives the account of an e-mail address; "" where it has none.
	AccountOf(ctx context.Context, email string) (accountID string, err error)
}

// Config is what the server is made of. Every field is required but Connects and Trace.
type Config struct {
	DB        *tenancy.DB
	People    People
	Resources Resources
	Calls     Calls
	// Connects are the accounts at the providers behind runtimes; nil where no runtime has any.
	Connects Connects
	// Outbound fetches what clients name: their metadata documents and key sets.
	Outbound *outbound.Client
	// SignIn says how far requests to the tenants' sign-in providers may go.
	SignIn outbound.Config
	// Assets serves the end-user pages' style sheet and font, under AssetsPrefix.
	Assets       http.Handler
	AssetsPrefix string
	// ClientIP tells who asks, for the limits.
	ClientIP func(*http.Request) netip.Addr
	Log      *slog.Logger
	// Trace records connection attempts; nil records none.
	Trace *trace.Recorder
}

// Server is the authorization server of all tenants.
type Server struct {
	db            *tenancy.DB
	flow          *flow.Flow
	people        People
	resources     Resources
	calls         Calls
	connects      Connects
	keySets       *jwks.Cache
	assets        http.Handler
	prefix        string
	clientIP      func(*http.Request) netip.Addr
	registrations *clients.Hourly
	attempts      *clients.Hourly
	userCodes     *clients.Hourly
	clients       *clients.Clients
	idp           *idp.Providers
	rotations     *rotations
	stepUps       *stepUps
	terms         *knownTerms
	origins       *origins
	bodyTime      time.Duration
	op            http.Handler
	routes        []route
	log           *slog.Logger
	trace         *trace.Recorder
}

// New makes the server.
func New(cfg Config) *Server {
	if cfg.Connects == nil {
		cfg.Connects = unconnected{}
	}
	s := &Server{
		db: cfg.DB, people: cfg.People, userCodes: clients.NewHourly(cfg.DB.Clock(), codesPerHour), resources: cfg.Resources, calls: cfg.Calls, connects: cfg.Connects, keySets: jwks.New(cfg.Outbound, cfg.DB.Clock()), assets: cfg.Assets, prefix: cfg.AssetsPrefix, clientIP: cfg.ClientIP,
		registrations: clients.NewHourly(cfg.DB.Clock(), clients.RegistrationsPerHour), attempts: clients.NewHourly(cfg.DB.Clock(), clients.AttemptsPerHour), bodyTime: bodyTime, log: cfg.Log,
		rotations: newRotations(), stepUps: newStepUps(), terms: newKnownTerms(), origins: newOrigins(cfg.DB), trace: cfg.Trace,
	}
	s.clients = clients.New(clients.Config{DB: cfg.DB, Outbound: cfg.Outbound, Keys: s.keySets, Ended: s.endClient, Log: cfg.Log})
	s.idp = idp.New(idp.Config{DB: cfg.DB, Outbound: cfg.SignIn, Revoke: s.endSubjects})
	s.flow = flow.New(flow.Config{DB: cfg.DB, People: cfg.People, Lookup: lookup{s}, Accounts: cfg.Connects, Codes: s, Devices: s})
	s.op = oplib.New(s)
	s.routes = s.table()
	return s
}

// Clients are the clients of all tenants, for the console.
func (s *Server) Clients() *clients.Clients { return s.clients }

// Flow is the steps' store, for the sweep.
func (s *Server) Flow() *flow.Flow { return s.flow }

// request is what the HTTP layer knows and the library cannot carry: the tenant,
// its issuer and the browser. It travels in the context because op.Server's
// methods get nothing else.
type request struct {
	handle  tenancy.Handle
	issuer  string
	browser string
	// pushed tells that an authorization request did not come through the browser.
	pushed bool
	// answer is the response's header.
	answer http.Header
	// site is the browser's Sec-Fetch-Site (Fetch Metadata, section 2.3).
	site string
}

type requestKey struct{}

func withRequest(ctx context.Context, r request) context.Context {
	return context.WithValue(ctx, requestKey{}, r)
}

func requestFrom(ctx context.Context) request {
	r, _ := ctx.Value(requestKey{}).(request)
	return r
}
