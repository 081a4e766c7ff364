package web

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/ui/pages"
	"github.com/emcy/gateway/upstreams"
	"github.com/emcy/gateway/upstreams/probe"
	"github.com/emcy/gateway/web/forms"
)

func stateBadge(s upstreams.State) pages.Badge {
	switch s {
	case upstreams.Ready:
		return pages.Badge{Tone: pages.ToneOK, Text: "Ready"}
	case upstreams.Error:
		return pages.Badge{Tone: pages.ToneFail, Text: "Error"}
	case upstreams.Waiting:
	}
	return pages.Badge{Tone: pages.ToneNeutral, Text: "Waiting"}
}

func runtimeRef(u upstreams.Upstream, origin string) pages.RuntimeRef {
	return pages.RuntimeRef{Name: u.Name, Slug: u.Slug, MCPURL: MCPURL(origin, u.Slug), URL: u.URL, State: stateBadge(u.State)}
}

func runtimeRow(u upstreams.Upstream, origin string, lastCall time.Time) pages.RuntimeRow {
	row := pages.RuntimeRow{Name: u.Name, Slug: u.Slug, MCPURL: MCPURL(origin, u.Slug), URL: u.URL, State: stateBadge(u.State), LastCall: moment(lastCall)}
	if r := u.Report; r != nil && listed(r) {
		row.Era = r.ProtocolVersion
		row.Tools = grouped(int64(r.ToolCount))
	}
	return row
}

// listed says whether the report's tools are those of the runtime's own URL.
func listed(r *probe.Report) bool {
	step, ok := r.Step(probe.StepTools)
	return ok && step.Status != probe.StatusFail && r.State != probe.StateError
}

// stepTitles names the questions of a probe.
var stepTitles = map[string]string{
	probe.StepAddress:       "Address",
	probe.StepDNS:           "Name (DNS)",
	probe.StepConnect:       "Connection (TCP)",
	probe.StepTLS:           "Certificate (TLS)",
	probe.StepDiscover:      "Discover (2026-07-28)",
	probe.StepInitialize:    "Initialize (older clients)",
	probe.StepTools:         "Tools",
	probe.StepPrompts:       "Prompts",
	probe.StepResources:     "Resources",
	probe.StepWithSecret:    "With the worker secret",
	probe.StepWrongSecret:   "With a wrong worker secret",
	probe.StepWithoutSecret: "Without the worker secret",
	probe.StepOwnAuth:       "Sign-in of its own",
	probe.StepLatency:       "Latency",
	probe.StepSuggestion:    "Another address",
}

func stepTitle(name string) string {
	return cmp.Or(stepTitles[name], name)
}

func statusTone(s probe.Status) string {
	switch s {
	case probe.StatusOK:
		return pages.ToneOK
	case probe.StatusWarn:
		return pages.ToneWarn
	case probe.StatusFail:
		return pages.ToneFail
	case probe.StatusSkip, probe.StatusRunning:
	}
	return pages.ToneNeutral
}

// lastProbe is the last probe in short.
func lastProbe(r *probe.Report) *pages.ProbeSummary {
	if r == nil {
		return nil
	}
	out := &pages.ProbeSummary{At: moment(r.ProbedAt), Outcome: outcome(r), Era: era(r), Text: probeWords(r)}
	for _, s := range r.Steps {
		if s.Status == probe.StatusFail && out.Next == "" {
			out.Next = s.Next
		}
	}
	if n := remarks(r); n > 0 && r.State == probe.StateReady {
		out.Remarks = count(int64(n), "remark")
	}
	return out
}

func outcome(r *probe.Report) pages.Badge {
	switch r.State {
	case probe.StateReady:
		remarks := slices.ContainsFunc(r.Warnings, func(w probe.Warning) bool { return !slices.Contains(infos, w.Code) }) || slices.ContainsFunc(r.Steps, func(s probe.Step) bool { return s.Status == probe.StatusWarn })
		if remarks {
			return pages.Badge{Tone: pages.ToneWarn, Text: "Works, with remarks"}
		}
		return pages.Badge{Tone: pages.ToneOK, Text: "Works"}
	case probe.StateWaiting:
		return pages.Badge{Tone: pages.ToneWarn, Text: "Waiting for the worker secret"}
	case probe.StateError:
	}
	for _, name := range []string{probe.StepDNS, probe.StepConnect, probe.StepTLS} {
		if s, ok := r.Step(name); ok && s.Status == probe.StatusFail {
			return pages.Badge{Tone: pages.ToneFail, Text: "Not reachable"}
		}
	}
	return pages.Badge{Tone: pages.ToneFail, Text: "Does not work"}
}

