package server

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/authz/server/flow"
	"github.com/emcy/gateway/authz/server/oplib"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
)

// Resources finds the runtimes that tokens are for.
type Resources interface {
	// ByID answers errs.NotFound when the runtime is gone.
	ByID(tx *tenancy.Tx, id string) (flow.Resource, error)
	All(tx *tenancy.Tx) ([]flow.Resource, error)
}

// Config is what the server is made of. Every field is required.
type Config struct {
	DB        *tenancy.DB
	People    flow.People
	Resources Resources
	// Assets serves the end-user pages' style sheet and font, under AssetsPrefix.
	Assets       http.Handler
	AssetsPrefix string
	// ClientIP tells who asks, for the limits.
	ClientIP func(*http.Request) netip.Addr
	Log      *slog.Logger
}

// Server is the authorization server of all tenants.
type Server struct {
	db            *tenancy.DB
	flow          *flow.Flow
	resources     Resources
	assets        http.Handler
	prefix        string
	clientIP      func(*http.Request) netip.Addr
	registrations *hourly
	attempts      *hourly
	rotations     *rotations
	origins       *origins
	bodyTime      time.Duration
	op            http.Handler
	routes        []route
	log           *slog.Logger
}

// New makes the server.
func New(cfg Config) *Server {
	s := &Server{
		db: cfg.DB, resources: cfg.Resources, assets: cfg.Assets, prefix: cfg.AssetsPrefix, clientIP: cfg.ClientIP,
		registrations: newHourly(cfg.DB.Clock(), registrationsPerHour), attempts: newHourly(cfg.DB.Clock(), attemptsPerHour), bodyTime: bodyTime, log: cfg.Log,
		rotations: newRotations(), origins: newOrigins(cfg.DB),
	}
	s.flow = flow.New(cfg.DB, cfg.People, lookup{s}, s)
	s.op = oplib.New(s)
	s.routes = s.table()
	return s
}

// EdgeScopes are what a token must hold for a runtime.
func EdgeScopes() []string { return []string{authz.ScopeMCP} }

// Flow is the steps' store, for the sweep.
func (s *Server) Flow() *flow.Flow { return s.flow }

// lookup reads what attempts refer to.
type lookup struct{ s *Server }

func (l lookup) Client(tx *tenancy.Tx, id string) (flow.Client, error) {
	row, ok, err := findClient(tx, id)
	if err == nil && !ok {
		err = errs.E(errs.NotFound, "The app's registration is gone.", nil)
	}
	return flow.Client{ID: row.ID, Name: shownName(row.Name)}, err
}

func (l lookup) Resource(tx *tenancy.Tx, id string) (flow.Resource, error) {
	return l.s.resources.ByID(tx, id)
}

// request is what the HTTP layer knows and the library cannot carry: the tenant,
// its issuer and the browser. It travels in the context because op.Server's
// methods get nothing else.
type request struct {
	handle  tenancy.Handle
	issuer  string
	browser string
}

type requestKey struct{}

func withRequest(ctx context.Context, r request) context.Context {
	return context.WithValue(ctx, requestKey{}, r)
}

func requestFrom(ctx context.Context) request {
	r, _ := ctx.Value(requestKey{}).(request)
	return r
}
