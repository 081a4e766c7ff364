package web

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/emcy/gateway/authz/server/trace"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/ui/pages"
	"github.com/emcy/gateway/upstreams"
	"github.com/emcy/gateway/usage/event"
)

// tracePage is how many tries a page of the list has.
const tracePage = 50

// maxTraceQuery bounds what is given back of a search.
const maxTraceQuery = 80

// traces lists the tries to connect. A search for a trace id leads to its page.
func (k *Console) traces(c echo.Context, v Visit) error {
	ctx := c.Request().Context()
	view := pages.TracesPage{Query: strings.TrimSpace(c.QueryParam("q")), Runtime: c.QueryParam("runtime"), Open: c.QueryParam("open") == "1"}
	before := c.QueryParam("before")
	if before != "" && !validID(before) || view.Runtime != "" && !validSlug(view.Runtime) {
		return refuse(http.StatusBadRequest, "There is no such place in the list", "The address is mistyped. Open the list anew.")
	}
	if view.Query != "" {
		found, err := k.findTrace(ctx, v.Handle, view.Query)
		if err != nil {
			return err
		}
		if found != "" {
			return c.Redirect(http.StatusSeeOther, v.path("connections", found))
		}
		view.Query = trace.Clean(view.Query, maxTraceQuery)
		view.Error = "There is no connection with this id, or it is older than seven days."
	}
	runtimes, err := k.runtimeNames(ctx, v.Handle)
	if err != nil {
		return err
	}
	q := trace.Query{Before: before, Limit: tracePage + 1, Unfinished: view.Open, UpstreamID: upstreamID(runtimes, view.Runtime)}
	if view.Runtime != "" && q.UpstreamID == "" {
		return errs.E(errs.NotFound, "There is no such runtime.", nil)
	}
	list, err := k.tracesLog.List(ctx, v.Handle, q)
	if err != nil {
		return err
	}
	if view.Shell, err = k.tenantShell(c, v, pages.SectionConnections); err != nil {
		return err
	}
	k.linkTraces(&view, v, before, &list)
	if len(runtimes) > 0 {
		view.ConnectHref = v.path("runtimes", runtimes[0].Slug, "connect")
	}
	n, err := k.names(ctx, v.Handle, runtimes, nil)
	if err != nil {
		return err
	}
	for _, t := range list {
		view.Rows = append(view.Rows, traceRow(t, n, v))
	}
	status := http.StatusOK
	if view.Error != "" {
		status = http.StatusNotFound
	}
	return k.page(c, status, pages.Traces(view))
}

// linkTraces fills in where the list leads to, and cuts it to a page.
func (k *Console) linkTraces(view *pages.TracesPage, v Visit, before string, list *[]trace.Trace) {
	here := func(open bool, before string) string {
		q := url.Values{}
		if view.Runtime != "" {
			q.Set("runtime", view.Runtime)
		}
		if open {
			q.Set("open", "1")
		}
		if before != "" {
			q.Set("before", before)
		}
		if len(q) == 0 {
			return v.path("connections")
		}
		return v.path("connections") + "?" + q.Encode()
	}
	view.Href, view.AllHref, view.OpenHref = here(view.Open, ""), here(false, ""), here(true, "")
	view.Filtered = view.Runtime != "" || view.Open || before != ""
	if view.Runtime != "" {
		view.ClearHref = v.path("connections")
	}
	if len(*list) > tracePage {
		*list = (*list)[:tracePage]
		view.OlderHref = here(view.Open, (*list)[tracePage-1].ID)
	}
	if before != "" {
		view.NewerHref = view.Href
		return // older pages stand still
	}
	view.Stream = v.path("-", "stream") + "?topics=traces"
}

// findTrace is the id in what was typed: people paste whole sentences of error
// messages.
func (k *Console) findTrace(ctx context.Context, h tenancy.Handle, typed string) (string, error) {
	_, rest, ok := strings.Cut(typed, trace.Prefix+"_")
	if !ok {
		return "", nil
	}
	id := trace.Prefix + "_" + rest
	if end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' && r < 'a' || r > 'z' }); end >= 0 {
		id = trace.Prefix + "_" + rest[:end]
	}
	if !validID(id) {
		return "", nil
	}
	_, _, err := k.tracesLog.Get(ctx, h, id)
	if errs.Is(err, errs.NotFound) {
		return "", nil
	}
	return id, err
}

func upstreamID(runtimes []upstreams.Name, slug string) string {
	for _, u := range runtimes {
		if u.Slug == slug {
			return u.ID
		}
	}
	return ""
}

// trace shows one try.
func (k *Console) trace(c echo.Context, v Visit) error {
	ctx := c.Request().Context()
	t, steps, err := k.tracesLog.Get(ctx, v.Handle, c.Param("trace"))
	if err != nil {
		return err
	}
	runtimes, err := k.runtimeNames(ctx, v.Handle)
	if err != nil {
		return err
	}
	n, err := k.names(ctx, v.Handle, runtimes, []event.Event{{Subject: t.Subject}})
	if err != nil {
		return err
	}
	view := pages.TracePage{Row: traceRow(t, n, v), Steps: traceSteps(steps), Facts: traceFacts(t, n), Self: v.path("connections", t.ID), BackHref: v.path("connections")}
	view.Why, view.Cure = traceWhy(t)
	if view.Shell, err = k.tenantShell(c, v, pages.SectionConnections); err != nil {
		return err
	}
	if k.clock.Now().Sub(t.UpdatedAt) < time.Hour {
		view.Stream = v.path("-", "stream") + "?topics=traces"
	}
	return k.page(c, http.StatusOK, pages.Trace(view))
}

// tracesTopic announces how many tries are new, or got further, on the list's first page.
type tracesTopic struct {
	console *Console
	visit   Visit
	seen    map[string]string
}

func (t *tracesTopic) hears(tenant string) []tenancy.Topic {
	return []tenancy.Topic{tenancy.TracesTopic(tenant)}
}

func (t *tracesTopic) restless() bool { return true } // a state may come by time alone

func (t *tracesTopic) update(ctx context.Context) ([]byte, error) {
	list, err := t.console.tracesLog.List(ctx, t.visit.Handle, trace.Query{Limit: tracePage})
	if err != nil {
		return nil, err
	}
	fresh, now := 0, make(map[string]string, len(list))
	for _, one := range list {
		look := cmp.Or(string(one.State), "-") + one.FailedCode + one.UpdatedAt.Format(time.RFC3339Nano)
		now[one.ID] = look
		if t.seen[one.ID] != look {
			fresh++
		}
	}
	first := t.seen == nil
	t.seen = now
	if first || fresh == 0 {
		return nil, nil
	}
	return message("traces", strconv.Itoa(fresh)), nil
}
