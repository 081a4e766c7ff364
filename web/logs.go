package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/labstack/echo/v4"

	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/ui/pages"
	"github.com/emcy/gateway/upstreams"
	"github.com/emcy/gateway/usage"
	"github.com/emcy/gateway/usage/event"
)

// logPage is how many rows a page of the log has.
const logPage = 50

func (k *Console) logs(c echo.Context, v Visit) error {
	ctx := c.Request().Context()
	before := c.QueryParam("before")
	if before != "" && !validID(before) {
		return refuse(http.StatusBadRequest, "There is no such place in the log", "The address is mistyped. Open the log anew.")
	}
	// One more than the page holds says whether there is an older page.
	events, err := k.cfg.Usage.List(ctx, v.Handle, usage.Query{Before: before, Limit: logPage + 1})
	if err != nil {
		return err
	}
	shell, err := k.tenantShell(c, v, pages.SectionLogs)
	if err != nil {
		return err
	}
	runtimes, err := k.runtimeNames(ctx, v.Handle)
	if err != nil {
		return err
	}
	href := v.path("logs")
	view := pages.LogsPage{Shell: shell, Href: href, LiveHref: href + "?live=1"}
	if len(events) > logPage {
		events = events[:logPage]
		view.OlderHref = href + "?before=" + url.QueryEscape(events[logPage-1].ID)
	}
	if before != "" {
		view.NewerHref = href
	} else if len(runtimes) > 0 {
		// Older pages stand still: new rows would push what is being read away.
		view.Stream = v.path("-", "stream") + "?topics=logs"
		if view.Live = c.QueryParam("live") == "1"; view.Live {
			view.LiveHref = href
		}
		view.ExampleURL = MCPURL(shell.Workspace.Origin, runtimes[0].Slug)
	}
	n, err := k.names(ctx, v.Handle, runtimes, events)
	if err != nil {
		return err
	}
	for _, e := range events {
		view.Rows = append(view.Rows, logRow(e, n, v))
	}
	return k.page(c, http.StatusOK, pages.Logs(view))
}

func (k *Console) log(c echo.Context, v Visit) error {
	ctx := c.Request().Context()
	e, err := k.cfg.Usage.Get(ctx, v.Handle, c.Param("event"))
	if err != nil {
		return err
	}
	runtimes, err := k.runtimeNames(ctx, v.Handle)
	if err != nil {
		return err
	}
	n, err := k.names(ctx, v.Handle, runtimes, []event.Event{e})
	if err != nil {
		return err
	}
	shell, err := k.tenantShell(c, v, pages.SectionLogs)
	if err != nil {
		return err
	}
	return k.page(c, http.StatusOK, pages.LogDetail(pages.LogDetailPage{
		Shell: shell, Row: logRow(e, n, v), Reason: reasonText(e), Facts: logFacts(e, n), Spans: spans(e), Total: took(e.Total), BackHref: v.path("logs"),
	}))
}

// names reads what the events' ids stand for, in as many queries as there are kinds.
func (k *Console) names(ctx context.Context, h tenancy.Handle, runtimes []upstreams.Name, events []event.Event) (names, error) {
	n := names{runtimes: map[string]runtimeName{}, people: map[string]string{}}
	for _, u := range runtimes {
		n.runtimes[u.ID] = runtimeName{slug: u.Slug, name: u.Name}
	}
	subjects, clients := map[string]bool{}, map[string]bool{}
	for _, e := range events {
		subjects[e.Subject], clients[e.ClientID] = true, true
	}
	people, err := k.cfg.Accounts.ByIDs(ctx, distinct(subjects))
	if err != nil {
		return names{}, err
	}
	for id, a := range people {
		n.people[id] = a.Email
	}
	if ids := distinct(clients); len(ids) > 0 {
		if n.clients, err = k.cfg.Connect.ClientNames(ctx, h, ids); err != nil {
			return names{}, fmt.Errorf("name clients: %w", err)
		}
	}
	return n, nil
}

// runtimeNames reads the runtimes without opening anything that is sealed.
func (k *Console) runtimeNames(ctx context.Context, h tenancy.Handle) ([]upstreams.Name, error) {
	var out []upstreams.Name
	err := k.cfg.DB.Read(ctx, h, func(tx *tenancy.Tx) (err error) {
		out, err = upstreams.Names(tx)
		return err
	})
	return out, err
}

// distinct are the set's members but the empty one.
func distinct(set map[string]bool) []string {
	delete(set, "")
	out := make([]string, 0, len(set))
	for key := range set {
		out = append(out, key)
	}
	return out
}

// newest is the log's first page, for the stream.
func (k *Console) newest(ctx context.Context, v Visit) ([]event.Event, error) {
	return k.cfg.Usage.List(ctx, v.Handle, usage.Query{Limit: logPage})
}
