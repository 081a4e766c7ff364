package web_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/authz/server/scopes"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/tenancytest"
	"github.com/emcy/gateway/test/e2e/httpflow"
	"github.com/emcy/gateway/ui/assets"
	"github.com/emcy/gateway/upstreams"
	"github.com/emcy/gateway/web"
)

func TestEveryRouteIsListed(t *testing.T) {
	t.Parallel()
	b := setup(t, tenancytest.SQLite(t))
	var listed []string
	for _, r := range b.console.Routes() {
		listed = append(listed, r.Method+" "+r.Path)
		if strings.Contains(r.Path, ":workspace") {
			require.NotEmpty(t, r.Permission, r.Path)
			require.False(t, r.Public, r.Path)
			require.True(t, authz.Allow(authz.Owner, r.Permission), r.Path)
		}
	}
	require.ElementsMatch(t, web.RouterRoutes(b.console), listed)
}

// fill puts real values into a pattern.
func fill(pattern, workspace, runtime, event string) string {
	return strings.NewReplacer(":webhook", webhookID, ":delivery", "dlv_0", ":alert", alertID, ":profile", profileID, ":grant", grantID, ":batch", batchID, ":trace", "tra_0", ":scope", scopeKey, ":client", clientKey, ":issuer", "tis_0", ":workspace", workspace, ":runtime", runtime, ":event", event, ":tool", upstreams.ToolID("echo"), ":provider", providerID, ":user", "eu_0", assets.Prefix+"*", assets.Path("app.css")).Replace(pattern)
}

func TestStrictHeadersOnEveryRoute(t *testing.T) {
	t.Parallel()
	b := setup(t, tenancytest.SQLite(t))
	p, h := b.owner(t, "Ana", "acme")
	b.addRuntime(t, p, "acme", "todos")
	u, err := b.config.Upstreams.Get(t.Context(), h, "todos")
	require.NoError(t, err)
	e := newEvent(h, u.ID, b.Clock.Now())
	b.record(t, h, e)
	b.furnish(t, h, "Acme SSO")
	nonces := map[string]bool{}
	check := func(name string, got *answer) {
		csp := got.header.Get("Content-Security-Policy")
		_, rest, found := strings.Cut(csp, "'nonce-")
		require.True(t, found, name)
		nonce, _, _ := strings.Cut(rest, "'")
		require.GreaterOrEqual(t, len(nonce), 22, name)
		require.False(t, nonces[nonce], "%s: a nonce is used once", name)
		nonces[nonce] = true
		require.Equal(t, "default-src 'none'; base-uri 'none'; connect-src 'self'; font-src 'self'; form-action 'self'; frame-ancestors 'none'; img-src 'self' data:; "+
			"script-src 'self' 'nonce-"+nonce+"'; style-src 'self'; require-trusted-types-for 'script'; trusted-types htmx; report-uri /csp-report", csp, name)
		for header, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin",
			"X-Robots-Tag": "noindex, nofollow", "Strict-Transport-Security": "", "Access-Control-Allow-Origin": "", "Server": "",
		} {
			require.Equal(t, want, got.header.Get(header), "%s: %s", name, header)
		}
		require.NotEmpty(t, got.header.Get("Permissions-Policy"), name)
		require.Regexp(t, `^req_[0-9a-z]+$`, got.header.Get("X-Request-Id"), name)
		if strings.HasPrefix(got.header.Get("Content-Type"), "text/html") {
			require.Equal(t, "no-store", got.header.Get("Cache-Control"), name)
			require.Contains(t, got.body, nonce, name)
			require.NotContains(t, got.body, " style=", name)
			require.NotRegexp(t, ` on[a-z]+=`, got.body, name)
		}
	}
	for _, r := range b.console.Routes() {
		path := fill(r.Path, "acme", "todos", e.ID)
		name := r.Method + " " + r.Path
		if strings.HasSuffix(r.Path, "/stream") {
			path += "?topics=nothing" // refused: the stream itself has a test of its own
		}
		check(name+" as nobody", b.send(t, nil, r.Method, path, nil, nil))
		if r.Path != "/sign-out" {
			check(name+" as a member", b.send(t, p, r.Method, path, nil, nil))
		}
	}
	for _, path := range []string{"/nothing/here/at/all", "/assets/nothing.js", "/acme/runtimes/", "/..%2f..%2f", "/%00", "/ACME", "/acme/logs/%00", "/acme/runtimes/x%ff"} {
		got := b.send(t, p, "GET", path, nil, nil)
		require.Equal(t, http.StatusNotFound, got.status, path)
		if !strings.HasPrefix(path, "/assets/") {
			check(path, got)
		}
	}
	for _, method := range []string{"PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "OPTIONS"} {
		got := b.send(t, p, method, "/workspaces", nil, nil)
		require.Contains(t, []int{http.StatusMethodNotAllowed, http.StatusNoContent, http.StatusNotFound, http.StatusBadRequest}, got.status, method)
	}
}

