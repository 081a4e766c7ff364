package probe

import (
	"encoding/json"
	"time"
)

// State is the verdict on the URL that was given.
type State string

// The verdicts.
const (
	// StateReady means that the gateway can send calls to the URL.
	StateReady State = "ready"
	// StateWaiting means that an MCP server may well be there, and refuses us until someone acts at it.
	StateWaiting State = "waiting"
	// StateError means that calls to the URL would fail.
	StateError State = "error"
)

// Status is the outcome of one step.
type Status string

// The outcomes of a step.
const (
	StatusOK   Status = "ok"
	StatusWarn Status = "warn"
	StatusFail Status = "fail"
	// StatusSkip is a question that there was no reason to ask.
	StatusSkip Status = "skip"
	// StatusRunning is a question that waits for its answer. Only observers see it, never a report.
	StatusRunning Status = "running"
)

// Names of the steps.
const (
	StepAddress       = "address"
	StepDNS           = "dns"
	StepConnect       = "connect"
	StepTLS           = "tls"
	StepDiscover      = "discover"
	StepInitialize    = "initialize"
	StepTools         = "tools"
	StepPrompts       = "prompts"
	StepResources     = "resources"
	StepWithSecret    = "with_secret"
	StepWrongSecret   = "wrong_secret"
	StepWithoutSecret = "without_secret"
	StepOwnAuth       = "own_authorization"
	StepLatency       = "latency"
	StepSuggestion    = "suggestion"
)

// Steps are the names of the steps in the order in which they are asked. A probe that fails ends early;
// StepSuggestion is there only where another URL was tried.
func Steps() []string {
	return []string{
		StepAddress, StepDNS, StepConnect, StepTLS, StepDiscover, StepInitialize, StepTools, StepPrompts, StepResources,
		StepWithSecret, StepWrongSecret, StepWithoutSecret, StepOwnAuth, StepLatency, StepSuggestion,
	}
}

// Era says which kind of the protocol the runtime speaks.
type Era string

// The eras, in the specification's own words.
const (
	EraModern Era = "modern"
	EraLegacy Era = "legacy"
)

// Report is what a probe found. Its JSON names are stable: reports are stored.
type Report struct {
	State State `json:"state"`
	// URL is the given URL in its normal form, as given where it has none.
	URL string `json:"url"`
	// SuggestedURL is another URL to enter instead. The tools and the server of a report with StateError
	// are those found there, when it is on the same origin; another origin is named and not asked.
	SuggestedURL string `json:"suggested_url,omitempty"`
	Steps        []Step `json:"steps"`

	Era             Era    `json:"era,omitempty"`
	ProtocolVersion string `json:"protocol_version,omitempty"`
	// Sessions is true when a legacy runtime keeps a session per client.
	Sessions      bool   `json:"sessions,omitempty"`
	ServerName    string `json:"server_name,omitempty"`
	ServerVersion string `json:"server_version,omitempty"`
	// InstructionsBytes is the size of the server's instructions to the model.
	InstructionsBytes int      `json:"instructions_bytes"`
	Capabilities      []string `json:"capabilities,omitempty"`
	Tools             []Tool   `json:"tools"`
	// Prompts and Resources are how many are listed, where they are offered.
	Prompts   int `json:"prompts,omitempty"`
	Resources int `json:"resources,omitempty"`
	// ToolCount is how many tools were listed. It stays when the tools are not kept with the report.
	ToolCount int `json:"tool_count"`
	// Listing is what was listed, for the tool snapshot; nil when the tools could not be listed.
	Listing *Listing `json:"-"`

	Warnings []Warning `json:"warnings"`
	// OpenWithoutSecret is true when the runtime answers anyone who finds the URL.
	OpenWithoutSecret bool `json:"open_without_secret"`
	// LatencyMS is the median of a few small requests, one after the other.
	LatencyMS int64     `json:"latency_ms"`
	ProbedAt  time.Time `json:"probed_at"`
}

