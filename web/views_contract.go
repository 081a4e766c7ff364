package web

import (
	"strconv"

	"github.com/emcy/gateway/ui/pages"
	"github.com/emcy/gateway/upstreams"
)

// headerTexts say what the contract's headers carry.
var headerTexts = map[string]string{
	upstreams.HeaderSecret:    "The worker secret: a request without it did not come through the gateway.",
	upstreams.HeaderToken:     "The person's token for the API behind the runtime.",
	upstreams.HeaderSubject:   "Who asks: the person's id in this workspace.",
	upstreams.HeaderTenant:    "The workspace's slug.",
	upstreams.HeaderClient:    "The id of the MCP client.",
	upstreams.HeaderRequestID: "The id of the request, as in the log.",
	upstreams.HeaderAssertion: "A signed token that says who asks and proves that it is the gateway. It works for 60 seconds at most.",
}

func contractView(view pages.ContractPage, u upstreams.Upstream, shown upstreams.Contract, attached bool) pages.ContractPage {
	view.Runtime = runtimeRef(u, view.Shell.Workspace.Origin)
	view.Version = strconv.FormatInt(u.Version, 10)
	view.Token, view.Proof = pages.ContractOwnHeader, pages.ContractSecret
	if shown.Bearer {
		view.Token = pages.ContractBearer
	}
	if shown.AssertionOnly {
		view.Proof = pages.ContractAssertion
	}
	for _, name := range upstreams.ContractHeaders {
		view.Headers = append(view.Headers, pages.ContractHeader{Name: name, Own: shown.Headers[name], Text: headerTexts[name], Off: notSent(name, u.Contract, attached)})
	}
	view.Secrets = secretStates(u)
	view.Issuer, view.JWKS, view.Audience = view.Shell.Workspace.Origin, view.Shell.Workspace.Origin+"/jwks", u.URL
	return view
}

// notSent says why a header does not reach the runtime as it is set up now.
func notSent(name string, c upstreams.Contract, attached bool) string {
	switch {
	case name == upstreams.HeaderSecret && c.AssertionOnly:
		return "Not sent: the runtime takes the assertion only."
	case name == upstreams.HeaderToken && !attached:
		return "Not sent: no profile is attached to the runtime."
	case name == upstreams.HeaderToken && c.Bearer:
		return "Sent as Authorization: Bearer instead."
	}
	return ""
}

// secretStates say which of a runtime's two secrets is sent.
func secretStates(u upstreams.Upstream) []pages.ContractSecretState {
	sent := pages.Badge{Tone: pages.ToneOK, Text: "Sent"}
	if u.Contract.AssertionOnly {
		return []pages.ContractSecretState{{
			Name: "None", State: pages.Badge{Tone: pages.ToneNeutral, Text: "Not sent"}, Text: "The runtime takes the assertion only. The stored secret is used again when you switch back.",
		}}
	}
	if !u.Rotating {
		return []pages.ContractSecretState{{
			Name: "One secret", State: sent, Text: "To rotate it without a gap, the runtime can hold two, separated by a comma.",
		}}
	}
	older := "Sent until a probe has seen the runtime accept the new one, for a day at most."
	if u.RotatesUntil != nil {
		older = "Sent until a probe has seen the runtime accept the new one, at most until " + moment(*u.RotatesUntil).Text + " UTC."
	}
	return []pages.ContractSecretState{
		{Name: "The older secret", State: sent, Text: older},
		{Name: "The new secret", State: pages.Badge{Tone: pages.ToneWarn, Text: "Waiting"}, Text: "No probe has seen the runtime accept it yet. Put it into the runtime beside the older one, separated by a comma, and verify."},
	}
}

var verifyStates = map[upstreams.VerifyState]pages.Badge{
	upstreams.VerifyOK:      {Tone: pages.ToneOK, Text: "As expected"},
	upstreams.VerifyBad:     {Tone: pages.ToneFail, Text: "Wrong"},
	upstreams.VerifyUnknown: {Tone: pages.ToneWarn, Text: "Not known"},
}

func contractReport(r upstreams.VerifyReport) *pages.ContractReport {
	out := &pages.ContractReport{Tone: pages.ToneWarn, Summary: r.Summary, At: moment(r.At)}
	if r.OK {
		out.Tone = pages.ToneOK
	}
	for _, c := range r.Checks {
		check := pages.ContractCheck{Name: c.Name, Want: strconv.Itoa(c.Want), Got: "no answer", State: verifyStates[c.State], Text: c.Text, Next: c.Next}
		if c.Got != 0 {
			check.Got = strconv.Itoa(c.Got)
		}
		out.Checks = append(out.Checks, check)
	}
	return out
}
