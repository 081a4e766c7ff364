package web

import (
	"cmp"
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/emcy/gateway/authz/server/trace"
	"github.com/emcy/gateway/ui/pages"
	"github.com/emcy/gateway/upstreams"
	"github.com/emcy/gateway/usage/event"
)

func (k *Console) connect(c echo.Context, v Visit) error {
	ctx := c.Request().Context()
	u, err := k.cfg.Upstreams.Get(ctx, v.Handle, c.Param("runtime"))
	if err != nil {
		return err
	}
	status, err := k.connectStatus(ctx, v, u)
	if err != nil {
		return err
	}
	shell, err := k.tenantShell(c, v, pages.SectionRuntimes)
	if err != nil {
		return err
	}
	return k.page(c, http.StatusOK, pages.Connect(pages.ConnectPage{
		Shell: shell, Runtime: runtimeRef(u, shell.Workspace.Origin), Status: status,
		Stream:   v.path("-", "stream") + "?topics=connect:" + u.Slug,
		SignInAs: "Members of " + v.Member.TenantName + " sign in with their console account.",
	}))
}

// connectStatus puts together what the log and the traces tell.
func (k *Console) connectStatus(ctx context.Context, v Visit, u upstreams.Upstream) (pages.ConnectStatusView, error) {
	s, err := k.seen(ctx, v.Handle, u.ID)
	if err != nil {
		return pages.ConnectStatusView{}, err
	}
	tries, err := k.tracesLog.List(ctx, v.Handle, trace.Query{UpstreamID: u.ID, Limit: recentTries})
	if err != nil {
		return pages.ConnectStatusView{}, err
	}
	n, err := k.names(ctx, v.Handle, nil, []event.Event{{ClientID: s.client, Subject: s.subject}})
	if err != nil {
		return pages.ConnectStatusView{}, err
	}
	return connectView(s, latest(tries, u.ID), cmp.Or(n.clients[s.client], "A client"), cmp.Or(n.people[s.subject], s.subject), v.path("logs")), nil
}
