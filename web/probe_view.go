package web

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/emcy/gateway/ui/pages"
	"github.com/emcy/gateway/upstreams"
	"github.com/emcy/gateway/upstreams/probe"
)

const (
	// shownTools and shownInputs bound what a probe's page holds; everything is in the tool snapshot.
	shownTools  = 50
	shownInputs = 8
	shownLine   = 40
)

// probeRunning is a probe under way: what was asked so far, and what is still to be asked.
func probeRunning(p upstreams.Progress) pages.ProbeLiveView {
	return pages.ProbeLiveView{
		State: pages.ProbeRunning, Summary: "The runtime is being asked. This takes a few seconds, and the answers appear here by themselves.",
		Lines: probeLines(p.Steps, ""), Facts: probeFacts(nil),
	}
}

// probeView is what the last probe found, or that there was none.
func probeView(list upstreams.ToolList, p upstreams.Progress, v Visit) pages.ProbeLiveView {
	u := list.Upstream
	r := u.Report
	if r == nil {
		view := pages.ProbeLiveView{State: pages.ProbeWaiting, Summary: "The runtime was not probed yet.", Lines: probeLines(nil, ""), Facts: probeFacts(nil)}
		if p.ID != "" {
			view.State, view.Summary = pages.ProbeEnded, endedSummary
		}
		return view
	}
	view := pages.ProbeLiveView{
		State: pages.ProbeDone, Outcome: outcome(r), Summary: probeSummary(r), At: moment(r.ProbedAt), Took: probeTook(r),
		Lines: probeLines(r.Steps, "not reached"), Findings: probeFindings(u, v), Era: era(r), Facts: probeFacts(r),
	}
	if p.StartedAt.After(r.ProbedAt) {
		view.State, view.Summary = pages.ProbeEnded, endedSummary+" What is shown is the report of the one before."
	}
	if r.State == probe.StateReady {
		probeTools(&view, list)
	}
	return view
}

const endedSummary = "The last probe ended without a report: the runtime was changed meanwhile, or the gateway was stopped. Probe again."

// probeLines are all questions in their order. ahead is what is said of those that were not asked.
func probeLines(steps []probe.Step, ahead string) []pages.ProbeLine {
	found := map[string]probe.Step{}
	for _, s := range steps {
		found[s.Name] = s
	}
	var out []pages.ProbeLine
	for _, name := range probe.Steps() {
		s, asked := found[name]
		line := pages.ProbeLine{Title: stepTitle(name), Tone: statusTone(s.Status), Text: s.Words, Answered: asked}
		switch {
		case !asked && name == probe.StepSuggestion:
			continue // it is asked where the given URL is not the right one, only
		case !asked:
			line.Text = ahead
		case s.Status == probe.StatusRunning:
			line.Running, line.Answered, line.Text = true, false, "asking…"
		case s.DurationMS > 0:
			line.Took = took(time.Duration(s.DurationMS) * time.Millisecond)
		}
		out = append(out, line)
	}
	return out
}

func probeTook(r *probe.Report) string {
	var total int64
	for _, s := range r.Steps {
		total += s.DurationMS
	}
	if total == 0 {
		return ""
	}
	return took(time.Duration(total) * time.Millisecond)
}

// probeSummary is the report in a sentence or two, to be read out.
func probeSummary(r *probe.Report) string {
	words := probeWords(r)
	if n := remarks(r); n > 0 && r.State == probe.StateReady {
		words += " " + count(int64(n), "remark") + yes(n == 1, " is", " are") + " below."
	}
	return words
}

// probeWords is the report in a sentence or two, without its remarks.
func probeWords(r *probe.Report) string {
	switch r.State {
	case probe.StateReady:
		return "It works: MCP " + r.ProtocolVersion + ", " + count(int64(r.ToolCount), "tool") + ", " + latency(r) + "."
	case probe.StateWaiting:
		if slices.ContainsFunc(r.Warnings, func(w probe.Warning) bool { return w.Code == probe.WarnOwnAuth }) {
			return "A server is there and asks for a sign-in of its own. Calls will fail until it takes the worker secret instead."
		}
		return "A server is there and refuses the gateway: it does not know the worker secret yet. Calls will fail until it does."
	case probe.StateError:
	}
	for _, s := range r.Steps {
		if s.Status == probe.StatusFail {
			return "It does not work: “" + stepTitle(s.Name) + "” failed. " + s.Words
		}
	}
	return "It does not work."
}

