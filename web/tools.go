package web

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/ui/pages"
	"github.com/emcy/gateway/upstreams"
)

// maxQuery is the longest search that is read, in bytes.
const maxQuery = 200

func (k *Console) tools(c echo.Context, v Visit) error {
	list, err := k.cfg.Upstreams.Tools(c.Request().Context(), v.Handle, c.Param("runtime"))
	if err != nil {
		return err
	}
	shell, err := k.tenantShell(c, v, pages.SectionRuntimes)
	if err != nil {
		return err
	}
	query := strings.TrimSpace(strings.ToValidUTF8(c.QueryParam("q"), "\uFFFD"))
	if len(query) > maxQuery {
		query = strings.ToValidUTF8(query[:maxQuery], "")
	}
	view := toolsPage(list, query, v, k.clock.Now())
	view.Shell, view.Runtime = shell, runtimeRef(list.Upstream, shell.Workspace.Origin)
	return k.page(c, http.StatusOK, pages.Tools(view))
}

func (k *Console) tool(c echo.Context, v Visit) error {
	detail, err := k.cfg.Upstreams.Tool(c.Request().Context(), v.Handle, c.Param("runtime"), c.Param("tool"))
	if err != nil {
		return err
	}
	view, err := toolPage(detail, c.QueryParam("change"), v, k.clock.Now())
	if err != nil {
		return err
	}
	if view.Shell, err = k.tenantShell(c, v, pages.SectionRuntimes); err != nil {
		return err
	}
	view.Runtime = runtimeRef(detail.Upstream, view.Shell.Workspace.Origin)
	return k.page(c, http.StatusOK, pages.ToolDetail(view))
}

// toolsSync lists the tools while the person waits. What the runtime did wrong is on the page; only a failure of ours is
// an error.
func (k *Console) toolsSync(c echo.Context, v Visit) error {
	slug := c.Param("runtime")
	ctx, cancel := context.WithTimeout(c.Request().Context(), probeWithin)
	defer cancel()
	sync, err := k.cfg.Upstreams.SyncTools(ctx, v.Handle, slug)
	message := syncWords(sync)
	switch {
	case errs.Is(err, errs.Conflict):
		message = errs.Public(err)
	case errors.Is(err, context.DeadlineExceeded) && c.Request().Context().Err() == nil:
		message = "Listing the tools took too long and was given up. Try again."
	case err != nil:
		return err
	}
	return k.seeWith(c, v.Session, v.path("runtimes", slug, "tools"), message)
}

func syncWords(sync upstreams.ToolSync) string {
	if !sync.Listed {
		return "The runtime was asked, and its tools could not be listed. Those below are as they were."
	}
	var parts []string
	for _, part := range []struct {
		n    int
		text string
	}{{sync.Added, "new"}, {sync.Changed, "changed"}, {sync.Removed, "removed"}} {
		if part.n > 0 {
			parts = append(parts, grouped(int64(part.n))+" "+part.text)
		}
	}
	if len(parts) == 0 {
		return "The tools were listed. Nothing changed."
	}
	return "The tools were listed: " + strings.Join(parts, ", ") + "."
}