func era(r *probe.Report) pages.Badge {
	if r.ProtocolVersion == "" || r.State == probe.StateError {
		return pages.Badge{}
	}
	switch r.Era {
	case probe.EraModern:
		return pages.Badge{Tone: pages.ToneInfo, Text: "Modern · " + r.ProtocolVersion}
	case probe.EraLegacy:
		return pages.Badge{Tone: pages.ToneInfo, Text: "Legacy · " + r.ProtocolVersion}
	}
	return pages.Badge{}
}

func serverInfo(u upstreams.Upstream) []pages.Pair {
	var out []pages.Pair
	if r := u.Report; r != nil && r.State != probe.StateError {
		if name := strings.TrimSpace(r.ServerName + " " + r.ServerVersion); name != "" {
			out = append(out, pages.Pair{Term: "Server", Value: name})
		}
		if len(r.Capabilities) > 0 {
			out = append(out, pages.Pair{Term: "Capabilities", Value: strings.Join(r.Capabilities, ", ")})
		}
		if r.Era == probe.EraLegacy {
			out = append(out, pages.Pair{Term: "Sessions", Value: yes(r.Sessions, "one per client", "none")})
		}
		if r.InstructionsBytes > 0 {
			out = append(out, pages.Pair{Term: "Instructions", Value: size(int64(r.InstructionsBytes))})
		}
		if r.LatencyMS > 0 {
			out = append(out, pages.Pair{Term: "Latency", Value: took(time.Duration(r.LatencyMS) * time.Millisecond)})
		}
	}
	return append(out, pages.Pair{Term: "Secret header", Value: u.SecretHeader, Mono: true})
}

func yes(is bool, then, otherwise string) string {
	if is {
		return then
	}
	return otherwise
}

// warningTitles are the findings in short. What is missing here gets the general one.
var warningTitles = map[string]string{
	probe.WarnOpen:           "This runtime answers without the worker secret",
	probe.WarnOwnAuth:        "This runtime asks for a sign-in of its own",
	probe.WarnCertificate:    "The certificate ends soon",
	probe.WarnSlow:           "This runtime is slow",
	probe.WarnClock:          "The clocks differ",
	probe.WarnLegacySSE:      "This is the old SSE transport",
	probe.WarnRedirect:       "The address redirects",
	probe.WarnWebPage:        "A web page answers here",
	probe.WarnVersion:        "An unknown protocol revision",
	probe.WarnManyTools:      "More tools than some clients take",
	probe.WarnNoTools:        "No tools",
	probe.WarnToolsCut:       "Not all tools were read",
	probe.WarnDescription:    "Tools without a description",
	probe.WarnDuplicateName:  "Two tools have one name",
	probe.WarnLongName:       "A tool's name is too long for some clients",
	probe.WarnNameCharacters: "A tool's name has characters that some clients refuse",
	probe.WarnSchema:         "A tool's schema is not an object",
	probe.WarnSchemaLarge:    "A tool's schema is very large",
	probe.WarnExternalRef:    "A tool's schema refers to another address",
	probe.WarnHidden:         "Hidden characters in a tool's text",
	probe.WarnMalformedTool:  "A tool's definition is broken",
	probe.WarnWrongSecret:    "This runtime takes any worker secret",
	probe.WarnSessions:       "This runtime keeps sessions",
	probe.WarnInstructions:   "Text that gives orders to the model",
	probe.WarnUnmarked:       "A tool that destroys is not marked",
	probe.WarnPlain:          "Nothing is encrypted on the way",
}

// infos are warnings that are worth knowing and need no act.
var infos = []string{probe.WarnManyTools, probe.WarnNoTools, probe.WarnVersion, probe.WarnSlow, probe.WarnSessions}

// urgent are the warnings that stand on the runtime's own page, too; the probe's page has all of them.
var urgent = []string{probe.WarnOpen, probe.WarnWrongSecret, probe.WarnOwnAuth, probe.WarnCertificate, probe.WarnHidden, probe.WarnInstructions}

