package probe

import (
	"context"
	"net/http"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/emcy/gateway/internal/clock"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/net/http/httpguts"
)

// Times of one probe.
const (
	// Budget bounds a whole probe, the end of its sessions included.
	Budget = 12 * time.Second

	workBudget  = 10 * time.Second
	callTimeout = 5 * time.Second
	peekTimeout = 2 * time.Second

	slowAnswer      = 2 * time.Second
	clockTolerance  = time.Minute
	certificateSoon = 14 * 24 * time.Hour
)

// DefaultSecretHeader carries the worker secret where the target does not rename it.
const DefaultSecretHeader = "X-Emcy-Worker-Secret"

// Config is what a Prober is made of.
type Config struct {
	// Outbound says how far probes may go. Its times and caps are replaced by the probe's own.
	Outbound outbound.Config
	// Clock is the time that reports carry and certificates are held against.
	Clock clock.Clock
	// Version is the gateway's version, which runtimes see in clientInfo.
	Version string
}

// Prober probes runtimes. It is safe for concurrent use and keeps nothing between probes.
type Prober struct {
	outbound outbound.Config
	clock    clock.Clock
	self     string
}

// New returns a prober.
func New(cfg Config) *Prober {
	p := &Prober{outbound: cfg.Outbound, clock: cfg.Clock}
	if p.clock == nil {
		p.clock = clock.System{}
	}
	p.outbound.Timeout, p.outbound.MaxBody, p.outbound.KeepConnections = callTimeout, MaxListBytes, true
	// AppendQuote fails on invalid UTF-8 only.
	version, _ := jsontext.AppendQuote(nil, strings.ToValidUTF8(cfg.Version, ""))
	p.self = `{"name":"emcy-gateway-probe","version":` + string(version) + `}`
	return p
}

// Target is what is probed.
type Target struct {
	URL string
	// Headers are the static headers that every request to the runtime carries.
	Headers map[string]string
	// SecretHeader is the header of the worker secret, DefaultSecretHeader when empty.
	SecretHeader string
	// Secret is the worker secret, empty when there is none.
	Secret string
}

// run is one probe of one URL.
type run struct {
	prober *Prober
	target Target
	report *Report
	client *outbound.Client
	clean  *cleaner
	trace  *trace
	opened []*endpoint // whose sessions are to be ended
}

// Probe asks the target and reports. It always returns a report, within Budget.
func (p *Prober) Probe(ctx context.Context, target Target) Report {
	start := time.Now()
	work, stop := context.WithDeadline(ctx, start.Add(workBudget))
	defer stop()
	// Sessions are ended also when the caller has given up.
	last, cancel := context.WithDeadline(context.WithoutCancel(ctx), start.Add(Budget))
	defer cancel()

	r := p.newRun(target)
	defer r.client.CloseIdleConnections()
	next := r.examine(work)
	r.end(last)
	if next != "" && r.report.State == StateError {
		r.suggest(work, last, next)
	}
	if r.report.Tools == nil {
		r.report.Tools = []Tool{}
	}
	if r.report.Warnings == nil {
		r.report.Warnings = []Warning{}
	}
	return *r.report
}

func (p *Prober) newRun(target Target) *run {
	if target.SecretHeader == "" {
		target.SecretHeader = DefaultSecretHeader
	}
	return &run{
		prober: p,
		target: target,
		client: outbound.New(p.outbound),
		clean:  newCleaner(target),
		trace:  &trace{},
		report: &Report{State: StateError, URL: target.URL, ProbedAt: p.clock.Now()},
	}
}

