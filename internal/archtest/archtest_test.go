package archtest

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestFloorPlan holds this module to the plan.
func TestFloorPlan(t *testing.T) {
	t.Parallel()

	found, err := Check("../..")
	require.Empty(t, strings.Join(found, "\n"))
	require.NoError(t, err)
}

// TestPlanNamesEveryPackageOnce keeps the table itself sound: a pattern that an
// earlier line already covers would be dead.
func TestPlanNamesEveryPackageOnce(t *testing.T) {
	t.Parallel()

	for i, e := range floorPlan {
		for _, p := range e.packages {
			for _, earlier := range floorPlan[:i] {
				require.False(t, matchesAny(earlier.packages, strings.TrimSuffix(p, "/...")) && !strings.HasSuffix(p, "/..."), "%s is hidden by an earlier line", p)
			}
		}
	}
}

// thirdParty are stand-ins of the libraries that the rules speak of: enough
// for the imports to resolve and the types to check.
var thirdParty = map[string]string{
	"gorm.io/gorm": `package gorm
type DB struct{ Error error }
type Config struct{}
func Open(*Config) (*DB, error) { return nil, nil }
func (db *DB) Create(v any) *DB { return db }
func (db *DB) Where(q any, a ...any) *DB { return db }
func (db *DB) Save(v any) *DB { return db }
func (db *DB) Table(n string) *DB { return db }
func (db *DB) Or(q any, a ...any) *DB { return db }
func (db *DB) Unscoped() *DB { return db }
func (db *DB) AutoMigrate(v ...any) error { return nil }
func (db *DB) Migrator() any { return nil }
func (db *DB) Raw(q string, a ...any) *DB { return db }
func (db *DB) Exec(q string, a ...any) *DB { return db }
func (db *DB) Association(c string) any { return nil }
`,
	"gorm.io/driver/postgres":                 "package postgres\n",
	"modernc.org/sqlite":                      "package sqlite\n",
	"github.com/jackc/pgx/v5":                 "package pgx\n",
	"github.com/labstack/echo/v4":             "package echo\n",
	"github.com/a-h/templ":                    "package templ\n",
	"github.com/riverqueue/river":             "package river\n",
	"github.com/zitadel/oidc/v3/pkg/op":       "package op\n",
	"github.com/stripe/stripe-go/v79":         "package stripe\n",
	"code.dny.dev/ssrf":                       "package ssrf\n",
	"github.com/riverqueue/river/riverdriver": "package riverdriver\n",
}

// house is a small tree that keeps every rule.
var house = map[string]string{
	"internal/errs":      `import "errors"; var E = errors.New`,
	"internal/ids":       ``,
	"internal/clock":     ``,
	"internal/outbound":  `import ("net/http"; _ "code.dny.dev/ssrf"); var Client = &http.Client{}`,
	"internal/dbtest":    `import ("os"; _ "github.com/jackc/pgx/v5"); func F() { _ = os.Getenv("X") }`,
	"usage/event":        `import _ "github.com/emcy/gateway/internal/ids"`,
	"edge/snapshot":      ``,
	"ui":                 `import _ "github.com/a-h/templ"`,
	"ui/pages":           `import _ "github.com/emcy/gateway/ui"`,
	"migrations":         ``,
	"authz":              `import (_ "github.com/emcy/gateway/internal/errs"; _ "github.com/emcy/gateway/internal/ids")`,
	"tenancy":            `import ("gorm.io/gorm"; _ "gorm.io/driver/postgres"; _ "modernc.org/sqlite"; _ "github.com/emcy/gateway/migrations"); type Tx struct { *gorm.DB }; func Open() { db, _ := gorm.Open(nil); db.Exec("x") }`,
	"tenancy/audit":      `import _ "github.com/emcy/gateway/tenancy"`,
	"tenancy/accounts":   `import (_ "github.com/emcy/gateway/tenancy/audit"; _ "github.com/emcy/gateway/authz")`,
	"upstreams":          `import "github.com/emcy/gateway/tenancy"; func Add(tx *tenancy.Tx) { tx.Create(1).Where("a = ? OR b = ?", 1, 2) }`,
	"upstreams/probe":    `import _ "github.com/emcy/gateway/internal/outbound"`,
	"policies":           `import _ "github.com/emcy/gateway/tenancy/audit"`,
	"grants":             `import _ "github.com/emcy/gateway/tenancy"`,
	"usage":              `import (_ "github.com/emcy/gateway/usage/event"; _ "gorm.io/gorm")`,
	"billing":            ``,
	"billing/stripe":     `import (_ "github.com/stripe/stripe-go/v79"; _ "github.com/emcy/gateway/billing"; _ "github.com/emcy/gateway/internal/outbound")`,
	"notify":             ``,
	"authz/server/oplib": `import _ "github.com/zitadel/oidc/v3/pkg/op"`,
	"authz/server":       `import (_ "github.com/emcy/gateway/authz/server/oplib"; _ "github.com/emcy/gateway/ui/pages"; _ "github.com/emcy/gateway/tenancy")`,
	"edge":               `import (_ "net/http"; _ "github.com/emcy/gateway/edge/snapshot"; _ "github.com/emcy/gateway/authz"; _ "github.com/emcy/gateway/internal/outbound")`,
	"edge/feed":          `import (_ "github.com/jackc/pgx/v5"; _ "github.com/emcy/gateway/upstreams"; _ "github.com/emcy/gateway/authz/server")`,
	"web":                `import (_ "github.com/labstack/echo/v4"; _ "github.com/emcy/gateway/ui/pages"; _ "github.com/emcy/gateway/upstreams"; _ "github.com/emcy/gateway/tenancy/accounts")`,
	"api":                `import (_ "github.com/labstack/echo/v4"; _ "github.com/emcy/gateway/billing")`,
	"jobs":               `import (_ "github.com/riverqueue/river"; _ "github.com/emcy/gateway/grants")`,
	"cmd/emcy":           `import ("os"; _ "github.com/emcy/gateway/web"; _ "github.com/emcy/gateway/edge/feed"); func Env() string { return os.Getenv("X") }`,
	"test/fakes":         `import ("net/http"; "os"); func F() { http.Get(os.Getenv("X")) }`,
}

