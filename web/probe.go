package web

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/ui/pages"
	"github.com/emcy/gateway/upstreams"
)

const (
	// probeWithin is enough for the two probes of a runtime whose secret is being changed.
	probeWithin = time.Minute
	// maxProbes and maxTenantProbes bound the probes that people have under way, here and in one workspace.
	maxProbes       = 64
	maxTenantProbes = 5
)

// probes are the probes that people asked for and that run in this process.
type probes struct {
	ctx    context.Context //nolint:containedctx // it is what ends them
	cancel context.CancelFunc

	mu      sync.Mutex
	total   int
	tenants map[string]int
	closed  bool
	running sync.WaitGroup
}

func newProbes() *probes {
	ctx, cancel := context.WithCancel(context.Background())
	return &probes{ctx: ctx, cancel: cancel, tenants: map[string]int{}}
}

// enter reserves the place of one probe.
func (p *probes) enter(tenant string) (leave func(), err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return nil, errs.E(errs.Unavailable, "The gateway is being stopped. Try again in a moment.", nil)
	case p.total >= maxProbes || p.tenants[tenant] >= maxTenantProbes:
		e := errs.E(errs.RateLimited, "Too many runtimes are being probed right now. Wait for one of them to be done.", nil)
		e.RetryAfter = 5 * time.Second
		return nil, e
	}
	p.total++
	p.tenants[tenant]++
	p.running.Add(1)
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.total--
		if p.tenants[tenant]--; p.tenants[tenant] == 0 {
			delete(p.tenants, tenant)
		}
		p.running.Done()
	}, nil
}

// close gives the probes up and waits until those who watch them can see it.
func (p *probes) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.cancel()
	p.running.Wait()
}

// probe begins a probe, or joins the one that is under way.
func (k *Console) probe(c echo.Context, v Visit) error {
	return k.startProbe(c, v, c.Param("runtime"), false, "")
}

// startProbe begins a probe and shows it. It goes on by itself, whether anybody watches or not.
func (k *Console) startProbe(c echo.Context, v Visit, slug string, anew bool, message string) error {
	leave, err := k.probes.enter(v.Handle.Tenant())
	if err != nil {
		return err
	}
	run, err := k.cfg.Upstreams.BeginProbe(c.Request().Context(), v.Handle, slug, anew)
	if err != nil || run.Joined {
		leave()
	} else {
		go func() {
			defer leave()
			k.runProbe(v.Handle, run)
		}()
	}
	if err != nil {
		return err
	}
	to := v.path("runtimes", slug, "probe")
	if message == "" {
		return k.see(c, to)
	}
	return k.seeWith(c, v.Session, to, message)
}

// runProbe does the probe. What the runtime did wrong is in the report; only a failure of ours is an error.
func (k *Console) runProbe(h tenancy.Handle, run upstreams.ProbeRun) {
	ctx, cancel := context.WithTimeout(k.probes.ctx, probeWithin)
	defer cancel()
	_, err := k.cfg.Upstreams.RunProbe(ctx, h, run)
	if err == nil || errs.Is(err, errs.Conflict) || errs.Is(err, errs.NotFound) || errs.Is(err, errs.Canceled) {
		return // the runtime was changed or removed meanwhile, or this process ends: the page says what to do
	}
	k.cfg.Log.ErrorContext(ctx, "probe failed", slog.Any("error", err))
}

// probePage shows the probe that runs, or what the last one found.
func (k *Console) probePage(c echo.Context, v Visit) error {
	ctx := c.Request().Context()
	u, err := k.cfg.Upstreams.Get(ctx, v.Handle, c.Param("runtime"))
	if err != nil {
		return err
	}
	live, err := k.probeLive(ctx, v, u)
	if err != nil {
		return err
	}
	last, err := k.lastCalls(ctx, v.Handle, []upstreams.Upstream{u})
	if err != nil {
		return err
	}
	shell, err := k.tenantShell(c, v, pages.SectionRuntimes)
	if err != nil {
		return err
	}
	return k.page(c, http.StatusOK, pages.Probe(pages.ProbePage{
		Shell: shell, Runtime: runtimeRef(u, shell.Workspace.Origin), New: last[u.ID].IsZero(), Live: live,
		Stream: v.path("-", "stream") + "?topics=probe:" + u.Slug,
	}))
}

// probeLive reads a probe as of now. The progress is read first: a report that is stored in between is newer than it,
// and not the other way round.
func (k *Console) probeLive(ctx context.Context, v Visit, u upstreams.Upstream) (pages.ProbeLiveView, error) {
	progress, err := k.cfg.Upstreams.Progress(ctx, v.Handle, u.ID)
	if err != nil {
		return pages.ProbeLiveView{}, err
	}
	if progress.Running {
		return probeRunning(progress), nil
	}
	list, err := k.cfg.Upstreams.Tools(ctx, v.Handle, u.Slug)
	if err != nil {
		return pages.ProbeLiveView{}, err
	}
	return probeView(list, progress, v), nil
}

// probeTopic sends the probe whenever it looks different.
type probeTopic struct {
	console  *Console
	visit    Visit
	upstream upstreams.Upstream
	last     []byte
	running  bool
}

func (t *probeTopic) hears(tenant string) []tenancy.Topic {
	return []tenancy.Topic{tenancy.ProbesTopic(tenant)}
}

// restless: a probe whose process died ends without a notice.
func (t *probeTopic) restless() bool { return t.running }

func (t *probeTopic) update(ctx context.Context) ([]byte, error) {
	view, err := t.console.probeLive(ctx, t.visit, t.upstream)
	if err != nil {
		return nil, err
	}
	t.running = view.State == pages.ProbeRunning
	var fragment bytes.Buffer
	if err := pages.ProbeLive(view).Render(ctx, &fragment); err != nil {
		return nil, fmt.Errorf("render probe: %w", err)
	}
	if bytes.Equal(fragment.Bytes(), t.last) {
		return nil, nil
	}
	t.last = fragment.Bytes()
	return message("", fragment.String()), nil
}
