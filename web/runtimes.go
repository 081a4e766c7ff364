package web

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/ui/pages"
	"github.com/emcy/gateway/upstreams"
	"github.com/emcy/gateway/usage"
	"github.com/emcy/gateway/web/forms"
)

// reservedSlugs would make a runtime's page unreachable: they are pages themselves.
var reservedSlugs = []string{"new"}

func (k *Console) runtimes(c echo.Context, v Visit) error {
	list, err := k.cfg.Upstreams.List(c.Request().Context(), v.Handle)
	if err != nil {
		return err
	}
	last, err := k.lastCalls(c.Request().Context(), v.Handle, list)
	if err != nil {
		return err
	}
	shell, err := k.tenantShell(c, v, pages.SectionRuntimes)
	if err != nil {
		return err
	}
	view := pages.RuntimesPage{Shell: shell}
	for _, u := range list {
		view.Rows = append(view.Rows, runtimeRow(u, shell.Workspace.Origin, last[u.ID]))
	}
	return k.page(c, http.StatusOK, pages.Runtimes(view))
}

func (k *Console) runtimeNew(c echo.Context, v Visit) error {
	return k.runtimeForm(c, v, http.StatusOK, pages.RuntimeFormPage{})
}

func (k *Console) runtimeForm(c echo.Context, v Visit, status int, view pages.RuntimeFormPage) error {
	shell, err := k.tenantShell(c, v, pages.SectionRuntimes)
	if err != nil {
		return err
	}
	view.Shell = shell
	return k.page(c, status, pages.RuntimeForm(view))
}

func (k *Console) runtimeCreate(c echo.Context, v Visit) error {
	in, err := forms.ReadRuntime(v.Form)
	if err != nil {
		return malformed(err)
	}
	created, err := k.createRuntime(c.Request().Context(), v, in)
	if err != nil {
		status, ok := k.again(c, err)
		if !ok {
			return err
		}
		return k.runtimeForm(c, v, status, pages.RuntimeFormPage{Values: typedValues(in, nil), Errors: problems(in, err), Summary: errs.Public(err)})
	}
	return k.see(c, v.path("runtimes", created.Slug, "setup"))
}

func (k *Console) createRuntime(ctx context.Context, v Visit, in forms.Runtime) (upstreams.Upstream, error) {
	missing := in.MissingValues(nil)
	maps.Copy(missing, v.Form.Unreadable())
	if slices.Contains(reservedSlugs, strings.ToLower(strings.TrimSpace(in.Slug))) {
		missing["slug"] = "That path is a page of the console. Choose another."
	}
	if err := errs.Fields(missing); err != nil {
		return upstreams.Upstream{}, err
	}
	return k.cfg.Upstreams.Create(ctx, v.Handle, inputOf(in))
}

func inputOf(in forms.Runtime) upstreams.Input {
	return upstreams.Input{Name: in.Name, Slug: in.Slug, URL: in.URL, HeaderNames: in.HeaderNames(), HeaderValues: in.HeaderValues()}
}

func (k *Console) runtime(c echo.Context, v Visit) error {
	list, err := k.cfg.Upstreams.Tools(c.Request().Context(), v.Handle, c.Param("runtime"))
	if err != nil {
		return err
	}
	u := list.Upstream
	last, err := k.lastCalls(c.Request().Context(), v.Handle, []upstreams.Upstream{u})
	if err != nil {
		return err
	}
	shell, err := k.tenantShell(c, v, pages.SectionRuntimes)
	if err != nil {
		return err
	}
	view := pages.RuntimePage{
		Shell: shell, Runtime: runtimeRef(u, shell.Workspace.Origin), Probe: lastProbe(u.Report), ServerInfo: serverInfo(u),
		Warnings: warnings(u, v), Headers: u.HeaderNames, Added: moment(u.CreatedAt), New: last[u.ID].IsZero(),
	}
	nameTools(&view, list, v)
	if view.Requests, err = k.latestRequests(c.Request().Context(), v, u); err != nil {
		return err
	}
	return k.page(c, http.StatusOK, pages.Runtime(view))
}

// latestRequests are the newest lines of the log that are about the runtime.
func (k *Console) latestRequests(ctx context.Context, v Visit, u upstreams.Upstream) ([]pages.LogRow, error) {
	const shown = 5
	events, err := k.cfg.Usage.List(ctx, v.Handle, usage.Query{UpstreamID: u.ID, Limit: shown})
	if err != nil {
		return nil, err
	}
	n, err := k.names(ctx, v.Handle, nil, events)
	if err != nil {
		return nil, err
	}
	var out []pages.LogRow
	for _, e := range events {
		out = append(out, logRow(e, n, v))
	}
	return out, nil
}

// setup shows the worker secret for as long as the registry gives it out.
func (k *Console) setup(c echo.Context, v Visit) error {
	ctx := c.Request().Context()
	u, err := k.cfg.Upstreams.Get(ctx, v.Handle, c.Param("runtime"))
	if err != nil {
		return err
	}
	view := pages.RuntimeSetupPage{Adapters: pages.Adapters()}
	_, secret, err := k.cfg.Upstreams.Setup(ctx, v.Handle, u.Slug)
	switch {
	case errs.Is(err, errs.NotFound): // the runtime is there: its secret was shown before
	case err != nil:
		return err
	default:
		view.Secret = secret.Reveal()
		if u.Rotating {
			view.Rotated, view.GraceText = true, "until a probe has seen the runtime accept this one, for a day at most"
		}
	}
	if view.Shell, err = k.tenantShell(c, v, pages.SectionRuntimes); err != nil {
		return err
	}
	view.Runtime = runtimeRef(u, view.Shell.Workspace.Origin)
	return k.page(c, http.StatusOK, pages.RuntimeSetup(view))
}

