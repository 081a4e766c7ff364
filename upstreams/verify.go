package upstreams

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/mcpwire"
	"github.com/emcy/gateway/internal/oauthwire"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/internal/secret"
	"github.com/emcy/gateway/tenancy"
)

// VerifyState is the outcome of one check.
type VerifyState string

// The outcomes.
const (
	VerifyOK      VerifyState = "ok"
	VerifyBad     VerifyState = "bad"
	VerifyUnknown VerifyState = "unknown" // no answer, or one that says nothing about the secret
)

// VerifyCheck is one call of the runtime.
type VerifyCheck struct {
	Name  string // what was sent: "The right secret"
	State VerifyState
	// Want and Got are HTTP statuses; Got is 0 where no answer came.
	Want, Got int
	Text      string // what it means
	Next      string // what to do, empty where nothing is
}

// VerifyReport says whether a runtime honours the worker contract.
type VerifyReport struct {
	At time.Time
	OK bool
	// Assertion tells that assertions were sent and not secrets.
	Assertion bool
	Summary   string
	Checks    []VerifyCheck
}

const (
	// verifyTime bounds each call.
	verifyTime = 10 * time.Second
	// maxVerifyBody is how much of an answer is read, so that its connection can be used again, in bytes.
	maxVerifyBody = 64 << 10
)

// verifier is one check of one runtime.
type verifier struct {
	client   *outbound.Client
	url      string
	static   []Header
	contract Contract
	open     opener // how the runtime wants to be greeted
}

// credential is what a call sends to be let in.
type credential struct{ name, header, value string }

// Verify calls the runtime with the right secret, with a wrong one and with none, and wants 200, 401 and 401;
// during a rotation with both right ones. Of a runtime that takes no secret it does the same with assertions:
// a good one, one with a foreign key, none. Nothing is stored. Errors: those of reading the runtime.
func (r *Registry) Verify(ctx context.Context, h tenancy.Handle, slug string) (VerifyReport, error) {
	v := verifier{client: r.client}
	var right, wrong []credential
	var now time.Time
	err := r.db.Read(ctx, h, func(tx *tenancy.Tx) error {
		row, err := bySlug(tx, slug)
		if err != nil {
			return err
		}
		now, v.url = tx.Now(), row.URL
		if v.contract, err = row.contract(); err != nil {
			return err
		}
		if v.static, err = row.headers(tx); err != nil {
			return err
		}
		if v.contract.AssertionOnly {
			right, wrong, err = r.assertions(tx, v.contract, row.URL)
			return err
		}
		right, wrong, err = row.secrets(tx, v.contract)
		return err
	})
	if err != nil {
		return VerifyReport{}, fmt.Errorf("read upstream to verify: %w", err)
	}
	report := VerifyReport{At: now, Assertion: v.contract.AssertionOnly}
	for i, c := range right {
		report.Checks = append(report.Checks, v.checkRight(ctx, c, i == 0))
	}
	wrong = append(wrong, credential{name: "Nothing"})
	for _, c := range wrong {
		report.Checks = append(report.Checks, v.checkWrong(ctx, c))
	}
	if err := ctx.Err(); err != nil {
		return VerifyReport{}, err
	}
	report.sum()
	return report, nil
}

func (r *Registry) assertions(tx *tenancy.Tx, c Contract, url string) (right, wrong []credential, err error) {
	if r.asserter == nil {
		return nil, nil, errs.E(errs.Unavailable, "This gateway cannot check a runtime that takes no secret.", nil)
	}
	good, foreign, err := r.asserter.Assertion(tx, url)
	name := c.Name(HeaderAssertion)
	return []credential{{"A good assertion", name, good}}, []credential{{"An assertion with a foreign key", name, foreign}}, err
}