// visits is what makes each tenant route succeed for its owner. A route that is not
// here fails the walk. Those that change something for good come last.
type visit struct {
	status int
	form   url.Values
	query  string
}

func visits(runtime string) map[string]visit {
	edited := url.Values{"name": {"Canary renamed"}, "url": {""}, "version": {""}}
	return map[string]visit{
		"GET /:workspace":                                                {status: http.StatusSeeOther},
		"GET /:workspace/runtimes":                                       {status: http.StatusOK},
		"GET /:workspace/runtimes/new":                                   {status: http.StatusOK},
		"POST /:workspace/runtimes/new":                                  {status: http.StatusSeeOther, form: url.Values{"name": {"Second"}, "slug": {"second"}, "url": {""}}},
		"GET /:workspace/runtimes/:runtime":                              {status: http.StatusOK},
		"GET /:workspace/runtimes/:runtime/setup":                        {status: http.StatusOK},
		"POST /:workspace/runtimes/:runtime/setup":                       {status: http.StatusSeeOther, form: url.Values{}},
		"GET /:workspace/runtimes/:runtime/probe":                        {status: http.StatusOK},
		"POST /:workspace/runtimes/:runtime/probe":                       {status: http.StatusSeeOther, form: url.Values{}},
		"GET /:workspace/runtimes/:runtime/edit":                         {status: http.StatusOK},
		"POST /:workspace/runtimes/:runtime/edit":                        {status: http.StatusSeeOther, form: edited},
		"POST /:workspace/runtimes/:runtime/secret":                      {status: http.StatusSeeOther, form: url.Values{}},
		"GET /:workspace/runtimes/:runtime/connect":                      {status: http.StatusOK},
		"GET /:workspace/runtimes/:runtime/tools":                        {status: http.StatusOK},
		"POST /:workspace/runtimes/:runtime/tools":                       {status: http.StatusSeeOther, form: url.Values{}},
		"GET /:workspace/runtimes/:runtime/tools/:tool":                  {status: http.StatusOK},
		"GET /:workspace/runtimes/:runtime/contract":                     {status: http.StatusOK},
		"POST /:workspace/runtimes/:runtime/contract":                    {status: http.StatusUnprocessableEntity, form: url.Values{"bearer": {"bearer"}, "header.X-Emcy-Tenant": {"Cookie"}}},
		"POST /:workspace/runtimes/:runtime/contract/verify":             {status: http.StatusOK, form: url.Values{}},
		"GET /:workspace/profiles":                                       {status: http.StatusOK},
		"GET /:workspace/profiles/new":                                   {status: http.StatusOK},
		"GET /:workspace/profiles/new/:profile":                          {status: http.StatusSeeOther},
		"POST /:workspace/profiles/new/:profile":                         {status: http.StatusUnprocessableEntity, form: url.Values{}},
		"GET /:workspace/profiles/:profile":                              {status: http.StatusOK},
		"GET /:workspace/profiles/:profile/edit":                         {status: http.StatusOK},
		"POST /:workspace/profiles/:profile/edit":                        {status: http.StatusUnprocessableEntity, form: url.Values{}},
		"POST /:workspace/profiles/:profile/discover":                    {status: http.StatusUnprocessableEntity, form: url.Values{}},
		"GET /:workspace/profiles/:profile/client":                       {status: http.StatusNotFound},
		"POST /:workspace/profiles/:profile/client":                      {status: http.StatusNotFound, form: url.Values{}},
		"GET /:workspace/profiles/:profile/remove":                       {status: http.StatusOK},
		"POST /:workspace/profiles/:profile/remove":                      {status: http.StatusUnprocessableEntity, form: url.Values{}},
		"GET /:workspace/runtimes/:runtime/access":                       {status: http.StatusOK},
		"POST /:workspace/runtimes/:runtime/access":                      {status: http.StatusConflict, form: url.Values{}},
		"GET /:workspace/grants":                                         {status: http.StatusOK},
		"POST /:workspace/grants/ask":                                    {status: http.StatusSeeOther, form: url.Values{}},
		"GET /:workspace/grants/revoke":                                  {status: http.StatusOK},
		"POST /:workspace/grants/revoke":                                 {status: http.StatusUnprocessableEntity, form: url.Values{}},
		"GET /:workspace/grants/revocations/:batch":                      {status: http.StatusOK},
		"GET /:workspace/grants/revocations/:batch/report.csv":           {status: http.StatusOK},
		"POST /:workspace/grants/revocations/:batch/continue":            {status: http.StatusSeeOther, form: url.Values{}},
		"GET /:workspace/grants/:grant":                                  {status: http.StatusOK},
		"POST /:workspace/grants/:grant/refresh":                         {status: http.StatusUnprocessableEntity, form: url.Values{}},
		"POST /:workspace/grants/:grant/ask":                             {status: http.StatusUnprocessableEntity, form: url.Values{}},
		"GET /:workspace/grants/:grant/revoke":                           {status: http.StatusOK},
		"POST /:workspace/grants/:grant/revoke":                          {status: http.StatusSeeOther, form: url.Values{}},
		"GET /:workspace/scopes":                                         {status: http.StatusOK},
		"GET /:workspace/scopes/new":                                     {status: http.StatusOK},
		"POST /:workspace/scopes/new":                                    {status: http.StatusUnprocessableEntity, form: url.Values{}},
		"GET /:workspace/scopes/hints/:runtime":                          {status: http.StatusOK},
		"POST /:workspace/scopes/hints/:runtime":                         {status: http.StatusSeeOther, form: url.Values{}},
		"GET /:workspace/scopes/:scope":                                  {status: http.StatusOK},
		"POST /:workspace/scopes/:scope":                                 {status: http.StatusUnprocessableEntity, form: url.Values{}},
		"POST /:workspace/scopes/:scope/move":                            {status: http.StatusSeeOther, form: url.Values{"to": {"up"}}},
		"GET /:workspace/scopes/:scope/tools/:runtime":                   {status: http.StatusOK},
		"POST /:workspace/scopes/:scope/tools/:runtime":                  {status: http.StatusSeeOther, form: url.Values{}},
		"GET /:workspace/scopes/:scope/delete":                           {status: http.StatusOK},
		"POST /:workspace/scopes/:scope/delete":                          {status: http.StatusUnprocessableEntity, form: url.Values{}},
		"GET /:workspace/clients":                                        {status: http.StatusOK},
		"GET /:workspace/clients/new":                                    {status: http.StatusOK},
		"POST /:workspace/clients/new":                                   {status: http.StatusUnprocessableEntity, form: url.Values{}},
		"GET /:workspace/clients/:client":                                {status: http.StatusOK},
		"GET /:workspace/clients/:client/edit":                           {status: http.StatusOK},
		"POST /:workspace/clients/:client/edit":                          {status: http.StatusUnprocessableEntity, form: url.Values{}},
		"POST /:workspace/clients/:client/secret":                        {status: http.StatusOK, form: url.Values{}},
		"POST /:workspace/clients/:client/status":                        {status: http.StatusSeeOther, form: url.Values{"status": {"blocked"}}},
		"GET /:workspace/clients/:client/delete":                         {status: http.StatusOK},
		"POST /:workspace/clients/:client/delete":                        {status: http.StatusSeeOther, form: url.Values{}},
		"GET /:workspace/authorization":                                  {status: http.StatusOK},
		"POST /:workspace/authorization":                                 {status: http.StatusUnprocessableEntity, form: url.Values{}},
		"GET /:workspace/authorization/keys":                             {status: http.StatusOK},
		"POST /:workspace/authorization/keys":                            {status: http.StatusSeeOther, form: url.Values{}},
		"GET /:workspace/authorization/keys/replace":                     {status: http.StatusOK},
		"POST /:workspace/authorization/keys/replace":                    {status: http.StatusUnprocessableEntity, form: url.Values{}},
		"GET /:workspace/authorization/issuers":                          {status: http.StatusOK},
		"GET /:workspace/authorization/issuers/new":                      {status: http.StatusOK},
		"POST /:workspace/authorization/issuers/new":                     {status: http.StatusUnprocessableEntity, form: url.Values{}},
		"GET /:workspace/authorization/issuers/:issuer":                  {status: http.StatusNotFound},
		"POST /:workspace/authorization/issuers/:issuer":                 {status: http.StatusNotFound, form: url.Values{}},
		"GET /:workspace/authorization/issuers/:issuer/remove":           {status: http.StatusNotFound},
		"POST /:workspace/authorization/issuers/:issuer/remove":          {status: http.StatusNotFound, form: url.Values{}},
		"GET /:workspace/connections":                                    {status: http.StatusOK},
		"GET /:workspace/alerts":                                         {status: http.StatusOK},
		"GET /:workspace/alerts/log/:alert":                              {status: http.StatusOK},
		"GET /:workspace/alerts/settings":                                {status: http.StatusOK},
		"POST /:workspace/alerts/settings":                               {status: http.StatusConflict, form: url.Values{}},
		"GET /:workspace/alerts/webhooks":                                {status: http.StatusOK},
		"GET /:workspace/alerts/webhooks/new":                            {status: http.StatusOK},
		"POST /:workspace/alerts/webhooks/new":                           {status: http.StatusUnprocessableEntity, form: url.Values{}},
		"GET /:workspace/alerts/webhooks/:webhook":                       {status: http.StatusOK},
		"POST /:workspace/alerts/webhooks/:webhook":                      {status: http.StatusUnprocessableEntity, form: url.Values{}},
		"POST /:workspace/alerts/webhooks/:webhook/secret":               {status: http.StatusOK, form: url.Values{}},
		"POST /:workspace/alerts/webhooks/:webhook/test":                 {status: http.StatusSeeOther, form: url.Values{}},
		"POST /:workspace/alerts/webhooks/:webhook/deliveries/:delivery": {status: http.StatusNotFound, form: url.Values{}},
		"GET /:workspace/alerts/webhooks/:webhook/remove":                {status: http.StatusOK},
		"POST /:workspace/alerts/webhooks/:webhook/remove":               {status: http.StatusUnprocessableEntity, form: url.Values{}},
		"GET /:workspace/connections/:trace":                             {status: http.StatusNotFound},
		"GET /:workspace/sign-in":                                        {status: http.StatusOK},
		"GET /:workspace/sign-in/new":                                    {status: http.StatusSeeOther},
		"GET /:workspace/sign-in/new/:provider":                          {status: http.StatusOK},
		"POST /:workspace/sign-in/new/:provider":                         {status: http.StatusUnprocessableEntity, form: url.Values{}},
		"GET /:workspace/sign-in/users":                                  {status: http.StatusOK},
		"POST /:workspace/sign-in/users/:user":                           {status: http.StatusNotFound, form: url.Values{}},
		"GET /:workspace/sign-in/:provider":                              {status: http.StatusOK},
		"POST /:workspace/sign-in/:provider":                             {status: http.StatusUnprocessableEntity, form: url.Values{}},
		"GET /:workspace/sign-in/:provider/remove":                       {status: http.StatusOK},
		"POST /:workspace/sign-in/:provider/remove":                      {status: http.StatusUnprocessableEntity, form: url.Values{}},
		"GET /:workspace/logs":                                           {status: http.StatusOK},
		"GET /:workspace/logs/:event":                                    {status: http.StatusOK},
		"GET /:workspace/-/stream":                                       {status: http.StatusOK, query: "?topics=connect:" + runtime + ",logs"},
		"GET /:workspace/runtimes/:runtime/remove":                       {status: http.StatusOK},
		"POST /:workspace/runtimes/:runtime/remove":                      {status: http.StatusSeeOther, form: url.Values{"confirm": {runtime}}},
	}
}