// Step is one question and its answer in words.
type Step struct {
	Name       string `json:"name"`
	Status     Status `json:"status"`
	DurationMS int64  `json:"duration_ms"`
	Words      string `json:"words"`
	// Next is what to do about it, empty when there is nothing to do.
	Next string `json:"next,omitempty"`
}

// Warning is something that works and will bite. Code is stable, Words are to be shown.
type Warning struct {
	Code  string `json:"code"`
	Words string `json:"words"`
	// Tool names the tool that it is about, empty when it is about the runtime.
	Tool string `json:"tool,omitempty"`
}

// Codes of warnings.
const (
	WarnOpen           = "open_without_secret"
	WarnOwnAuth        = "own_authorization"
	WarnCertificate    = "certificate_ends_soon"
	WarnSlow           = "slow"
	WarnClock          = "clock_skew"
	WarnLegacySSE      = "legacy_sse_transport"
	WarnRedirect       = "redirect"
	WarnWebPage        = "web_page"
	WarnVersion        = "unknown_version"
	WarnManyTools      = "many_tools"
	WarnNoTools        = "no_tools"
	WarnToolsCut       = "tools_cut"
	WarnDescription    = "missing_description"
	WarnDuplicateName  = "duplicate_name"
	WarnLongName       = "long_name"
	WarnNameCharacters = "name_characters"
	WarnSchema         = "schema_not_object"
	WarnSchemaLarge    = "schema_large"
	WarnExternalRef    = "external_ref"
	WarnHidden         = "hidden_characters"
	WarnMalformedTool  = "malformed_tool"
	WarnWrongSecret    = "wrong_secret_accepted"
	WarnSessions       = "sessions"
	WarnInstructions   = "instruction_like_text"
	WarnUnmarked       = "destructive_unmarked"
	WarnPlain          = "plain_http"
)

// Tool is one tool as the runtime defines it, its text made safe to show.
type Tool struct {
	Name        string `json:"name"`
	Title       string `json:"title,omitempty"`
	Description string `json:"description,omitempty"`
	// InputSchema is the schema with its strings made safe, null when it is too large to keep.
	InputSchema json.RawMessage `json:"input_schema"`
	Annotations *Annotations    `json:"annotations,omitempty"`
	// Hash is the SHA-256, in hex, of the canonical definition as the runtime sent it: name, title,
	// description, schemas, annotations.
	Hash string `json:"hash"`
	// ApproxTokens estimates what the definition costs a model: a quarter of its bytes.
	ApproxTokens int       `json:"approx_tokens"`
	Warnings     []Warning `json:"warnings,omitempty"`
}

// Annotations are the runtime's own hints about a tool; nil means that it says nothing.
type Annotations struct {
	ReadOnly    *bool `json:"read_only,omitempty"`
	Destructive *bool `json:"destructive,omitempty"`
	Idempotent  *bool `json:"idempotent,omitempty"`
	OpenWorld   *bool `json:"open_world,omitempty"`
}

// Step returns the step of a name and whether the probe got to it.
func (r *Report) Step(name string) (Step, bool) {
	for _, s := range r.Steps {
		if s.Name == name {
			return s, true
		}
	}
	return Step{}, false
}

// WithoutTools is the report as it is kept: the definitions live in the tool snapshot, and what is wrong
// with them stands among the warnings.
func (r Report) WithoutTools() Report {
	r.ToolCount = max(r.ToolCount, len(r.Tools))
	warnings := append([]Warning{}, r.Warnings...)
	for _, t := range r.Tools {
		for _, w := range t.Warnings {
			w.Tool = t.Name
			warnings = append(warnings, w)
		}
	}
	r.Warnings, r.Tools, r.Listing = warnings, []Tool{}, nil
	return r
}

func (r *Report) warn(code, words string) {
	r.Warnings = append(r.Warnings, Warning{Code: code, Words: words})
}