func (r upstreamRow) secrets(tx *tenancy.Tx, c Contract) (right, wrong []credential, err error) {
	current, err := r.workerSecret(tx)
	if err != nil {
		return nil, nil, err
	}
	name := c.Name(HeaderSecret)
	wrong = []credential{{"A wrong secret", name, "emc_ws_wrong_" + rand.Text()}}
	if !r.rotating(tx.Now()) {
		return []credential{{"The right secret", name, current.Reveal()}}, wrong, nil
	}
	var previous secret.Text
	if previous, err = r.previousSecret(tx); err != nil {
		return nil, nil, err
	}
	return []credential{{"The old secret, which is still sent", name, previous.Reveal()}, {"The new secret", name, current.Reveal()}}, wrong, nil
}

// opener is a request that a runtime answers 200 when it lets the caller in.
type opener struct {
	method, version, body string
}

var openers = []opener{
	{mcpwire.MethodDiscover, mcpwire.Version20260728, `{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{"_meta":{"` + mcpwire.MetaProtocolVersion + `":"` + mcpwire.Version20260728 + `","` +
		mcpwire.MetaClientInfo + `":{"name":"emcy-gateway-check","version":"1"},"` + mcpwire.MetaClientCapabilities + `":{}}}}`},
	{mcpwire.MethodInitialize, "", `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"` + mcpwire.Version20251125 +
		`","capabilities":{},"clientInfo":{"name":"emcy-gateway-check","version":"1"}}}`},
}

// knocked is the answer to a call.
type knocked struct {
	err     error
	status  int
	refuses bool // its 401 says that it is the gateway that is refused
	bearer  bool // its 401 asks for a person's token
}

func (k knocked) in() bool { return k.err == nil && k.status >= 200 && k.status < 300 }

// checkRight calls with what has to be let in. The first call finds out how the runtime is greeted.
func (v *verifier) checkRight(ctx context.Context, c credential, first bool) VerifyCheck {
	out := VerifyCheck{Name: c.name, Want: http.StatusOK}
	var k knocked
	for _, o := range openers {
		if !first {
			break
		}
		v.open = o
		k = v.call(ctx, c)
		if k.err != nil || k.in() || k.status == http.StatusUnauthorized || k.status == http.StatusForbidden || k.status >= 500 {
			break
		}
	}
	if !first {
		k = v.call(ctx, c)
	}
	out.Got = k.status
	switch {
	case k.err != nil:
		out.State, out.Text, out.Next = VerifyUnknown, "The runtime did not answer: "+outbound.Classify(k.err).Public()+".", "Start the runtime, then check again."
	case k.in():
		out.State, out.Text = VerifyOK, "It is let in."
	case k.status == http.StatusUnauthorized && !k.refuses && (k.bearer || v.contract.Bearer):
		out.State, out.Text = VerifyUnknown, "The runtime asks for a person's token, so that nothing can be said about the rest."
		out.Next = "Let the runtime check the gateway before it checks the person, and answer server/discover and initialize without a person."
	case k.status == http.StatusUnauthorized || k.status == http.StatusForbidden:
		out.State, out.Text = VerifyBad, fmt.Sprintf("It is refused with %d.", k.status)
		out.Next = v.nextForRefused(c)
	default:
		out.State, out.Text, out.Next = VerifyUnknown, fmt.Sprintf("The runtime answers %d, which says nothing about who is let in.", k.status), "Probe the runtime: it has to answer server/discover or initialize."
	}
	return out
}

func (v *verifier) nextForRefused(c credential) string {
	if v.contract.AssertionOnly {
		return "Give the runtime this workspace's issuer and its own URL as the audience, let it read the header " + c.header + ", and check its clock."
	}
	return "Put this secret into the runtime's environment (EMCY_WORKER_SHARED_SECRET) and let it read the header " + c.header + "."
}

