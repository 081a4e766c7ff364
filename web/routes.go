package web

import (
	"net/http"
	"net/url"
	"regexp"

	"github.com/labstack/echo/v4"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/accounts"
	"github.com/emcy/gateway/ui/assets"
	"github.com/emcy/gateway/web/forms"
)

const streamPath = "/:workspace/-/stream"

func (k *Console) register() {
	k.registerUIKit()
	k.open(http.MethodGet, "/", k.start)
	k.open(http.MethodGet, "/healthz", k.healthz)
	k.open(http.MethodHead, "/healthz", k.healthz)
	k.open(http.MethodGet, "/readyz", k.readyz)
	k.open(http.MethodHead, "/readyz", k.readyz)
	k.open(http.MethodGet, "/robots.txt", k.robots)
	k.open(http.MethodPost, reportPath, k.cspReport)
	k.open(http.MethodGet, assets.Prefix+"*", echo.WrapHandler(assets.Handler()))
	k.open(http.MethodHead, assets.Prefix+"*", echo.WrapHandler(assets.Handler()))

	k.guest(http.MethodGet, "/sign-up", k.signUpPage)
	k.guest(http.MethodPost, "/sign-up", k.signUp)
	k.guest(http.MethodGet, "/sign-in", k.signInPage)
	k.guest(http.MethodPost, "/sign-in", k.signIn)

	k.person(http.MethodPost, "/sign-out", k.signOut)
	k.person(http.MethodGet, "/workspaces", k.workspaces)
	k.person(http.MethodGet, "/workspaces/new", k.workspaceNew)
	k.person(http.MethodPost, "/workspaces/new", k.workspaceCreate)

	k.tenant(http.MethodGet, "/:workspace", authz.ReadWorkspace, k.workspace)
	k.tenant(http.MethodGet, "/:workspace/runtimes", authz.ReadWorkspace, k.runtimes)
	k.tenant(http.MethodGet, "/:workspace/runtimes/new", authz.WriteUpstreams, k.runtimeNew)
	k.tenant(http.MethodPost, "/:workspace/runtimes/new", authz.WriteUpstreams, k.runtimeCreate)
	k.tenant(http.MethodGet, "/:workspace/runtimes/:runtime", authz.ReadWorkspace, k.runtime)
	k.tenant(http.MethodGet, "/:workspace/runtimes/:runtime/setup", authz.WriteUpstreams, k.setup)
	k.tenant(http.MethodPost, "/:workspace/runtimes/:runtime/setup", authz.WriteUpstreams, k.setupDone)
	k.tenant(http.MethodGet, "/:workspace/runtimes/:runtime/probe", authz.ReadWorkspace, k.probePage)
	k.tenant(http.MethodPost, "/:workspace/runtimes/:runtime/probe", authz.WriteUpstreams, k.probe)
	k.tenant(http.MethodGet, "/:workspace/runtimes/:runtime/edit", authz.WriteUpstreams, k.runtimeEdit)
	k.tenant(http.MethodPost, "/:workspace/runtimes/:runtime/edit", authz.WriteUpstreams, k.runtimeUpdate)
	k.tenant(http.MethodPost, "/:workspace/runtimes/:runtime/secret", authz.WriteUpstreams, k.rotate)
	k.tenant(http.MethodGet, "/:workspace/runtimes/:runtime/remove", authz.WriteUpstreams, k.runtimeRemove)
	k.tenant(http.MethodPost, "/:workspace/runtimes/:runtime/remove", authz.WriteUpstreams, k.runtimeRemoved)
	k.tenant(http.MethodGet, "/:workspace/runtimes/:runtime/tools", authz.ReadWorkspace, k.tools)
	k.tenant(http.MethodPost, "/:workspace/runtimes/:runtime/tools", authz.WriteUpstreams, k.toolsSync)
	k.tenant(http.MethodGet, "/:workspace/runtimes/:runtime/tools/:tool", authz.ReadWorkspace, k.tool)
	k.tenant(http.MethodGet, "/:workspace/runtimes/:runtime/connect", authz.ReadWorkspace, k.connect)
	k.registerContract()
	k.registerScopes()
	k.registerSignInSettings()
	k.registerAlerts()
	k.registerProfiles()
	k.tenant(http.MethodGet, "/:workspace/clients", authz.ReadWorkspace, k.clients)
	k.tenant(http.MethodGet, "/:workspace/clients/new", authz.WriteSettings, k.clientNew)
	k.tenant(http.MethodPost, "/:workspace/clients/new", authz.WriteSettings, k.clientCreate)
	k.tenant(http.MethodGet, "/:workspace/clients/:client", authz.ReadWorkspace, k.client)
	k.tenant(http.MethodGet, "/:workspace/clients/:client/edit", authz.WriteSettings, k.clientEdit)
	k.tenant(http.MethodPost, "/:workspace/clients/:client/edit", authz.WriteSettings, k.clientUpdate)
	k.tenant(http.MethodPost, "/:workspace/clients/:client/secret", authz.WriteSettings, k.clientSecret)
	k.tenant(http.MethodPost, "/:workspace/clients/:client/status", authz.WriteSettings, k.clientStatus)
	k.tenant(http.MethodGet, "/:workspace/clients/:client/delete", authz.WriteSettings, k.clientDelete)
	k.tenant(http.MethodPost, "/:workspace/clients/:client/delete", authz.WriteSettings, k.clientDeleted)
	k.tenant(http.MethodGet, "/:workspace/authorization", authz.ReadWorkspace, k.authorization)
	k.tenant(http.MethodPost, "/:workspace/authorization", authz.WriteSettings, k.authorizationSave)
	k.tenant(http.MethodGet, "/:workspace/authorization/keys", authz.ReadWorkspace, k.keys)
	k.tenant(http.MethodPost, "/:workspace/authorization/keys", authz.WriteSettings, k.keysRotate)
	k.tenant(http.MethodGet, "/:workspace/authorization/keys/replace", authz.WriteSettings, k.keysReplace)
	k.tenant(http.MethodPost, "/:workspace/authorization/keys/replace", authz.WriteSettings, k.keysReplaced)
	k.tenant(http.MethodGet, "/:workspace/authorization/issuers", authz.ReadWorkspace, k.issuers)
	k.tenant(http.MethodGet, "/:workspace/authorization/issuers/new", authz.WriteSettings, k.issuerNew)
	k.tenant(http.MethodPost, "/:workspace/authorization/issuers/new", authz.WriteSettings, k.issuerCreate)
	k.tenant(http.MethodGet, "/:workspace/authorization/issuers/:issuer", authz.ReadWorkspace, k.issuerEdit)
	k.tenant(http.MethodPost, "/:workspace/authorization/issuers/:issuer", authz.WriteSettings, k.issuerUpdate)
	k.tenant(http.MethodGet, "/:workspace/authorization/issuers/:issuer/remove", authz.WriteSettings, k.issuerRemoval)
	k.tenant(http.MethodPost, "/:workspace/authorization/issuers/:issuer/remove", authz.WriteSettings, k.issuerRemove)
	k.registerGrants()
	k.tenant(http.MethodGet, "/:workspace/logs", authz.ReadLogs, k.logs)
	k.tenant(http.MethodGet, "/:workspace/logs/:event", authz.ReadLogs, k.log)
	k.tenant(http.MethodGet, "/:workspace/connections", authz.ReadLogs, k.traces)
	k.tenant(http.MethodGet, "/:workspace/connections/:trace", authz.ReadLogs, k.trace)
	k.tenant(http.MethodGet, streamPath, authz.ReadLogs, k.stream)
}