// write lays a module out in a folder. A key that ends in .go is a file; any
// other is a package, whose declarations go into doc.go.
func write(t *testing.T, files map[string]string) string {
	t.Helper()

	root := t.TempDir()
	put := func(name, content string) {
		at := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(at), 0o755))
		require.NoError(t, os.WriteFile(at, []byte(content), 0o644))
	}
	var mod strings.Builder
	mod.WriteString("module github.com/emcy/gateway\n\ngo 1.26.0\n")
	for at, content := range thirdParty {
		module := strings.TrimSuffix(strings.TrimSuffix(at, "/pkg/op"), "/riverdriver")
		put(filepath.Join("third", at, "doc.go"), content)
		if module != at {
			continue // a package of a module that is listed by itself
		}
		put(filepath.Join("third", module, "go.mod"), "module "+module+"\n\ngo 1.26.0\n")
		fmt.Fprintf(&mod, "require %s %s\nreplace %s => ./third/%s\n", module, versionOf(module), module, module)
	}
	oidc := "github.com/zitadel/oidc/v3"
	put(filepath.Join("third", oidc, "go.mod"), "module "+oidc+"\n\ngo 1.26.0\n")
	fmt.Fprintf(&mod, "require %s v3.0.0\nreplace %s => ./third/%s\n", oidc, oidc, oidc)
	put("go.mod", mod.String())
	for name, content := range files {
		if strings.HasSuffix(name, ".go") {
			put(name, content)
			continue
		}
		put(filepath.Join(name, "doc.go"), "package "+filepath.Base(name)+"\n"+content+"\n")
	}
	return root
}

func versionOf(module string) string {
	if major := filepath.Base(module); majorVersion.MatchString(major) {
		return major + ".0.0"
	}
	return "v0.0.0"
}

func TestHouseThatKeepsTheRules(t *testing.T) {
	t.Parallel()

	found, err := Check(write(t, house))
	require.NoError(t, err)
	require.Empty(t, found)
}

