package web

import (
	"bytes"
	"context"
	"fmt"
	"net/http"

	"github.com/a-h/templ"
	"github.com/labstack/echo/v4"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/accounts"
	"github.com/emcy/gateway/tenancy/workspaces"
	"github.com/emcy/gateway/ui/pages"
)

// page renders a component as the whole answer. It renders before the first byte is
// sent, so that a failure is still a page of its own.
func (k *Console) page(c echo.Context, status int, component templ.Component) error {
	var body bytes.Buffer
	if err := component.Render(c.Request().Context(), &body); err != nil {
		return fmt.Errorf("render page: %w", err)
	}
	return c.Blob(status, "text/html; charset=utf-8", body.Bytes())
}

// see answers a successful POST.
func (k *Console) see(c echo.Context, path string) error {
	return c.Redirect(http.StatusSeeOther, path)
}

// seeWith is see, with a message on the next page.
func (k *Console) seeWith(c echo.Context, s accounts.Session, path, message string) error {
	if err := k.cfg.Accounts.SetFlash(c.Request().Context(), s, message); err != nil {
		// What was asked for is done; only the remark about it is lost.
		k.cfg.Log.WarnContext(c.Request().Context(), "cannot keep a message for the next page", "error", err)
	}
	return k.see(c, path)
}

// bareShell is the frame of a page without the console's chrome. What this gateway
// allows is not for strangers.
func (k *Console) bareShell(c echo.Context, csrf string) pages.Shell {
	return pages.Shell{Nonce: nonce(c), CSRF: csrf}
}

// personShell is the frame for a signed-in person outside any workspace. A message
// of the request before is shown once: reading it here clears it.
func (k *Console) personShell(c echo.Context, s accounts.Session) (pages.Shell, error) {
	ctx := c.Request().Context()
	mine, err := k.cfg.Workspaces.Of(ctx, s.Account.ID)
	if err != nil {
		return pages.Shell{}, err
	}
	shell := k.bareShell(c, s.CSRF)
	shell.Notice = k.cfg.Notice
	shell.Account = pages.Account{Name: s.Account.Name, Email: s.Account.Email}
	for _, w := range mine {
		shell.Workspaces = append(shell.Workspaces, pages.WorkspaceLink{Name: w.Name, Slug: w.Slug, Origin: w.Origin, Role: roleName(w.Role)})
	}
	if s.Flash != "" && c.Request().Method == http.MethodGet {
		shell.Flash = s.Flash
		if err := k.cfg.Accounts.SetFlash(ctx, s, ""); err != nil {
			return pages.Shell{}, fmt.Errorf("clear flash: %w", err)
		}
	}
	return shell, nil
}

// tenantShell is the frame inside a workspace.
func (k *Console) tenantShell(c echo.Context, v Visit, section string) (pages.Shell, error) {
	shell, err := k.personShell(c, v.Session)
	if err != nil {
		return pages.Shell{}, err
	}
	origin, err := k.edgeOrigin(c.Request().Context(), v.Handle)
	if err != nil {
		return pages.Shell{}, err
	}
	shell.Section = section
	if !authz.Allow(v.Member.Role, authz.WriteUpstreams) {
		shell.ReadOnly = roleTooLow(v, authz.WriteUpstreams)
	}
	shell.Workspace = pages.WorkspaceLink{Name: v.Member.TenantName, Slug: v.Member.TenantSlug, Origin: origin, Role: roleName(v.Member.Role)}
	return shell, nil
}

// edgeOrigin is the workspace's public origin: the oldest, which is its issuer.
func (k *Console) edgeOrigin(ctx context.Context, h tenancy.Handle) (string, error) {
	var origin string
	err := k.cfg.DB.Read(ctx, h, func(tx *tenancy.Tx) error {
		t, err := workspaces.Load(tx)
		if err != nil {
			return err
		}
		if len(t.Origins) == 0 {
			return fmt.Errorf("workspace %s has no origin", t.ID)
		}
		origin = t.Origins[0]
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("read origin: %w", err)
	}
	return origin, nil
}