func warnings(u upstreams.Upstream, v Visit) []pages.Warning {
	var out []pages.Warning
	if u.Rotating {
		out = append(out, pages.Warning{
			Tone: pages.ToneInfo, Title: "A new worker secret waits for the runtime",
			Text: "The gateway goes on sending the older one until a probe has seen the runtime accept the new one, for a day at most. Put the new one into the runtime's environment, restart it, and probe again.",
		})
	}
	if u.Report == nil {
		return out
	}
	about := toolsWarned(u.Report)
	for _, w := range u.Report.Warnings {
		names, first := about[w.Code]
		if !slices.Contains(urgent, w.Code) || w.Tool != "" && !first {
			continue
		}
		view := warningView(w, "")
		switch {
		case w.Tool != "":
			delete(about, w.Code) // one remark for all tools that share it
			view = warningView(w, someOf(names)+": ")
			view.ActionText, view.ActionHref = "Look at the tools", v.path("runtimes", u.Slug, "tools")
		case w.Code == probe.WarnOpen && mayWrite(v):
			view.ActionText, view.ActionHref = "Show the adapter", v.path("runtimes", u.Slug, "setup")
		}
		out = append(out, view)
	}
	if s := u.Report.SuggestedURL; s != "" {
		view := pages.Warning{Tone: pages.ToneWarn, Title: "Another address answers", Text: "The probe also tried " + s + ", and a server answers there. If that is the one you mean, put it in."}
		if mayWrite(v) {
			view.ActionText, view.ActionHref = "Edit the runtime", v.path("runtimes", u.Slug, "edit")
		}
		out = append(out, view)
	}
	return out
}

// mayWrite says whether the person can follow a link to a form that changes a runtime.
func mayWrite(v Visit) bool { return authz.Allow(v.Member.Role, authz.WriteUpstreams) }

// toolsWarned are the names of the tools that a remark is about, by its code.
func toolsWarned(r *probe.Report) map[string][]string {
	out := map[string][]string{}
	for _, w := range r.Warnings {
		if w.Tool != "" {
			out[w.Code] = append(out[w.Code], w.Tool)
		}
	}
	return out
}

// someOf names the first few.
func someOf(names []string) string {
	const shown = 3
	if len(names) <= shown {
		return strings.Join(names, ", ")
	}
	return strings.Join(names[:shown], ", ") + " and " + count(int64(len(names)-shown), "other")
}

// namedTools is how many tools the runtime's own page names.
const namedTools = 16

// nameTools puts the tools of the snapshot on the runtime's own page.
func nameTools(view *pages.RuntimePage, list upstreams.ToolList, v Visit) {
	if len(list.Tools) == 0 {
		return
	}
	size := 0
	for i, t := range list.Tools {
		size += tokensOf(t)
		if i < namedTools {
			view.Tools = append(view.Tools, pages.ToolName{Name: visible(t.Name), Href: v.path("runtimes", list.Upstream.Slug, "tools", t.ID)})
		}
	}
	view.ToolCount, view.ToolsTokens = grouped(int64(len(list.Tools))), "≈ "+grouped(int64(size))+" tokens"
	if rest := len(list.Tools) - len(view.Tools); rest > 0 {
		view.ToolsMore = "and " + grouped(int64(rest)) + " more"
	}
}

// storedValues are a runtime's fields as the edit form opens with them.
func storedValues(u upstreams.Upstream) pages.RuntimeValues {
	out := pages.RuntimeValues{Name: u.Name, Slug: u.Slug, URL: u.URL, Version: strconv.FormatInt(u.Version, 10)}
	for _, name := range u.HeaderNames {
		out.Headers = append(out.Headers, pages.HeaderValue{Name: name, Stored: true})
	}
	return out
}

// typedValues are the typed fields for the form that is shown again. Header values
// are secrets: they are not given back, and problems says so beside each.
func typedValues(in forms.Runtime, stored []string) pages.RuntimeValues {
	out := pages.RuntimeValues{Name: in.Name, Slug: in.Slug, URL: in.URL}
	if in.Version > 0 {
		out.Version = strconv.FormatInt(in.Version, 10)
	}
	for _, h := range in.Headers {
		out.Headers = append(out.Headers, pages.HeaderValue{Name: h.Name, Stored: hasHeader(stored, h.Name)})
	}
	return out
}

// problems are the messages of a refused runtime form.
func problems(in forms.Runtime, err error) pages.FieldErrors {
	out := pages.FieldErrors{}
	for field, text := range errs.FieldsOf(err) {
		out[field] = text
	}
	for i, h := range in.Headers {
		field := "header_value." + strconv.Itoa(i)
		if h.Value != "" && out[field] == "" {
			out[field] = "Type the value again: this page does not repeat secrets."
		}
	}
	return out
}

func hasHeader(names []string, name string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) })
}