func latency(r *probe.Report) string {
	if r.LatencyMS == 0 {
		return "answers in less than 1 ms"
	}
	return "answers in " + took(time.Duration(r.LatencyMS)*time.Millisecond)
}

// remarks counts what there is to look at.
func remarks(r *probe.Report) int {
	n := 0
	for _, w := range r.Warnings {
		if !slices.Contains(infos, w.Code) {
			n++
		}
	}
	for _, s := range r.Steps {
		if s.Status == probe.StatusWarn && !warned(r, s.Name) {
			n++
		}
	}
	return n
}

// stepWarnings are the warnings that tell what a step tells already.
var stepWarnings = map[string][]string{
	probe.StepTLS:           {probe.WarnCertificate, probe.WarnPlain},
	probe.StepTools:         {probe.WarnNoTools, probe.WarnToolsCut},
	probe.StepWrongSecret:   {probe.WarnWrongSecret, probe.WarnOpen},
	probe.StepWithoutSecret: {probe.WarnOpen},
	probe.StepOwnAuth:       {probe.WarnOwnAuth},
	probe.StepLatency:       {probe.WarnSlow},
}

// warned says whether a warning of the report is about what a step found.
func warned(r *probe.Report, step string) bool {
	return slices.ContainsFunc(r.Warnings, func(w probe.Warning) bool { return slices.Contains(stepWarnings[step], w.Code) })
}

// probeFacts are what the runtime says about itself. Their number does not change, so that nothing moves when they
// come.
func probeFacts(r *probe.Report) []pages.Pair {
	if r == nil || r.State == probe.StateError {
		r = &probe.Report{}
	}
	facts := []pages.Pair{
		{Term: "Server", Value: strings.TrimSpace(r.ServerName + " " + r.ServerVersion)},
		{Term: "Capabilities", Value: strings.Join(r.Capabilities, ", ")},
		{Term: "Offers"},
		{Term: "Sessions"},
		{Term: "Instructions"},
		{Term: "Median latency"},
	}
	if r.ProtocolVersion == "" {
		return facts
	}
	facts[2].Value = count(int64(r.ToolCount), "tool") + ", " + count(int64(r.Prompts), "prompt") + ", " + count(int64(r.Resources), "resource")
	facts[3].Value = yes(r.Sessions, "one per client", "none")
	facts[4].Value = "none"
	if r.InstructionsBytes > 0 {
		facts[4].Value = size(int64(r.InstructionsBytes))
	}
	if _, measured := r.Step(probe.StepLatency); measured {
		facts[5].Value = yes(r.LatencyMS == 0, "less than 1 ms", took(time.Duration(r.LatencyMS)*time.Millisecond))
	}
	return facts
}

// probeFindings are what there is to do: what failed first, then what will bite, then what is worth knowing.
func probeFindings(u upstreams.Upstream, v Visit) []pages.ProbeFinding {
	r := u.Report
	var out []pages.ProbeFinding
	for i, s := range r.Steps {
		if !actable(r, s) {
			continue
		}
		f := pages.ProbeFinding{
			ID: "step-" + strconv.Itoa(i), Tone: statusTone(s.Status), Title: stepTitle(s.Name), Text: s.Words, Next: s.Next,
			Command: r.Command(s.Name, u.SecretHeader, u.HeaderNames),
		}
		switch s.Name {
		case probe.StepWithoutSecret, probe.StepWrongSecret, probe.StepWithSecret:
			f.ActionText, f.ActionHref = "Show the adapter", v.path("runtimes", u.Slug, "setup")
		case probe.StepAddress, probe.StepDNS, probe.StepConnect, probe.StepSuggestion, probe.StepDiscover, probe.StepInitialize:
			f.ActionText, f.ActionHref = "Edit the runtime", v.path("runtimes", u.Slug, "edit")
		}
		if !mayWrite(v) {
			f.ActionText, f.ActionHref = "", ""
		}
		out = append(out, f)
	}
	about := toolsWarned(r)
	for i, w := range r.Warnings {
		names, first := about[w.Code]
		if told(r, w) || w.Tool != "" && !first {
			continue
		}
		f := pages.ProbeFinding{ID: "warning-" + strconv.Itoa(i), Tone: pages.ToneWarn, Title: cmp.Or(warningTitles[w.Code], "Worth a look"), Text: sentence(w.Words)}
		if slices.Contains(infos, w.Code) {
			f.Tone = pages.ToneInfo
		}
		if w.Tool != "" {
			delete(about, w.Code) // one remark for all tools that share it
			f.Text = someOf(names) + ": " + f.Text
			f.ActionText, f.ActionHref = "Look at the tools", v.path("runtimes", u.Slug, "tools")
		}
		out = append(out, f)
	}
	rank := map[string]int{pages.ToneFail: 0, pages.ToneWarn: 1, pages.ToneInfo: 2}
	slices.SortStableFunc(out, func(a, b pages.ProbeFinding) int { return cmp.Compare(rank[a.Tone], rank[b.Tone]) })
	return out
}

