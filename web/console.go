package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/authz/server/clients"
	"github.com/emcy/gateway/authz/server/idp"
	"github.com/emcy/gateway/authz/server/issuers"
	"github.com/emcy/gateway/authz/server/scopes"
	"github.com/emcy/gateway/authz/server/trace"
	"github.com/emcy/gateway/grants"
	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/internal/clock"
	"github.com/emcy/gateway/internal/httpx"
	"github.com/emcy/gateway/notify"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/accounts"
	"github.com/emcy/gateway/tenancy/workspaces"
	"github.com/emcy/gateway/upstreams"
	"github.com/emcy/gateway/usage"
)

// Config is what the console needs. Every field is required but Notice and
// TrustedProxies.
type Config struct {
	// PublicURL is the console's own origin: scheme, host and port. Requests for any
	// other host are answered 421, and with https cookies are Secure and __Host-.
	PublicURL  string
	DB         *tenancy.DB
	Accounts   *accounts.Accounts
	Workspaces *workspaces.Workspaces
	Upstreams  *upstreams.Registry
	Usage      *usage.Log
	// Connect tells what the authorization server knows about a runtime's clients.
	Connect ConnectFacts
	// Providers are where end users can sign in.
	Providers *idp.Providers
	// Profiles are the downstreams that people connect to.
	Profiles *profiles.Profiles
	// ProfileTrials starts the test of a profile's sign-in.
	ProfileTrials ProfileTrials
	// Issuers ends the trust in an issuer of assertions.
	Issuers IssuerTrust
	// Clients are the authorization server's.
	Clients *clients.Clients
	// Grants are the accounts that people connected, Notify asks people to connect them
	// again, and People names those people.
	Grants *grants.Service
	Notify *notify.Notify
	People People
	// URLs says which addresses this installation may fetch from.
	URLs issuers.URLs
	// Notice is a standing remark for people who are signed in, such as that private
	// addresses are allowed; empty shows none.
	Notice string
	// TrustedProxies are the peers whose X-Forwarded-For is believed; none means that
	// the socket's address is the person's.
	TrustedProxies []netip.Prefix
	Log            *slog.Logger
	// Ready reports whether this process can serve, for /readyz.
	Ready func(context.Context) error
}

// IssuerTrust ends the trust in an issuer, in the transaction that is given.
type IssuerTrust interface {
	// RemoveIssuer also ends what the issuer's assertions gave; errs.NotFound.
	RemoveIssuer(tx *tenancy.Tx, id string) error
}

// ConnectFacts is what the authorization server knows of a runtime's clients. Both
// methods read the database and may block on it; errors are errs kinds.
type ConnectFacts interface {
	// Allowed counts the sign-ins with a runtime that hold.
	Allowed(ctx context.Context, h tenancy.Handle, upstreamID string) (int, error)
	// ClientNames gives the clients' own names by client id. Unknown ids are left out.
	ClientNames(ctx context.Context, h tenancy.Handle, clientIDs []string) (map[string]string, error)
}

// Console is the console's HTTP handler.
type Console struct {
	cfg     Config
	echo    *echo.Echo
	clock   clock.Clock
	origin  string // scheme and host, the default port elided
	host    string
	secure  bool
	cookies cookieNames
	routes  []Route
	gets    map[string]bool // patterns that can be opened, for the way back after signing in
	// bodyTime is how long a body may take to arrive.
	bodyTime time.Duration
	streams  *streams
	probes   *probes
	reports  *reports
	scopes   *scopes.Scopes
	// tracesLog is where clients' tries to connect stand.
	tracesLog *trace.Log
}

// Route is a registered route.
type Route struct {
	Method, Path string
	// Permission is what a member needs; empty where no workspace is in the path.
	Permission authz.Permission
	// Public routes need no session.
	Public bool
}

// MCPURL is a runtime's public address.
func MCPURL(origin, slug string) string { return origin + "/" + slug + "/mcp" }

// New makes the console. Call Close before the server shuts down.
func New(cfg Config) (*Console, error) {
	switch {
	case cfg.DB == nil || cfg.Accounts == nil || cfg.Workspaces == nil || cfg.Upstreams == nil || cfg.Usage == nil:
		return nil, errors.New("console: a domain package is missing")
	case cfg.Providers == nil:
		return nil, errors.New("console: Providers is required")
	case cfg.Profiles == nil || cfg.ProfileTrials == nil:
		return nil, errors.New("console: Profiles and ProfileTrials are required")
	case cfg.Grants == nil || cfg.Notify == nil || cfg.People == nil:
		return nil, errors.New("console: Grants, Notify and People are required")
	case cfg.Connect == nil || cfg.Log == nil || cfg.Ready == nil || cfg.URLs == nil || cfg.Clients == nil:
		return nil, errors.New("console: Connect, Log, Ready, URLs and Clients are required")
	}
	u, err := url.Parse(cfg.PublicURL)
	switch {
	case err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "":
		return nil, fmt.Errorf("console: the public URL %q must start with http:// or https:// and name a host", cfg.PublicURL)
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		return nil, fmt.Errorf("console: the public URL %q must be an origin: scheme, host and port, nothing behind them", cfg.PublicURL)
	}
	k := &Console{
		cfg: cfg, clock: cfg.DB.Clock(), secure: u.Scheme == "https", host: canonicalHost(u.Scheme, u.Host),
		gets: map[string]bool{}, bodyTime: bodyTime, streams: newStreams(), probes: newProbes(), reports: newReports(cfg.DB.Clock()), scopes: scopes.New(cfg.DB), tracesLog: trace.NewLog(cfg.DB),
	}
	k.origin = u.Scheme + "://" + k.host
	k.cookies = nameCookies(k.secure, u)
	k.echo = echo.New()
	k.echo.HideBanner, k.echo.HidePort = true, true
	k.echo.HTTPErrorHandler = k.writeError
	k.echo.IPExtractor = func(r *http.Request) string { return httpx.ClientIP(r, cfg.TrustedProxies).String() }
	k.echo.Use(k.identify, k.recover, k.protect, k.limitBody, k.ownHost, k.sameOrigin)
	k.register()
	return k, nil
}

// Routes lists every route.
func (k *Console) Routes() []Route { return append([]Route(nil), k.routes...) }

// Origin is the console's own origin.
func (k *Console) Origin() string { return k.origin }

func (k *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) { k.echo.ServeHTTP(w, r) }

// Close ends the open streams, which a server's shutdown would wait for, and the
// probes under way. It is safe to call twice.
func (k *Console) Close() {
	k.streams.close()
	k.probes.close()
}

// canonicalHost is lower case and has no default port.
func canonicalHost(scheme, host string) string {
	host = strings.ToLower(host)
	name, port, err := net.SplitHostPort(host)
	if err == nil && (scheme == "http" && port == "80" || scheme == "https" && port == "443") {
		if strings.Contains(name, ":") {
			return "[" + name + "]"
		}
		return name
	}
	return host
}

// maxBody is more than any form of the console needs.
const maxBody = 64 << 10

// bodyTime is enough for a form over any connection in use.
const bodyTime = 10 * time.Second

// readyWithin bounds the readiness check.
const readyWithin = 2 * time.Second