// setupDone hides the secret for good and looks at the runtime, which by now
// should ask for it.
func (k *Console) setupDone(c echo.Context, v Visit) error {
	ctx := c.Request().Context()
	u, err := k.cfg.Upstreams.Get(ctx, v.Handle, c.Param("runtime"))
	if err != nil {
		return err
	}
	if err := k.cfg.Upstreams.HideSecret(ctx, v.Handle, u.Slug); err != nil {
		return err
	}
	return k.startProbe(c, v, u.Slug, true, "The worker secret is stored.")
}

func (k *Console) runtimeEdit(c echo.Context, v Visit) error {
	u, err := k.cfg.Upstreams.Get(c.Request().Context(), v.Handle, c.Param("runtime"))
	if err != nil {
		return err
	}
	return k.runtimeForm(c, v, http.StatusOK, pages.RuntimeFormPage{Edit: true, RuntimeName: u.Name, Values: storedValues(u)})
}

func (k *Console) runtimeUpdate(c echo.Context, v Visit) error {
	ctx := c.Request().Context()
	in, err := forms.ReadRuntime(v.Form)
	if err != nil {
		return malformed(err)
	}
	if in.Version == 0 {
		return malformed(errors.New("the edit form has no version"))
	}
	stored, err := k.cfg.Upstreams.Get(ctx, v.Handle, c.Param("runtime"))
	if err != nil {
		return err
	}
	in.Slug = stored.Slug
	moved := false
	missing := in.MissingValues(stored.HeaderNames)
	maps.Copy(missing, v.Form.Unreadable())
	if err = errs.Fields(missing); err == nil {
		typed := inputOf(in)
		typed.MayMoveTokens = authz.Allow(v.Member.Role, authz.WriteProfiles)
		_, moved, err = k.cfg.Upstreams.Update(ctx, v.Handle, stored.Slug, typed, in.Version)
	}
	view := pages.RuntimeFormPage{Edit: true, RuntimeName: stored.Name, Values: typedValues(in, stored.HeaderNames)}
	switch {
	case err == nil && moved:
		return k.seeWith(c, v.Session, v.path("runtimes", stored.Slug, "setup"), "The runtime moved to another host, so it got a new worker secret.")
	case err == nil:
		return k.seeWith(c, v.Session, v.path("runtimes", stored.Slug), "The changes are saved. The runtime is being probed again.")
	case errs.Is(err, errs.Invalid):
		view.Errors, view.Summary = problems(in, err), errs.Public(err)
		return k.runtimeForm(c, v, http.StatusUnprocessableEntity, view)
	case errs.Is(err, errs.Stale):
		return k.conflict(c, v, in, view)
	}
	return err
}

// conflict shows what is stored beside what was typed. The form then carries the
// stored version: sending it again is a decision for the typed values.
func (k *Console) conflict(c echo.Context, v Visit, in forms.Runtime, view pages.RuntimeFormPage) error {
	now, err := k.cfg.Upstreams.Get(c.Request().Context(), v.Handle, c.Param("runtime"))
	if err != nil {
		return err
	}
	view.RuntimeName, view.Values = now.Name, typedValues(in, now.HeaderNames)
	view.Values.Version = strconv.FormatInt(now.Version, 10)
	view.Errors = problems(in, nil)
	view.Conflict = &pages.RuntimeConflict{Name: now.Name, URL: now.URL, Headers: strings.Join(now.HeaderNames, ", ")}
	return k.runtimeForm(c, v, http.StatusConflict, view)
}

func (k *Console) rotate(c echo.Context, v Visit) error {
	slug := c.Param("runtime")
	if err := k.cfg.Upstreams.RotateSecret(c.Request().Context(), v.Handle, slug); err != nil {
		return err
	}
	return k.see(c, v.path("runtimes", slug, "setup"))
}

func (k *Console) runtimeRemove(c echo.Context, v Visit) error {
	u, err := k.cfg.Upstreams.Get(c.Request().Context(), v.Handle, c.Param("runtime"))
	if err != nil {
		return err
	}
	return k.removeForm(c, v, u, http.StatusOK, "", "")
}

func (k *Console) removeForm(c echo.Context, v Visit, u upstreams.Upstream, status int, typed, problem string) error {
	allowed, err := k.cfg.Connect.Allowed(c.Request().Context(), v.Handle, u.ID)
	if err != nil {
		return fmt.Errorf("count consents: %w", err)
	}
	shell, err := k.tenantShell(c, v, pages.SectionRuntimes)
	if err != nil {
		return err
	}
	view := pages.RuntimeRemovePage{Shell: shell, Runtime: runtimeRef(u, shell.Workspace.Origin), Confirm: typed, Error: problem}
	if allowed > 0 {
		view.Impact = append(view.Impact, count(int64(allowed), "allowed client")+yes(allowed == 1, " loses", " lose")+" access at once.")
	}
	view.Impact = append(view.Impact, "Tokens that were issued for it stop working, also for a later runtime with the same slug.")
	return k.page(c, status, pages.RuntimeRemove(view))
}

func (k *Console) runtimeRemoved(c echo.Context, v Visit) error {
	ctx := c.Request().Context()
	u, err := k.cfg.Upstreams.Get(ctx, v.Handle, c.Param("runtime"))
	if err != nil {
		return err
	}
	if in := forms.ReadRemove(v.Form); in.Confirm != u.Slug {
		return k.removeForm(c, v, u, http.StatusUnprocessableEntity, in.Confirm, "This is not the runtime's slug.")
	}
	if err := k.cfg.Upstreams.Remove(ctx, v.Handle, u.Slug); err != nil {
		return err
	}
	return k.seeWith(c, v.Session, v.path("runtimes"), u.Name+" is removed.")
}