const (
	canary = "canary-6f2b"
	// scopeName and clientName are what furnish adds; the keys stand for them in addresses.
	scopeName  = "files.read"
	clientName = "cli_canary"
)

var (
	scopeKey  = web.ScopeID(scopeName)
	clientKey = web.ClientKey(clientName)
)

// furnish adds what the routes with an id of their own need: a provider, a scope and a client.
func (b *testBundle) furnish(t *testing.T, h tenancy.Handle, name string) {
	t.Helper()
	b.addProvider(t, h, name)
	b.furnishGrants(t, h, name)
	b.furnishAlerts(t, h, name)
	require.NoError(t, scopes.New(b.config.DB).Create(t.Context(), h, scopes.Input{Name: scopeName, Title: name}))
	require.NoError(t, b.config.DB.Write(t.Context(), h, func(tx *tenancy.Tx) error {
		return tx.DB().Create(&newClientRow{
			TenantID: tx.Tenant(), ID: clientName, Kind: "preregistered", Name: name, RedirectURIs: `["https://app.example.com/cb"]`, ApplicationType: "web",
			AuthMethod: "client_secret_basic", SecretHash: "none", CreatedAt: tx.Now(),
		}).Error
	}))
}

type newClientRow struct {
	TenantID, ID, Kind, Name string
	RedirectURIs             string `gorm:"column:redirect_uris"`
	ApplicationType          string
	AuthMethod, SecretHash   string
	CreatedAt                time.Time
}

