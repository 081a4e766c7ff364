package web

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/emcy/gateway/internal/clock"
	"github.com/emcy/gateway/internal/logx"
)

// healthz says that the process runs, nothing more.
func (k *Console) healthz(c echo.Context) error { return c.String(http.StatusOK, "ok\n") }

// readyz says whether it can serve. Why it cannot is in the log.
func (k *Console) readyz(c echo.Context) error {
	ctx, cancel := context.WithTimeout(c.Request().Context(), readyWithin)
	defer cancel()
	if err := k.cfg.Ready(ctx); err != nil {
		k.cfg.Log.WarnContext(c.Request().Context(), "not ready", logx.Err, err)
		return c.String(http.StatusServiceUnavailable, "not ready\n")
	}
	return c.String(http.StatusOK, "ready\n")
}

func (k *Console) robots(c echo.Context) error {
	return c.String(http.StatusOK, "User-agent: *\nDisallow: /\n")
}

const (
	maxReport       = 8 << 10
	maxReportText   = 120
	reportsPerSpell = 10
	reportSpell     = time.Minute
)

// reports lets so many violation reports into the log per spell: anybody can send
// them.
type reports struct {
	clock   clock.Clock
	mu      sync.Mutex
	since   time.Time
	written int
}

func newReports(c clock.Clock) *reports { return &reports{clock: c} }

func (r *reports) admit() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := r.clock.Now(); now.Sub(r.since) >= reportSpell {
		r.since, r.written = now, 0
	}
	r.written++
	return r.written <= reportsPerSpell
}

// cspReport takes a browser's word that a page broke its policy. Of addresses only
// the host is kept, or the path of a page of ours.
func (k *Console) cspReport(c echo.Context) error {
	var sent struct {
		Report struct {
			Document  string `json:"document-uri"`
			Directive string `json:"effective-directive"`
			Violated  string `json:"violated-directive"`
			Blocked   string `json:"blocked-uri"`
		} `json:"csp-report"`
	}
	body, err := io.ReadAll(io.LimitReader(c.Request().Body, maxReport))
	if err == nil && json.Unmarshal(body, &sent) == nil && k.reports.admit() {
		directive := sent.Report.Directive
		if directive == "" {
			directive = sent.Report.Violated
		}
		k.cfg.Log.WarnContext(c.Request().Context(), "content security policy violated", logx.RequestID, requestID(c),
			"directive", clip(directive), "page", clip(pathOf(sent.Report.Document)), "blocked", clip(hostOf(sent.Report.Blocked)))
	}
	return c.NoContent(http.StatusNoContent)
}

func clip(s string) string { return s[:min(len(s), maxReportText)] }

func pathOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.EscapedPath()
}

// hostOf is an address's origin; words such as "inline" and "eval" stay.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	if u.Host == "" {
		return u.Scheme + u.Path
	}
	return u.Scheme + "://" + u.Host
}
