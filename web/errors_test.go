package web_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy/tenancytest"
	"github.com/emcy/gateway/web"
)

func TestErrorsShowTheirTextAndNeverTheirCause(t *testing.T) {
	t.Parallel()
	b := setup(t, tenancytest.SQLite(t))
	p, _ := b.owner(t, "Ana", "acme")
	cause := fmt.Errorf("read rows: %w", errors.New("canary-cause at db.internal:5432"))
	limited := errs.E(errs.RateLimited, "Public text.", cause)
	limited.RetryAfter = 90*time.Second + time.Millisecond
	for i, c := range []struct {
		err    error
		status int
		shows  []string
		hides  string
	}{
		{errs.E(errs.Invalid, "Public text.", cause), 422, []string{"Public text."}, ""},
		{errs.E(errs.Forbidden, "Public text.", cause), 403, []string{"Public text."}, ""},
		{errs.E(errs.NotFound, "Public text.", cause), 404, []string{"There is no such page"}, "Public text."},
		{errs.E(errs.Conflict, "Public text.", cause), 409, []string{"Public text."}, ""},
		{errs.E(errs.Stale, "Public text.", cause), 409, []string{"Public text."}, ""},
		{errs.E(errs.NeedsConsent, "Public text.", cause), 409, []string{"Public text."}, ""},
		{errs.E(errs.DownstreamRejected, "Public text.", cause), 409, []string{"Public text."}, ""},
		{limited, 429, []string{"Public text."}, ""},
		{errs.E(errs.BudgetExceeded, "Public text.", cause), 403, []string{"Public text."}, ""},
		{errs.E(errs.UpstreamFailed, "Public text.", cause), 502, nil, "Public text."},
		{errs.E(errs.Unavailable, "Public text.", cause), 503, nil, "Public text."},
		{errs.E(errs.Internal, "Public text.", cause), 500, nil, "Public text."},
		{fmt.Errorf("unclassified: %w", cause), 500, nil, "unclassified"},
		{fmt.Errorf("cancelled by us: %w", context.Canceled), 500, nil, "cancelled by us"},
		{fmt.Errorf("too slow: %w", context.DeadlineExceeded), 503, nil, "too slow"},
		{nil, 500, nil, "boom"}, // a panic
	} {
		path := "/fail-" + itoa(i)
		web.FailAt(b.console, path, c.err)
		for _, who := range []string{"nobody", "member"} {
			sender := p
			if who == "nobody" {
				sender = nil
			}
			got := b.send(t, sender, "GET", path, nil, nil)
			require.Equal(t, c.status, got.status, "%d %v", i, c.err)
			require.NotContains(t, got.body, "canary-cause", "%d", i)
			require.NotContains(t, got.body, "db.internal", "%d", i)
			require.NotContains(t, got.body, "goroutine", "%d", i)
			require.NotContains(t, got.body, ".go:", "%d", i)
			if c.hides != "" {
				require.NotContains(t, got.body, c.hides, "%d", i)
			}
			for _, text := range c.shows {
				require.Contains(t, got.body, text, "%d", i)
			}
			require.Contains(t, got.body, got.header.Get("X-Request-Id"), "the page names the request")
			if c.status == http.StatusTooManyRequests {
				require.Equal(t, "91", got.header.Get("Retry-After"))
			}
		}
	}
	failures := b.logged("console request failed")
	require.NotEmpty(t, failures)
	require.Contains(t, fmt.Sprint(failures), "canary-cause", "the log has what the page has not")
	panics := b.logged("console handler panicked")
	require.Len(t, panics, 2)
	require.Contains(t, panics[0]["stack"], "export_test.go")

	web.FailAt(b.console, "/signed-out", errs.E(errs.Unauthenticated, "Public text.", cause))
	require.Equal(t, "/sign-in", b.send(t, nil, "GET", "/signed-out", nil, nil).header.Get("Location"))
}
