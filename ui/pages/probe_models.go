package pages

import "github.com/a-h/templ"

// ProbePage is GET /{workspace}/runtimes/{runtime}/probe.
type ProbePage struct {
	// Shell is the frame.
	Shell Shell
	// Runtime names the runtime.
	Runtime RuntimeRef
	// New says that no client has called yet: the page is then a step on the way there.
	New bool
	// Live is the probe as of now.
	Live ProbeLiveView
	// Stream is the path of the event stream that sends ProbeLive fragments; empty renders no live updates.
	Stream string
}

// States of a probe.
const (
	// ProbeWaiting is before the first probe has begun.
	ProbeWaiting = "waiting"
	// ProbeRunning is while questions are asked.
	ProbeRunning = "running"
	// ProbeDone is when a report is there.
	ProbeDone = "done"
	// ProbeEnded is when the last probe ended without a report.
	ProbeEnded = "ended"
)

// ProbeLiveView is a probe while it runs, and its report.
type ProbeLiveView struct {
	// State is one of the states of a probe.
	State string
	// Outcome is the report in a badge; zero before there is one.
	Outcome Badge
	// Summary is the whole in a sentence or two. It is read out when it changes.
	Summary string
	// At is when the report was made; zero before there is one.
	At Moment
	// Took is how long it took, such as "84 ms"; may be empty.
	Took string
	// Lines are the questions, those that were not asked yet included, so that the list does not grow.
	Lines []ProbeLine
	// Findings are what there is to do, failures first; none while the probe runs.
	Findings []ProbeFinding
	// Era is the protocol era in words; zero when unknown.
	Era Badge
	// Facts are what the runtime says about itself.
	Facts []Pair
	// Tools are the tools that were listed; may be empty.
	Tools []ProbeTool
	// ToolCount is their number, such as "14".
	ToolCount string
	// ToolsTokens is the sum of their definitions, such as "≈ 4,210 tokens".
	ToolsTokens string
	// ToolsMore says how many tools are not shown; empty when all are.
	ToolsMore string
}

// ProbeLine is one question and its answer.
type ProbeLine struct {
	// Title names the question, such as "Certificate (TLS)".
	Title string
	// Tone is ToneOK, ToneWarn, ToneFail, or ToneNeutral for what was skipped or not reached.
	Tone string
	// Text is the answer, or why there is none, such as "not reached"; may be empty.
	Text string
	// Answered says that Text is an answer.
	Answered bool
	// Took is the time, such as "12 ms"; may be empty.
	Took string
	// Running says that the answer is being waited for.
	Running bool
}

// ProbeFinding is something that the runtime's owner should know or do.
type ProbeFinding struct {
	// ID is unique in the page; the command's id is derived from it.
	ID string
	// Tone is ToneFail, ToneWarn or ToneInfo.
	Tone string
	// Title is the finding in short.
	Title string
	// Text is the finding: its cause, where it is a failure.
	Text string
	// Next is what to do about it; may be empty.
	Next string
	// Command is a command line that asks the same, with variables in the place of secrets; may be empty.
	Command string
	// ActionText and ActionHref are a link to the cure; both may be empty.
	ActionText string
	// ActionHref is the link's local target.
	ActionHref string
}

// ProbeTool is a tool as a probe found it.
type ProbeTool struct {
	// Name is the tool's name.
	Name string
	// Title is its display title; may be empty.
	Title string
	// Description is its description; the page clamps it.
	Description string
	// Hints are its annotations in words; a tool without any has none.
	Hints []Badge
	// Inputs are its parameters in short, such as "text: string".
	Inputs []ProbeInput
	// InputsMore says how many parameters are not shown, such as "and 4 more"; may be empty.
	InputsMore string
	// Tokens is the size of its definition, such as "~120".
	Tokens string
	// Remarks are what is wrong with it.
	Remarks []string
}

// ProbeInput is a parameter of a tool.
type ProbeInput struct {
	// Name is the parameter's name.
	Name string
	// Type is its type in a word; may be empty.
	Type string
	// Required says that a call needs it.
	Required bool
}

// asking marks the question that is being asked.
func asking(line ProbeLine) templ.Attributes {
	if !line.Running {
		return nil
	}
	return templ.Attributes{"aria-current": "step"}
}