func (newClientRow) TableName() string { return "clients" }

func TestTenantsNeverMeet(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		b := setup(t, env)
		ana, h := b.owner(t, "Ana", canary+"-ws")
		eve, _ := b.owner(t, "Eve", "evil")
		b.addRuntime(t, eve, "evil", "mine")
		remaining := visits(canary + "-rt")
		last := "POST /:workspace/runtimes/:runtime/remove"
		routes := b.console.Routes()
		for i, r := range routes { // what ends the fixture comes last
			if r.Method+" "+r.Path == last {
				routes = append(append(routes[:i:i], routes[i+1:]...), r)
				break
			}
		}
		_, err := ana.PostRuntime(t.Context(), canary+"-ws", httpflow.RuntimeForm{Name: canary + " runtime", Slug: canary + "-rt", URL: b.runtime.URL()})
		require.NoError(t, err)
		u, err := b.config.Upstreams.Get(t.Context(), h, canary+"-rt")
		require.NoError(t, err)
		e := newEvent(h, u.ID, b.Clock.Now())
		e.Name = canary + "-tool"
		b.record(t, h, e)
		b.furnish(t, h, canary)

		for _, r := range routes {
			if r.Permission == "" {
				continue
			}
			name := r.Method + " " + r.Path
			v, known := remaining[name]
			require.True(t, known, "%s has no entry in this test", name)
			delete(remaining, name)
			path := fill(r.Path, canary+"-ws", canary+"-rt", e.ID) + v.query
			form := func(p *httpflow.Person) url.Values {
				if v.form == nil {
					return nil
				}
				out := url.Values{"csrf": {b.token(t, p, "/workspaces/new")}}
				for key, values := range v.form {
					out[key] = values
				}
				if _, asks := out["url"]; asks {
					out.Set("url", b.runtime.URL())
				}
				if _, asks := out["version"]; asks {
					now, err := b.config.Upstreams.Get(t.Context(), h, canary+"-rt")
					require.NoError(t, err)
					out.Set("version", itoa(int(now.Version)))
				}
				return out
			}
			before := dump(t, b, h)
			// Eve first, because what she must not do may be something that can be done once only.
			foreign := b.send(t, eve, r.Method, path, form(eve), nil)
			require.Equal(t, http.StatusNotFound, foreign.status, name)
			require.NotContains(t, foreign.body, canary, name)
			require.Empty(t, foreign.header.Get("Location"), name)
			nobody := b.send(t, nil, r.Method, path, form(ana), nil)
			require.Contains(t, []int{http.StatusSeeOther, http.StatusUnauthorized}, nobody.status, name)
			require.NotContains(t, nobody.body, canary, name)
			// Through her own workspace, with Ana's ids.
			if strings.Contains(r.Path, ":runtime") || strings.Contains(r.Path, ":event") || strings.Contains(r.Path, ":client") || strings.Contains(r.Path, ":scope") || strings.Contains(r.Path, "profiles/:profile") || v.query != "" {
				through := b.send(t, eve, r.Method, fill(r.Path, "evil", canary+"-rt", e.ID)+v.query, form(eve), nil)
				require.Equal(t, http.StatusNotFound, through.status, name)
				require.NotContains(t, strings.ReplaceAll(through.body, e.ID, ""), canary, name)
			}
			require.Equal(t, before, dump(t, b, h), "%s changed something as Eve", name)

			if strings.HasSuffix(r.Path, "/stream") {
				s := b.open(t, ana, path)
				require.Contains(t, s.next(t), "connect-status")
				continue
			}
			own := b.send(t, ana, r.Method, path, form(ana), nil)
			require.Equal(t, v.status, own.status, "%s: %s", name, own.body)
			if strings.HasSuffix(own.header.Get("Location"), "/probe") {
				_, err := ana.Probed(t.Context(), &httpflow.Runtime{Workspace: canary + "-ws", Slug: canary + "-rt"})
				require.NoError(t, err)
			}
		}
		require.Empty(t, remaining, "entries without a route")
	})
}