func (k *Console) add(r Route, h echo.HandlerFunc) {
	k.routes = append(k.routes, r)
	if r.Method == http.MethodGet {
		k.gets[r.Path] = true
	}
	k.echo.Add(r.Method, r.Path, h)
}

// open registers a route for anybody and anything.
func (k *Console) open(method, path string, h echo.HandlerFunc) {
	k.add(Route{Method: method, Path: path, Public: true}, h)
}

// guest registers a page for people who have not signed in. The form of a POST has
// passed its token.
func (k *Console) guest(method, path string, h func(echo.Context, forms.Values) error) {
	k.add(Route{Method: method, Path: path, Public: true}, func(c echo.Context) error {
		var form forms.Values
		if method == http.MethodPost {
			var err error
			if form, err = k.readForm(c); err != nil {
				return err
			}
			if err := k.checkGuestToken(c, form); err != nil {
				return err
			}
		}
		return h(c, form)
	})
}

// Person is a signed-in person at a route without a workspace.
type Person struct {
	Session accounts.Session
	// Form is the posted form, its token checked; empty for GET.
	Form forms.Values
}

// person registers a route that needs a session.
func (k *Console) person(method, path string, h func(echo.Context, Person) error) {
	k.add(Route{Method: method, Path: path}, func(c echo.Context) error {
		p, err := k.enter(c, method)
		if err != nil {
			return err
		}
		return h(c, p)
	})
}

