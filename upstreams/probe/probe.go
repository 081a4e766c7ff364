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
	Budget = 18 * time.Second

	workBudget  = 16 * time.Second
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
	// OnStep, if set, hears of every step twice: as StatusRunning when it is asked, and with its outcome.
	// A step that is skipped is told once. The calls come in order, on the goroutine of Probe, which waits
	// for each; a step that began has ended before another begins.
	OnStep func(Step)
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
	now    string      // the step that waits for its answer, "" between steps
	asked  time.Time   // when it began
}

// begin tells that a step is asked.
func (r *run) begin(name string) {
	r.now, r.asked = name, time.Now()
	r.tell(Step{Name: name, Status: StatusRunning})
}

// since is how long the step under way has taken.
func (r *run) since() time.Duration { return time.Since(r.asked) }

// step reports the outcome of a step.
func (r *run) step(name string, status Status, took time.Duration, words, next string) {
	if r.now != name && status != StatusSkip {
		r.begin(name)
	}
	s := Step{Name: name, Status: status, DurationMS: took.Milliseconds(), Words: words, Next: next}
	r.now = ""
	r.report.Steps = append(r.report.Steps, s)
	r.tell(s)
}

// skip reports a step that there is no reason to ask.
func (r *run) skip(name, words string) { r.step(name, StatusSkip, 0, words, "") }

func (r *run) tell(s Step) {
	if r.target.OnStep != nil {
		r.target.OnStep(s)
	}
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
		trace:  newTrace(),
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
	o := r.reach(ctx, e)
	if !r.checkConnection(o.answer) {
		return ""
	}
	if !o.ok && fallsBack(o.answer) {
		r.step(StepDiscover, StatusSkip, r.since(), "Not known: it is asked as older clients ask.", "")
		r.begin(StepInitialize)
		o = e.initialize(ctx)
	}
	if !o.ok {
		return r.explainOpening(ctx, e, o.answer)
	}
	r.describe(e, o)
	if !r.checkTools(ctx, e) {
		return ""
	}
	r.report.State = StateReady
	r.checkLists(ctx, e)
	r.checkSecret(ctx, e)
	r.checkPace(ctx, e, o.answer)
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
	// Looking at a URL takes no time worth telling.
	u, err := r.client.CheckURL(r.target.URL)
	if err != nil {
		r.report.URL = r.clean.line(r.target.URL, outbound.MaxURL)
		r.step(StepAddress, StatusFail, 0, "The URL is refused: "+outbound.Classify(err).Public()+".", nextForURL(err))
		return false
	}
	r.report.URL = u.String()
	for name, values := range r.headers() {
		if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(values[0]) {
			r.step(StepAddress, StatusFail, 0, "The header “"+r.clean.line(name, maxShort)+"” cannot be sent.",
				"Header names hold letters, digits and hyphens; values are one line of ASCII.")
			return false
		}
	}
	r.step(StepAddress, StatusOK, 0, "The URL is allowed.", "")
	return true
}

// describe fills the report with what the server says of itself.
func (r *run) describe(e *endpoint, o *opening) {
	rep := r.report
	rep.Era, rep.ProtocolVersion, rep.Sessions = EraLegacy, e.version, e.session != ""
	rep.ServerName = r.clean.line(o.hello.ServerInfo.Name, maxShort)
	rep.ServerVersion = r.clean.line(o.hello.ServerInfo.Version, maxShort)
	rep.InstructionsBytes = len(o.hello.Instructions)
	for name := range o.hello.Capabilities {
		rep.Capabilities = append(rep.Capabilities, r.clean.line(name, maxShort))
	}
	sort.Strings(rep.Capabilities)
	rep.Capabilities = rep.Capabilities[:min(len(rep.Capabilities), 32)]
	if hides(o.hello.Instructions) {
		rep.warn(WarnHidden, "the server's instructions hold "+hidden(o.hello.Instructions)+", which a reader does not see and a model does")
	}
	if order := orders(o.hello.Instructions); order != "" {
		rep.warn(WarnInstructions, "the server's instructions read like orders against the user (“"+r.clean.line(order, maxOrder)+"”)")
	}
	if e.modern {
		rep.Era = EraModern
		r.step(StepDiscover, StatusOK, r.since(), "It speaks MCP "+e.version+".", "")
		r.skip(StepInitialize, "Not needed: 2026-07-28 has no handshake.")
		return
	}
	status, words, next := StatusOK, "It speaks MCP "+e.version+", without sessions.", ""
	if rep.Sessions {
		rep.warn(WarnSessions, "the runtime keeps a session for every client: a restart ends them all, and several instances need sticky routing")
		words = "It speaks MCP " + e.version + ", with sessions."
	}
	if o.note != "" {
		status, words, next = StatusWarn, words+" "+o.note, "Update the runtime's MCP SDK."
	}
	r.step(StepInitialize, status, r.since(), words, next)
}

func (r *run) checkTools(ctx context.Context, e *endpoint) bool {
	r.begin(StepTools)
	l := e.listTools(ctx)
	if l.answer != nil && !(l.answer.failed && !slices.Contains(r.report.Capabilities, "tools")) {
		words, next := r.explain(l.answer)
		if l.answer.err == nil && l.answer.status == http.StatusUnauthorized {
			r.report.State = StateWaiting
		}
		r.step(StepTools, StatusFail, l.took, "The tools cannot be listed. "+words, next)
		return false
	}
	judgeTools(r.report, r.clean, l.tools)
	r.report.Listing.Partial = l.cut != "" && !l.whole
	if l.cut != "" {
		r.report.warn(WarnToolsCut, "the list of tools is cut: "+l.cut)
		r.step(StepTools, StatusWarn, l.took, "The first "+plural(len(r.report.Tools), "tool")+" of a list that is cut: "+l.cut+".",
			"Offer fewer tools, or split the runtime in two.")
		return true
	}
	status := StatusOK
	next := ""
	if len(r.report.Tools) == 0 {
		status, next = StatusWarn, "Register tools in the runtime, or look whether it lists them for some users only."
	}
	r.step(StepTools, status, l.took, capital(plural(len(r.report.Tools), "tool")+" listed."), next)
	return true
}

// suggest asks the neighbour. When an MCP server is there, the report names it and shows its tools; the
// verdict stays that of the URL that was given.
func (r *run) suggest(work, last context.Context, url string) {
	target := r.target
	target.URL = url
	other := r.prober.newRun(target)
	defer other.client.CloseIdleConnections()
	other.target.OnStep = nil // its steps are not the given URL's
	r.begin(StepSuggestion)
	other.examine(work)
	other.end(last)
	found := other.report
	if found.State == StateError {
		r.skip(StepSuggestion, "No MCP server answers at "+found.URL+" either.")
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
	r.step(StepSuggestion, StatusWarn, r.since(), words, "Enter that URL.")
}