// dump is what a workspace holds, for telling that nothing changed.
func dump(t *testing.T, b *testBundle, h tenancy.Handle) string {
	t.Helper()
	list, err := b.config.Upstreams.List(t.Context(), h)
	require.NoError(t, err)
	var out strings.Builder
	for _, u := range list {
		out.WriteString(u.Slug + " " + u.Name + " " + u.URL + " " + string(u.State) + " " + itoa(int(u.Version)))
		if u.ProbedAt != nil {
			out.WriteString(" " + u.ProbedAt.String())
		}
		_, secret, err := b.config.Upstreams.Setup(t.Context(), h, u.Slug)
		if err == nil {
			out.WriteString(" " + secret.Reveal())
		}
		out.WriteString("\n")
	}
	return out.String()
}

func TestARoleThatIsNotEnough(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		b := setup(t, env)
		owner, h := b.owner(t, "Ana", "acme")
		b.addRuntime(t, owner, "acme", "todos")
		viewer := b.person(t, "Vi")
		b.join(t, h, viewer, "viewer")
		token := b.token(t, viewer, "/workspaces/new")
		e := newEvent(h, "ups_1", b.Clock.Now())
		b.record(t, h, e)
		b.furnish(t, h, "Acme SSO")
		for _, r := range b.console.Routes() {
			if r.Permission == "" || strings.HasSuffix(r.Path, "/stream") {
				continue
			}
			var form url.Values
			if r.Method == http.MethodPost {
				form = url.Values{"csrf": {token}, "confirm": {"todos"}}
			}
			got := b.send(t, viewer, r.Method, fill(r.Path, "acme", "todos", e.ID), form, nil)
			if authz.Allow(authz.Viewer, r.Permission) {
				if strings.HasSuffix(r.Path, ":issuer") || strings.HasSuffix(r.Path, ":trace") {
					require.Equal(t, http.StatusNotFound, got.status, "there is none")
					continue
				}
				require.Less(t, got.status, 400, r.Path)
				continue
			}
			require.Equal(t, http.StatusForbidden, got.status, r.Path)
			require.Contains(t, strings.ToLower(got.body), string(authz.Needs(r.Permission)), "%s names the role", r.Path)
			require.Contains(t, got.body, "Viewer", r.Path)
		}
		b.leave(t, h, viewer)
		require.Equal(t, http.StatusNotFound, b.send(t, viewer, "GET", "/acme/runtimes", nil, nil).status)
	})
}