// examine asks the target's URL everything, and returns a neighbour on the same origin that is worth
// asking instead, "" when there is none.
func (r *run) examine(ctx context.Context) string {
	if !r.checkAddress() {
		return ""
	}
	e := r.endpoint(r.headers())
	o := e.open(r.trace.attach(ctx))
	if !r.checkConnection(o.answer) {
		return ""
	}
	if !o.ok {
		return r.explainOpening(ctx, e, o.answer)
	}
	r.describe(e, o)
	if !r.checkTools(ctx, e) {
		return ""
	}
	r.report.State = StateReady
	r.checkSecret(ctx, e)
	r.checkPace(e, o.answer)
	return ""
}

func (r *run) endpoint(header http.Header) *endpoint {
	e := &endpoint{client: r.client, clean: r.clean, url: r.report.URL, header: header, self: r.prober.self}
	r.opened = append(r.opened, e)
	return e
}

// end closes what sessions the probe has opened.
func (r *run) end(ctx context.Context) {
	for _, e := range r.opened {
		e.end(ctx)
	}
	r.opened = nil
}

func (r *run) headers() http.Header {
	h := http.Header{}
	for name, value := range r.target.Headers {
		h.Set(name, value)
	}
	if r.target.Secret != "" {
		h.Set(r.target.SecretHeader, r.target.Secret)
	}
	return h
}

func (r *run) checkAddress() bool {
	start := time.Now()
	u, err := r.client.CheckURL(r.target.URL)
	if err != nil {
		r.report.URL = r.clean.line(r.target.URL, outbound.MaxURL)
		r.report.step(StepAddress, StatusFail, time.Since(start), "The URL is refused: "+outbound.Classify(err).Public()+".", nextForURL(err))
		return false
	}
	r.report.URL = u.String()
	for name, values := range r.headers() {
		if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(values[0]) {
			r.report.step(StepAddress, StatusFail, time.Since(start), "The header “"+r.clean.line(name, maxShort)+"” cannot be sent.",
				"Header names hold letters, digits and hyphens; values are one line of ASCII.")
			return false
		}
	}
	r.report.step(StepAddress, StatusOK, time.Since(start), "The URL is allowed.", "")
	return true
}

// describe fills the report with what the server says of itself.
func (r *run) describe(e *endpoint, o *opening) {
	rep := r.report
	rep.Era, rep.ProtocolVersion, rep.Sessions = EraLegacy, e.version, e.session != ""
	words := "It speaks MCP " + e.version + ", without sessions."
	if e.modern {
		rep.Era = EraModern
		words = "It speaks MCP " + e.version + "."
	} else if rep.Sessions {
		words = "It speaks MCP " + e.version + ", with sessions."
	}
	rep.ServerName = r.clean.line(o.hello.ServerInfo.Name, maxShort)
	rep.ServerVersion = r.clean.line(o.hello.ServerInfo.Version, maxShort)
	rep.InstructionsBytes = len(o.hello.Instructions)
	for name := range o.hello.Capabilities {
		rep.Capabilities = append(rep.Capabilities, r.clean.line(name, maxShort))
	}
	sort.Strings(rep.Capabilities)
	rep.Capabilities = rep.Capabilities[:min(len(rep.Capabilities), 32)]
	if hides(o.hello.Instructions) {
		rep.warn(WarnHidden, "the server's instructions hold characters that a reader does not see and a model does")
	}
	status, next := StatusOK, ""
	if o.note != "" {
		status, words, next = StatusWarn, words+" "+o.note, "Update the runtime's MCP SDK."
	}
	rep.step(StepProtocol, status, o.answer.took, words, next)
}

func (r *run) checkTools(ctx context.Context, e *endpoint) bool {
	l := e.listTools(ctx)
	if l.answer != nil && !(l.answer.failed && !slices.Contains(r.report.Capabilities, "tools")) {
		words, next := r.explain(l.answer)
		if l.answer.err == nil && l.answer.status == http.StatusUnauthorized {
			r.report.State = StateWaiting
		}
		r.report.step(StepTools, StatusFail, l.took, "The tools cannot be listed. "+words, next)
		return false
	}
	judgeTools(r.report, r.clean, l.tools)
	if l.cut != "" {
		r.report.warn(WarnToolsCut, "the list of tools is cut: "+l.cut)
		r.report.step(StepTools, StatusWarn, l.took, "The first "+plural(len(r.report.Tools), "tool")+" of a list that is cut: "+l.cut+".",
			"Offer fewer tools, or split the runtime in two.")
		return true
	}
	status := StatusOK
	if len(r.report.Tools) == 0 {
		status = StatusWarn
	}
	r.report.step(StepTools, status, l.took, capital(plural(len(r.report.Tools), "tool")+" listed."), "")
	return true
}

