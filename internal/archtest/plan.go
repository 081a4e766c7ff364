package archtest

// A pattern is a package path, relative to the module for ours. "x" is the
// package x alone, "x/..." is x and everything below it.
type pattern = string

// An entry of the floor plan: the packages it speaks of and which of ours they
// may import. The first entry that matches a package decides.
type entry struct {
	packages []pattern
	mayOurs  []pattern
}

// leaves import other leaves only, so anything may stand on them.
var leaves = []pattern{"internal/...", "usage/event", "edge/snapshot"}

// domain is what a surface (web, api, jobs) may use.
var domain = []pattern{
	"tenancy/...", "authz/...", "upstreams/...", "policies/...", "usage/...",
	"billing/...", "grants/...", "notify/...",
}

// siblings never import each other: a need across is an interface in the
// consumer, satisfied in cmd.
var siblings = []pattern{
	"upstreams/...", "policies/...", "grants/...", "usage/...", "billing/...",
	"notify/...", "authz/server/...",
}

var floorPlan = []entry{
	// What a scope opens is decided in one place; the snapshot holds it compiled.
	{packages: []pattern{"edge/snapshot"}, mayOurs: join([]pattern{"authz"}, leaves)},
	{packages: []pattern{"internal/...", "usage/event"}, mayOurs: leaves},
	{packages: []pattern{"upstreams/probe"}, mayOurs: []pattern{"internal/..."}},
	{packages: []pattern{"ui/..."}, mayOurs: []pattern{"ui/..."}},
	{packages: []pattern{"migrations"}},
	{packages: []pattern{"authz"}, mayOurs: []pattern{"internal/errs", "internal/ids"}},
	{packages: []pattern{"tenancy", "tenancy/audit"}, mayOurs: join([]pattern{"tenancy", "tenancy/audit", "authz", "migrations"}, leaves)},
	{packages: []pattern{"tenancy/tenancytest"}, mayOurs: join([]pattern{"tenancy/...", "migrations", "authz"}, leaves)},
	{packages: []pattern{"tenancy/..."}, mayOurs: join([]pattern{"tenancy/...", "authz"}, leaves)},
	{packages: []pattern{"billing/stripe"}, mayOurs: []pattern{"billing", "internal/outbound"}},
	domainEntry("upstreams/..."),
	domainEntry("policies/..."),
	domainEntry("usage/..."),
	domainEntry("billing/..."),
	domainEntry("grants/..."),
	domainEntry("notify/..."),
	{packages: []pattern{"authz/server/..."}, mayOurs: join([]pattern{"tenancy", "tenancy/audit", "authz", "authz/server/...", "ui/..."}, leaves)},
	{packages: []pattern{"edge"}, mayOurs: join([]pattern{"authz"}, leaves)},
	{packages: []pattern{"edge/feed"}, mayOurs: join([]pattern{
		"tenancy", "tenancy/workspaces", "authz", "authz/server", "authz/server/keys", "authz/server/scopes", "authz/server/settings", "upstreams", "policies", "usage", "grants", "grants/profiles", "billing",
	}, leaves)},
	{packages: []pattern{"web/..."}, mayOurs: join([]pattern{"web/...", "ui/..."}, domain, leaves)},
	{packages: []pattern{"api/..."}, mayOurs: join([]pattern{"api/..."}, domain, leaves)},
	{packages: []pattern{"jobs/..."}, mayOurs: join([]pattern{"jobs/..."}, domain, leaves)},
	{packages: []pattern{"cmd/..."}, mayOurs: []pattern{"..."}},

	// Outside the house: they stand beside the product, never inside it.
	{packages: []pattern{"sdk/..."}, mayOurs: []pattern{"sdk/..."}},
	{packages: []pattern{"examples/..."}, mayOurs: []pattern{"sdk/...", "examples/..."}},
	{packages: []pattern{"test/..."}, mayOurs: []pattern{"..."}},
	{packages: []pattern{"scripts/..."}, mayOurs: []pattern{"scripts/..."}},
}

func domainEntry(own pattern) entry {
	return entry{packages: []pattern{own}, mayOurs: join([]pattern{own, "tenancy", "tenancy/audit", "authz"}, leaves)}
}

const (
	gorm  = "gorm.io/..."
	pgx   = "github.com/jackc/pgx/..."
	echo  = "github.com/labstack/echo/..."
	templ = "github.com/a-h/templ/..."
	river = "github.com/riverqueue/..."
)