// checkWrong calls with what must not be let in.
func (v *verifier) checkWrong(ctx context.Context, c credential) VerifyCheck {
	k := v.call(ctx, c)
	out := VerifyCheck{Name: c.name, Want: http.StatusUnauthorized, Got: k.status}
	switch {
	case k.err != nil:
		out.State, out.Text, out.Next = VerifyUnknown, "The runtime did not answer: "+outbound.Classify(k.err).Public()+".", "Start the runtime, then check again."
	case k.in() && c.value == "":
		out.State, out.Text = VerifyBad, "It is let in: anyone who finds the runtime's URL can call it, in anybody's name."
		out.Next = "Add the adapter to the runtime, so that it refuses what does not come through the gateway."
	case k.in():
		out.State, out.Text = VerifyBad, "It is let in: the runtime looks whether something is there and not what."
		out.Next = "Let the runtime compare the secret in constant time, or verify the assertion with this workspace's keys."
	case k.status == http.StatusUnauthorized && k.refuses:
		out.State, out.Text = VerifyOK, "It is refused."
	case k.status == http.StatusUnauthorized:
		out.State, out.Text = VerifyOK, "It is refused, without saying that it is the gateway that is refused."
		out.Next = `With a profile attached, send WWW-Authenticate: EmcyWorker error="invalid_secret" with this 401, as the adapters do. A bare 401 is taken for the person's token.`
	case k.status == http.StatusForbidden:
		out.State, out.Text, out.Next = VerifyOK, "It is refused, with 403 instead of 401.", "Answer 401, as the contract has it."
	default:
		out.State, out.Text, out.Next = VerifyUnknown, fmt.Sprintf("The runtime answers %d, which says nothing about who is let in.", k.status), "Answer 401, as the contract has it."
	}
	return out
}

// call greets the runtime, and takes leave where that began a session.
func (v *verifier) call(ctx context.Context, c credential) knocked {
	ctx, cancel := context.WithTimeout(ctx, verifyTime)
	defer cancel()
	resp, err := v.send(ctx, http.MethodPost, v.open.body, c, "")
	if err != nil {
		return knocked{err: err}
	}
	challenges := oauthwire.Challenges(resp.Header)
	k := knocked{status: resp.StatusCode}
	_, k.refuses = oauthwire.Find(challenges, oauthwire.SchemeWorker)
	_, k.bearer = oauthwire.Find(challenges, "Bearer")
	session := resp.Header.Get(mcpwire.HeaderSessionID)
	finish(resp)
	if session != "" {
		if resp, err := v.send(ctx, http.MethodDelete, "", c, session); err == nil {
			finish(resp) // whether it has sessions to end is its own affair
		}
	}
	return k
}

func finish(resp *http.Response) {
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") { // that one may never end
		_, _ = io.CopyN(io.Discard, resp.Body, maxVerifyBody)
	}
	_ = resp.Body.Close()
}

func (v *verifier) send(ctx context.Context, method, body string, c credential, session string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, v.url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	for _, h := range v.static {
		req.Header.Set(h.Name, h.Value.Reveal())
	}
	if c.value != "" {
		req.Header.Set(c.header, c.value)
	}
	req.Header.Set("Accept", "application/json, text/event-stream")
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/json")
	}
	if v.open.version != "" {
		req.Header.Set(mcpwire.HeaderProtocolVersion, v.open.version)
		req.Header.Set(mcpwire.HeaderMethod, v.open.method)
	}
	if session != "" {
		req.Header.Set(mcpwire.HeaderSessionID, session)
	}
	resp, err := v.client.Do(req)
	if resp == nil && err == nil {
		err = errors.New("no answer")
	}
	return resp, err
}

func (r *VerifyReport) sum() {
	what := "secret"
	if r.Assertion {
		what = "assertion"
	}
	var bad, unknown int
	for _, c := range r.Checks {
		switch c.State {
		case VerifyBad:
			bad++
		case VerifyUnknown:
			unknown++
		case VerifyOK:
		}
	}
	r.OK = bad+unknown == 0
	switch {
	case r.OK:
		r.Summary = "The runtime takes the right " + what + " and refuses everything else."
	case bad > 0 && r.Checks[0].State == VerifyBad:
		r.Summary = "The runtime refuses the gateway's " + what + ": no call gets through."
	case bad > 0:
		r.Summary = "The runtime does not keep strangers out, or not with every " + what + "."
	default:
		r.Summary = "Whether the runtime honours the contract could not be told."
	}
}