func (k *Console) enter(c echo.Context, method string) (Person, error) {
	s, err := k.session(c)
	if err != nil {
		return Person{}, err
	}
	p := Person{Session: s}
	if method == http.MethodPost {
		if p.Form, err = k.readForm(c); err != nil {
			return Person{}, err
		}
		if err := checkToken(p.Form, s.CSRF); err != nil {
			return Person{}, err
		}
	}
	return p, nil
}

// Visit is a member in a workspace, with the permission that the route names.
type Visit struct {
	// Handle is the right to the workspace's rows.
	Handle tenancy.Handle
	Member tenancy.Member
	Person
}

// path is a local address in the workspace. Its parts are slugs and ids.
func (v Visit) path(parts ...string) string {
	out := "/" + url.PathEscape(v.Member.TenantSlug)
	for _, p := range parts {
		out += "/" + url.PathEscape(p)
	}
	return out
}

// tenant registers a route of a workspace. It is the only way to one: the handler
// runs for a member whose role has the permission, and gets its rows through the
// visit's handle.
func (k *Console) tenant(method, path string, need authz.Permission, h func(echo.Context, Visit) error) {
	k.add(Route{Method: method, Path: path, Permission: need}, func(c echo.Context) error {
		p, err := k.enter(c, method)
		if err != nil {
			return err
		}
		slug := c.Param("workspace")
		if !validSlug(slug) {
			return errs.E(errs.NotFound, "Not found.", nil)
		}
		handle, member, err := k.cfg.DB.ForMember(c.Request().Context(), p.Session.Account.ID, slug)
		if err != nil {
			return err
		}
		v := Visit{Handle: handle, Member: member, Person: p}
		c.Set(keyVisit, v)
		if !authz.Allow(member.Role, need) {
			return needsRole(v, need)
		}
		for name, valid := range map[string]func(string) bool{"runtime": validSlug, "event": validID, "trace": validID, "tool": validID, "scope": validID, "provider": validID, "profile": validID, "user": validID, "grant": validID, "batch": validID, "webhook": validID, "alert": validID, "delivery": validID} {
			if value := c.Param(name); value != "" && !valid(value) {
				return errs.E(errs.NotFound, "Not found.", nil)
			}
		}
		return h(c, v)
	})
}

var (
	slugPattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$`)
	idPattern   = regexp.MustCompile(`^[a-z]{2,8}_[0-9a-z]{1,64}$`)
)

// validSlug and validID keep bytes that no name has away from the database.
func validSlug(s string) bool { return slugPattern.MatchString(s) }

func validID(s string) bool { return idPattern.MatchString(s) }