// nevers hold transitively: not even another package may bring them in.
var nevers = []struct {
	packages, never []pattern
	cure            string
}{
	{
		[]pattern{"edge", "edge/snapshot", "usage/event"},
		[]pattern{gorm, pgx, echo, templ, river},
		"the hot path runs without the database: let edge/feed load it into the snapshot, or take an interface that cmd satisfies",
	},
	{[]pattern{"internal/..."}, []pattern{gorm, echo, templ, river}, "a leaf stands under everything: move the code to the package that owns the concern"},
	{[]pattern{"ui/..."}, []pattern{echo, gorm}, "ui takes view models only: build them in web"},
	{[]pattern{"authz"}, []pattern{gorm, echo, "net/http"}, "authz decides and does nothing else: pass it values"},
	{[]pattern{"migrations"}, []pattern{echo, templ}, "migrations hold SQL only"},
}

// onlyImporters names third-party packages that one place speaks to, so that
// the rest of the house never sees their types.
var onlyImporters = []struct {
	imported  pattern
	importers []pattern
	cure      string
}{
	{"github.com/zitadel/oidc/v3/pkg/op", []pattern{"authz/server/oplib"}, "go through authz/server/oplib, the adapter to the provider library"},
	{"github.com/riverqueue/river", []pattern{"jobs/..."}, "put job arguments into the package that owns the work and the worker into jobs"},
	{"github.com/stripe/stripe-go/...", []pattern{"billing/stripe"}, "speak billing's types and let billing/stripe translate"},
	{"gorm.io/driver/...", []pattern{"tenancy"}, "open databases through tenancy"},
	{"modernc.org/sqlite/...", []pattern{"tenancy"}, "open databases through tenancy"},
	{
		"gorm.io/gorm/...",
		[]pattern{"tenancy/...", "upstreams", "policies", "usage", "billing", "grants/...", "notify", "authz/server/..."},
		"only a domain package's store.go speaks GORM: call the domain package",
	},
	{"github.com/labstack/echo/...", []pattern{"web/...", "api/...", "cmd/..."}, "take a plain http.Handler, or move the handler to web or api"},
	{"github.com/wneessen/go-mail/...", []pattern{"notify/mail"}, "hand mail to notify/mail"},
	{"github.com/standard-webhooks/standard-webhooks/libraries/...", []pattern{"notify"}, "notify signs and sends webhooks"},
	{"code.dny.dev/ssrf", []pattern{"internal/outbound"}, "make outbound requests through internal/outbound"},
}

// A call or literal that belongs to some packages alone. Its name is the import
// path and the identifier: "net/http.Get" for a function or variable, and
// "net/http.Client{}" for a composite literal or new.
var calls = []struct {
	names []string
	only  []pattern
	cure  string
}{
	{
		[]string{"os.Getenv", "os.LookupEnv", "os.Environ", "os.ExpandEnv", "syscall.Getenv", "syscall.Environ"},
		[]pattern{"cmd/emcy", "internal/dbtest", "internal/fault"},
		"the environment is read in cmd/emcy only: take a config struct",
	},
	{
		[]string{
			"net/http.Get", "net/http.Head", "net/http.Post", "net/http.PostForm", "net/http.DefaultClient", "net/http.DefaultTransport",
			"net/http.Client{}", "net/http.Transport{}", "net.Dial", "net.DialTimeout", "net.DialTCP", "net.Dialer{}", "crypto/tls.Dial",
		},
		[]pattern{"internal/outbound"},
		"outbound requests go through internal/outbound, which checks the address at dial time",
	},
	{[]string{"gorm.io/gorm.Open"}, []pattern{"tenancy"}, "tenancy is the only opener of a database: take a *tenancy.DB"},
}

// gormBanned are the methods of *gorm.DB through which a tenant's fence leaks,
// with what to write instead.
var gormBanned = map[string]string{
	"Save":        "use Create, or Updates with Select or a map",
	"Table":       "use Model with the store's own type",
	"Or":          "write \"a = ? OR b = ?\" in one Where",
	"Unscoped":    "ask for deleted rows with a Where of their own",
	"AutoMigrate": "write a migration in migrations/",
	"Migrator":    "write a migration in migrations/",
	"Raw":         "use the query methods, or add a named query to tenancy",
	"Exec":        "use the query methods, or add a named statement to tenancy",
	"Association": "write the rows of both sides in the store",
}

// gormHome is where those methods are allowed.
var gormHome = []pattern{"tenancy"}

// testCalls are banned in tests.
var testCalls = map[string]string{
	"time.Sleep": "wait on a condition: require.Eventually, a channel, or the injected clock",
}

// outside lists what is not the product: the call rules do not apply there.
var outside = []pattern{"test/...", "scripts/...", "examples/...", "sdk/...", "ui/assets/build"}

func join(lists ...[]pattern) []pattern {
	var all []pattern
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}