// actable says whether a step found something to act upon that no other step told.
func actable(r *probe.Report, s probe.Step) bool {
	switch {
	case s.Status == probe.StatusFail:
		return true
	case s.Status != probe.StatusWarn, s.Next == "":
		return false
	case s.Name == probe.StepWrongSecret:
		return !r.OpenWithoutSecret
	case s.Name == probe.StepOwnAuth:
		return r.State == probe.StateReady
	}
	return true
}

// told says whether a step told a warning already, at more length.
func told(r *probe.Report, w probe.Warning) bool {
	return slices.ContainsFunc(r.Steps, func(s probe.Step) bool {
		return s.Status == probe.StatusWarn && slices.Contains(stepWarnings[s.Name], w.Code)
	})
}

// probeTools adds the tools as the snapshot has them.
func probeTools(view *pages.ProbeLiveView, list upstreams.ToolList) {
	sum := 0
	for i, t := range list.Tools {
		sum += tokensOf(t)
		if i >= shownTools {
			continue
		}
		shown, ok := probe.Show(t.Definition)
		if !ok {
			continue
		}
		tool := pages.ProbeTool{
			Name: shown.Name, Title: shown.Title, Description: shown.Description, Hints: hintBadges(t.Hints), Tokens: approxTokens(shown.ApproxTokens),
		}
		tool.Inputs, tool.InputsMore = inputs(jsontext.Value(shown.InputSchema))
		for _, w := range shown.Warnings {
			tool.Remarks = append(tool.Remarks, sentence(w.Words))
		}
		view.Tools = append(view.Tools, tool)
	}
	view.ToolCount, view.ToolsTokens = grouped(int64(len(list.Tools))), "≈ "+grouped(int64(sum))+" tokens"
	if rest := len(list.Tools) - len(view.Tools); rest > 0 {
		view.ToolsMore = count(int64(rest), "more tool") + yes(rest == 1, " is", " are") + " not shown here."
	}
}

// inputs are a tool's parameters in short.
func inputs(schema jsontext.Value) (list []pages.ProbeInput, more string) {
	var shape struct {
		Properties jsontext.Value `json:"properties"`
		Required   []string       `json:"required"`
	}
	var properties map[string]jsontext.Value
	if json.Unmarshal(schema, &shape) != nil || json.Unmarshal(shape.Properties, &properties) != nil {
		return nil, "" // a schema that is none is among the remarks
	}
	names := make([]string, 0, len(properties))
	for name := range properties {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(-compareBool(slices.Contains(shape.Required, a), slices.Contains(shape.Required, b)), strings.Compare(a, b))
	})
	for i, name := range names {
		if i == shownInputs {
			return list, "and " + grouped(int64(len(names)-i)) + " more"
		}
		list = append(list, pages.ProbeInput{Name: cut(name, shownLine), Type: cut(typeOf(properties[name]), shownLine), Required: slices.Contains(shape.Required, name)})
	}
	return list, ""
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	default:
		return -1
	}
}

// typeOf is a parameter's type in a word, as its schema says it.
func typeOf(schema jsontext.Value) string {
	var one struct {
		Type string           `json:"type"`
		Enum []jsontext.Value `json:"enum"`
	}
	if json.Unmarshal(schema, &one) == nil {
		return cmp.Or(one.Type, yes(len(one.Enum) > 0, "one of "+strconv.Itoa(len(one.Enum)), ""))
	}
	var several struct {
		Type []string `json:"type"`
	}
	if json.Unmarshal(schema, &several) == nil {
		return strings.Join(several.Type, " or ")
	}
	return ""
}

func cut(s string, limit int) string {
	if r := []rune(s); len(r) > limit {
		return string(r[:limit-1]) + "…"
	}
	return s
}
