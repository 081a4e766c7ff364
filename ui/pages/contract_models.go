package pages

import (
	"cmp"
	"strings"
)

// ContractPage is GET and POST /{workspace}/runtimes/{runtime}/contract: what the gateway tells the runtime with every
// request, and how.
type ContractPage struct {
	// Shell is the frame.
	Shell Shell
	// Runtime is the runtime.
	Runtime RuntimeRef
	// Headers are the worker contract's, in order.
	Headers []ContractHeader
	// Token is ContractOwnHeader or ContractBearer.
	Token string
	// Proof is ContractSecret or ContractAssertion.
	Proof string
	// Version is the stored version that the form was opened with.
	Version string
	// Errors are messages by field: header.<default name>, bearer, assertion_only.
	Errors FieldErrors
	// Summary is the message over the form.
	Summary string
	// Secrets say which secret is sent, and which one waits.
	Secrets []ContractSecretState
	// JWKS, Issuer and Audience are what a runtime checks an assertion with.
	JWKS, Issuer, Audience string
	// Profile is the name of the profile whose token is sent; empty where none is attached. ProfileHref leads to where
	// one is.
	Profile, ProfileHref string
	// Report is the answer of a verification; nil before one.
	Report *ContractReport
}

// The ways to send the person's downstream token, and to prove that the gateway asks.
const (
	ContractOwnHeader = "header"
	ContractBearer    = "bearer"
	ContractSecret    = "secret"
	ContractAssertion = "assertion"
)

// ContractHeader is one header of the worker contract.
type ContractHeader struct {
	// Name is the default name, Own the name that it is sent under; empty for the default one.
	Name, Own string
	// Text says what it carries.
	Text string
	// Off says why it is not sent now; empty where it is.
	Off string
}

// ContractSecretState is one of a runtime's secrets.
type ContractSecretState struct {
	Name  string
	State Badge
	Text  string
}

// ContractReport is what a runtime answered to the right, the wrong and no proof.
type ContractReport struct {
	Tone, Summary string
	At            Moment
	Checks        []ContractCheck
}

// ContractCheck is one call of a verification.
type ContractCheck struct {
	// Name says what was sent, Want and Got the answers' statuses.
	Name, Want, Got string
	State           Badge
	// Text says what that means, Next what helps; may be empty.
	Text, Next string
}

// Sent is the name that the header goes by.
func (h ContractHeader) Sent() string { return cmp.Or(h.Own, h.Name) }

func (h ContractHeader) field() string { return "header." + h.Name }

func (p ContractPage) sent(name string) string {
	for _, h := range p.Headers {
		if h.Name == name {
			return h.Sent()
		}
	}
	return name
}

func (p ContractPage) order() []string {
	out := make([]string, 0, len(p.Headers)+2)
	for _, h := range p.Headers {
		out = append(out, h.field())
	}
	return append(out, "bearer", "assertion_only")
}

// environment are the variables that the adapters read; those that say what the adapters assume anyway are left out.
func (p ContractPage) environment() string {
	var lines []string
	if p.Proof == ContractSecret {
		lines = append(lines, "EMCY_WORKER_SHARED_SECRET=(the worker secret)")
	} else {
		lines = append(lines, "EMCY_WORKER_ISSUER="+p.Issuer, "EMCY_WORKER_AUDIENCE="+p.Audience)
	}
	for _, h := range p.Headers {
		variable := headerVariables[h.Name]
		switch {
		case variable == "":
		case variable == tokenVariable && p.Token == ContractBearer:
			lines = append(lines, variable+"=Authorization")
		case h.Own != "" && h.Own != h.Name:
			lines = append(lines, variable+"="+h.Own)
		}
	}
	return strings.Join(lines, "\n")
}

const tokenVariable = "EMCY_UPSTREAM_ACCESS_TOKEN_HEADER" //nolint:gosec // the name of a variable

// headerVariables tell the adapters a header's own name.
var headerVariables = map[string]string{
	"X-Emcy-Worker-Secret":         "EMCY_WORKER_SECRET_HEADER",
	"X-Emcy-Upstream-Access-Token": tokenVariable,
	"X-Emcy-Subject":               "EMCY_WORKER_SUBJECT_HEADER",
	"X-Emcy-Tenant":                "EMCY_WORKER_TENANT_HEADER",
	"X-Emcy-Client":                "EMCY_WORKER_CLIENT_HEADER",
	"X-Emcy-Request-Id":            "EMCY_WORKER_REQUEST_ID_HEADER",
	"X-Emcy-Assertion":             "EMCY_WORKER_ASSERTION_HEADER",
}