func TestForMachines(t *testing.T) {
	t.Parallel()
	failing := context.DeadlineExceeded
	var ready error
	b := setup(t, tenancytest.SQLite(t), func(c *web.Config) { c.Ready = func(context.Context) error { return ready } })
	for _, method := range []string{"GET", "HEAD"} {
		require.Equal(t, http.StatusOK, b.send(t, nil, method, "/healthz", nil, nil).status)
		require.Equal(t, http.StatusOK, b.send(t, nil, method, "/readyz", nil, nil).status)
	}
	ready = failing
	got := b.send(t, nil, "GET", "/readyz", nil, nil)
	require.Equal(t, http.StatusServiceUnavailable, got.status)
	require.Equal(t, "not ready\n", got.body)
	require.Equal(t, "User-agent: *\nDisallow: /\n", b.send(t, nil, "GET", "/robots.txt", nil, nil).body)
	css := b.send(t, nil, "GET", assets.Path("app.css"), nil, nil)
	require.Equal(t, http.StatusOK, css.status)
	require.Contains(t, css.header.Get("Cache-Control"), "immutable")
}

func TestViolationReportsCannotFillTheLog(t *testing.T) {
	t.Parallel()
	b := setup(t, tenancytest.SQLite(t))
	report := func(body string) int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.server.URL+"/csp-report", strings.NewReader(body))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/csp-report")
		return do(t, b.server, req).status
	}
	for range 30 {
		require.Equal(t, http.StatusNoContent, report(`{"csp-report":{"document-uri":"http://x/acme/logs?secret=1","effective-directive":"script-src-elem","blocked-uri":"https://user:pw@evil.example/p?q"}}`))
	}
	require.Equal(t, http.StatusNoContent, report("no JSON"))
	require.Equal(t, http.StatusNoContent, report(`{"csp-report":{"effective-directive":"`+strings.Repeat("x", 60000)+`"}}`))
	lines := b.logged("content security policy violated")
	require.Len(t, lines, 10)
	require.Equal(t, "/acme/logs", lines[0]["page"])
	require.Equal(t, "https://evil.example", lines[0]["blocked"])
	require.NotContains(t, b.log.String(), "secret=1")
	require.NotContains(t, b.log.String(), "user:pw")
}