// checkSecret asks as a stranger would: without the secret and without the static headers, which may
// hold keys of their own.
func (r *run) checkSecret(ctx context.Context, known *endpoint) {
	if r.target.Secret != "" {
		r.report.step(StepWithSecret, StatusOK, known.took[0], "It answers a request that carries the worker secret.", "")
	}
	stranger := r.endpoint(nil)
	var o *opening
	if known.modern {
		o = stranger.discover(ctx)
	} else {
		o = stranger.initialize(ctx)
	}
	a := o.answer
	switch {
	case a.ok():
		r.report.OpenWithoutSecret = true
		r.report.warn(WarnOpen, "anyone who finds the runtime's URL can call it: it does not ask for the worker secret")
		r.report.step(StepWithoutSecret, StatusWarn, a.took, "It answers without the worker secret: anyone who finds the URL can call it.",
			"Add the adapter to the runtime and give it EMCY_WORKER_SHARED_SECRET, then probe again.")
	case a.err == nil && (a.status == http.StatusUnauthorized || a.status == http.StatusForbidden):
		r.report.step(StepWithoutSecret, StatusOK, a.took, "It refuses a request without the worker secret.", "")
	case a.failed:
		r.report.step(StepWithoutSecret, StatusOK, a.took, "It refuses a request without the worker secret, with an MCP error instead of 401.", "")
	default:
		words, _ := r.explain(a)
		r.report.step(StepWithoutSecret, StatusWarn, a.took, "Whether it refuses strangers cannot be told. "+words, "Probe again.")
	}
}

// checkPace looks at how long the answers took, and at the runtime's clock.
func (r *run) checkPace(e *endpoint, first *answer) {
	took := slices.Clone(e.took)
	slices.Sort(took)
	r.report.LatencyMS = took[len(took)/2].Milliseconds()
	if slowest := took[len(took)-1]; slowest > slowAnswer {
		r.report.warn(WarnSlow, "an answer took "+slowest.Round(100*time.Millisecond).String()+": clients give up early, and users before them")
	}
	if date, err := http.ParseTime(first.header.Get("Date")); err == nil {
		if skew := r.prober.clock.Now().Sub(date).Abs(); skew > clockTolerance {
			r.report.warn(WarnClock, "the runtime's clock is "+skew.Round(time.Second).String()+" off: it will find signed assertions expired")
		}
	}
}

// suggest asks the neighbour. When an MCP server is there, the report names it and shows its tools; the
// verdict stays that of the URL that was given.
func (r *run) suggest(work, last context.Context, url string) {
	target := r.target
	target.URL = url
	other := r.prober.newRun(target)
	defer other.client.CloseIdleConnections()
	start := time.Now()
	other.examine(work)
	other.end(last)
	found := other.report
	if found.State == StateError {
		return
	}
	given := *r.report
	*r.report = *found
	r.report.State, r.report.URL, r.report.Steps = StateError, given.URL, given.Steps
	r.report.SuggestedURL = found.URL
	r.report.Warnings = append(given.Warnings, found.Warnings...)
	words := "An MCP server answers at " + found.URL + "."
	if found.State == StateWaiting {
		words = "A server that asks for credentials answers at " + found.URL + "."
	}
	r.report.step(StepSuggestion, StatusWarn, time.Since(start), words, "Enter that URL.")
}