// TestEveryRuleBites breaks each rule alone and asks for its message.
func TestEveryRuleBites(t *testing.T) {
	t.Parallel()

	ours := func(names ...string) string {
		var b strings.Builder
		for _, name := range names {
			fmt.Fprintf(&b, "import _ %q\n", "github.com/emcy/gateway/"+name)
		}
		return b.String()
	}
	gormCall := func(call string) string {
		return "import \"gorm.io/gorm\"\nfunc Do(db *gorm.DB) { _ = db." + call + " }\n"
	}
	type broken struct {
		name  string
		files map[string]string
		want  string
	}
	cases := []broken{
		{"package off the plan", map[string]string{"common": ""}, "common has no place on the floor plan"},
		{"no doc.go", map[string]string{"authz/roles/roles.go": "package roles\n", "notify/mail/mail.go": "package mail\n"}, "notify/mail has no doc.go"},
		{"leaf imports a domain package", map[string]string{"internal/clock": ours("tenancy")}, "internal/clock imports tenancy, which the floor plan denies: a leaf"},
		{"probe imports its own domain", map[string]string{"upstreams/probe": ours("tenancy")}, "upstreams/probe imports tenancy"},
		{"ui imports a leaf", map[string]string{"ui": ours("internal/clock")}, "ui imports internal/clock"},
		{"migrations imports", map[string]string{"migrations": ours("internal/clock")}, "migrations imports internal/clock"},
		{"authz imports another leaf", map[string]string{"authz": ours("internal/clock")}, "authz imports internal/clock"},
		{"tenancy imports upwards", map[string]string{"tenancy": ours("notify/text"), "notify/text": ""}, "tenancy imports notify/text"},
		{"accounts imports a domain package", map[string]string{"tenancy/accounts": ours("grants")}, "tenancy/accounts imports grants"},
		{"siblings", map[string]string{"grants": ours("upstreams")}, "grants imports upstreams, which the floor plan denies: siblings never import each other: declare what it needs as an interface in grants and satisfy it in cmd"},
		{"sibling server", map[string]string{"authz/server": ours("grants")}, "authz/server imports grants, which the floor plan denies: siblings"},
		{"stripe imports more", map[string]string{"billing/stripe": ours("tenancy")}, "billing/stripe imports tenancy"},
		{"server imports accounts", map[string]string{"authz/server": ours("tenancy/accounts")}, "authz/server imports tenancy/accounts"},
		{"edge imports a domain package", map[string]string{"edge": ours("upstreams")}, "edge imports upstreams"},
		{"feed imports web", map[string]string{"edge/feed": ours("ui")}, "edge/feed imports ui"},
		{"web imports the edge", map[string]string{"web": ours("edge")}, "web imports edge"},
		{"api imports ui", map[string]string{"api": ours("ui")}, "api imports ui"},
		{"jobs imports ui", map[string]string{"jobs": ours("ui")}, "jobs imports ui"},
		{"somebody imports cmd", map[string]string{"cmd/emcy/config": "", "web": ours("cmd/emcy/config"), "cmd/emcy": ""}, "web imports cmd/emcy/config, which the floor plan denies: cmd is the composition root"},
		{"dbtest outside tests", map[string]string{"upstreams": ours("internal/dbtest")}, "upstreams imports internal/dbtest outside its tests"},
		{"a test package outside tests", map[string]string{"tenancy/tenancytest": "", "web": ours("tenancy/tenancytest")}, "web imports tenancy/tenancytest outside its tests"},
		{"sdk imports the product", map[string]string{"sdk/worker": ours("internal/clock")}, "sdk/worker imports internal/clock"},

		{"edge reaches pgx", map[string]string{"internal/clock": ours("internal/dbtest"), "edge": ours("internal/clock")}, "edge reaches internal/clock -> internal/dbtest -> github.com/jackc/pgx/v5, which it never may"},
		{"edge reaches gorm", map[string]string{"edge": ours("tenancy")}, "edge reaches tenancy -> gorm.io/driver/postgres"},
		{"edge imports templ", map[string]string{"edge": `import _ "github.com/a-h/templ"`}, "edge reaches github.com/a-h/templ"},
		{"edge imports river's driver", map[string]string{"edge": `import _ "github.com/riverqueue/river/riverdriver"`}, "edge reaches github.com/riverqueue/river/riverdriver"},
		{"edge imports echo", map[string]string{"edge": `import _ "github.com/labstack/echo/v4"`}, "edge reaches github.com/labstack/echo/v4"},
		{"leaf reaches echo", map[string]string{"internal/clock": `import _ "github.com/labstack/echo/v4"`}, "internal/clock reaches github.com/labstack/echo/v4"},
		{"ui reaches echo", map[string]string{"ui": `import _ "github.com/labstack/echo/v4"`}, "ui reaches github.com/labstack/echo/v4"},
		{"authz reaches net/http", map[string]string{"internal/errs": `import _ "net/http"`}, "authz reaches internal/errs -> net/http"},

		{"op outside oplib", map[string]string{"authz/server": `import _ "github.com/zitadel/oidc/v3/pkg/op"`}, "go through authz/server/oplib"},
		{"river outside jobs", map[string]string{"grants": `import _ "github.com/riverqueue/river"`}, "grants imports github.com/riverqueue/river, which only jobs/... may"},
		{"stripe outside billing/stripe", map[string]string{"billing": `import _ "github.com/stripe/stripe-go/v79"`}, "billing imports github.com/stripe/stripe-go/v79"},
		{"gorm's driver outside tenancy", map[string]string{"usage": `import _ "gorm.io/driver/postgres"`}, "usage imports gorm.io/driver/postgres"},
		{"sqlite outside tenancy", map[string]string{"cmd/emcy": `import _ "modernc.org/sqlite"`}, "cmd/emcy imports modernc.org/sqlite"},
		{"gorm in web", map[string]string{"web": `import _ "gorm.io/gorm"`}, "web imports gorm.io/gorm"},
		{"echo in a domain package", map[string]string{"upstreams": `import _ "github.com/labstack/echo/v4"`}, "upstreams imports github.com/labstack/echo/v4"},
		{"ssrf outside outbound", map[string]string{"upstreams/probe": `import _ "code.dny.dev/ssrf"`}, "upstreams/probe imports code.dny.dev/ssrf"},

		{"environment", map[string]string{"web": `import "os"; var X = os.Getenv("X")`}, "web/doc.go:2 uses os.Getenv, which only cmd/emcy"},
		{"environment under another name", map[string]string{"web": `import sys "os"; var X, _ = sys.LookupEnv("X")`}, "uses os.LookupEnv"},
		{"environment, whole", map[string]string{"web": `import "os"; var X = os.Environ()`}, "uses os.Environ"},
		{"http.Get", map[string]string{"upstreams": `import "net/http"; var F = http.Get`}, "uses net/http.Get, which only internal/outbound may"},
		{"http.DefaultClient", map[string]string{"upstreams": `import "net/http"; var C = http.DefaultClient`}, "uses net/http.DefaultClient"},
		{"http.Client literal", map[string]string{"upstreams": `import "net/http"; var C = &http.Client{}`}, "uses net/http.Client{}"},
		{"new(http.Client)", map[string]string{"upstreams": `import "net/http"; var C = new(http.Client)`}, "uses net/http.Client{}"},
		{"var http.Client", map[string]string{"upstreams": `import "net/http"; var C http.Client`}, "uses net/http.Client{}"},
		{"net.Dial", map[string]string{"upstreams": `import "net"; var C, _ = net.Dial("tcp", "x")`}, "uses net.Dial"},
		{"net.Dialer", map[string]string{"upstreams": `import "net"; var C = net.Dialer{}`}, "uses net.Dialer{}"},
		{"on another system only", map[string]string{"upstreams/dial_plan9.go": "package upstreams\nimport \"net\"\nvar C = net.Dialer{}\n"}, "upstreams/dial_plan9.go:3 uses net.Dialer{}"},
		{"gorm.Open", map[string]string{"usage": `import "gorm.io/gorm"; var DB, _ = gorm.Open(nil)`}, "uses gorm.io/gorm.Open, which only tenancy may"},
		{"sleep in a test", map[string]string{"upstreams/x_test.go": "package upstreams\nimport \"time\"\nfunc f() { time.Sleep(1) }\n"}, "uses time.Sleep in a test"},
		{"sleep in an external test", map[string]string{"test/fakes/x_test.go": "package fakes_test\nimport \"time\"\nfunc f() { time.Sleep(1) }\n"}, "uses time.Sleep in a test"},
		{"banned by embedding", map[string]string{"upstreams": `import "github.com/emcy/gateway/tenancy"; func Add(tx *tenancy.Tx) { tx.Where("a").Unscoped() }`}, "upstreams/doc.go:2 calls GORM's Unscoped"},
		{"banned as a value", map[string]string{"upstreams": `import "github.com/emcy/gateway/tenancy"; func Add(tx *tenancy.Tx) { f := tx.Exec; f("delete from x") }`}, "calls GORM's Exec"},
	}
	for method, call := range map[string]string{
		"Save": "Save(1)", "Table": `Table("x")`, "Or": `Where("a").Or("b")`, "Unscoped": "Unscoped()", "AutoMigrate": "AutoMigrate(1)",
		"Migrator": "Migrator()", "Raw": `Raw("x")`, "Exec": `Exec("x")`, "Association": `Association("x")`,
	} {
		cases = append(cases, broken{"gorm " + method, map[string]string{"usage": gormCall(call)}, "calls GORM's " + method + ", which only tenancy may: " + gormBanned[method]})
	}
	require.Len(t, gormBanned, 9, "each banned method has a case")

	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()

			files := maps.Clone(house)
			maps.Copy(files, c.files)
			tree, err := load(write(t, files))
			require.NoError(t, err)
			check := tree.checkSources
			if strings.Contains(c.want, "GORM") {
				check = tree.checkGORM
			}
			found, err := check()
			require.NoError(t, err)
			require.Contains(t, strings.Join(found, "\n"), c.want)
		})
	}
}

func TestBrokenModuleIsAnError(t *testing.T) {
	t.Parallel()

	_, err := Check(write(t, map[string]string{"web": `import _ "github.com/emcy/gateway/nowhere"`}))
	require.ErrorContains(t, err, "nowhere")
	_, err = Check(t.TempDir())
	require.Error(t, err)
}
