package edge

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/emcy/gateway/edge/snapshot"
	"github.com/emcy/gateway/internal/mcpwire"
	"github.com/emcy/gateway/internal/secret"
)

// Downstreams gives callers' own access to the API behind a runtime.
type Downstreams interface {
	// Token gives the access that goes along with a request. It asks no database when it gave the same
	// before, and bounds by itself how long it waits for a refresh. A *NeedsConnect says that the person has
	// to do something first; every other error is a fault that may pass.
	Token(ctx context.Context, q DownstreamQuery) (DownstreamToken, error)
	// Suspect says that the runtime refused a token, and gives another one if there is one to be had. The
	// same one says that there is none. Errors are Token's.
	Suspect(ctx context.Context, q DownstreamQuery, refused DownstreamToken) (DownstreamToken, error)
	// Link makes an address where the person of the query, and nobody else, can connect. It holds nothing
	// about the person.
	Link(ctx context.Context, q DownstreamQuery) (url string, err error)
}

// DownstreamQuery says whose access to what is needed.
type DownstreamQuery struct {
	TenantID, UpstreamID, ProfileID, Subject, Client string
	// Scopes are what the access has to hold; none asks for whatever there is.
	Scopes   []string
	Audience string
}

// DownstreamToken is access as a runtime gets it.
type DownstreamToken struct {
	Value secret.Text
	// GrantID and Generation tell one token of a person from the next.
	GrantID    string
	Generation int64
}

func (t *DownstreamToken) same(other *DownstreamToken) bool {
	return t.GrantID == other.GrantID && t.Generation == other.Generation && t.Value == other.Value
}

// Reason is why a person has to connect.
type Reason string

// The reasons.
const (
	NotConnected Reason = "not_connected" // there never was a grant, or the person took it back
	MoreScopes   Reason = "more_scopes"   // the grant holds too little
	Ended        Reason = "ended"         // the grant is dead, or refused
	// declined is the person's answer to the question.
	declined Reason = "declined"
)

// NeedsConnect says that the person has to connect an account, or to do so again.
type NeedsConnect struct {
	Profile string // the profile's name
	Reason  Reason
	Scopes  []string // what has to be asked for, where Reason is MoreScopes
}

func (n *NeedsConnect) Error() string {
	return "needs to connect " + n.Profile + ": " + string(n.Reason)
}

// noDownstreams stands where the gateway has none.
type noDownstreams struct{}

var errNoDownstreams = errors.New("this gateway keeps no grants")

func (noDownstreams) Token(context.Context, DownstreamQuery) (DownstreamToken, error) {
	return DownstreamToken{}, errNoDownstreams
}

func (noDownstreams) Suspect(context.Context, DownstreamQuery, DownstreamToken) (DownstreamToken, error) {
	return DownstreamToken{}, errNoDownstreams
}

func (noDownstreams) Link(context.Context, DownstreamQuery) (string, error) {
	return "", errNoDownstreams
}

// downstream is a request's part in its person's access.
type downstream struct {
	query DownstreamQuery
	token DownstreamToken
	sent  bool // token goes along
	// asked is the question that this request brings an answer to; nil where it brings none.
	asked *asked
}

const (
	// renewTime bounds the wait for another token; a refresh behind it may take ten seconds.
	renewTime = 12 * time.Second
	// connectPoll is how often a retry that came back before the person did looks again.
	connectPoll = time.Second
	// maxConnecting bounds the retries that wait at once: each asks the database.
	maxConnecting = 64
)

// withDownstream finds the person's token, where the runtime is to have one, or asks the client to let
// the person connect.
func (x *exchange) withDownstream() *refusal {
	var back *asked
	if ourState(x.message.RequestState) {
		var re *refusal
		if back, re = x.openState(); re != nil {
			return re
		}
	}
	d := x.edge.Downstream
	if d == nil {
		return nil
	}
	needed := x.needsToken(d.Need)
	x.down = &downstream{asked: back, query: DownstreamQuery{
		TenantID: x.tenant.ID, UpstreamID: x.edge.ID, ProfileID: d.ProfileID, Subject: x.access.subject, Client: x.access.client,
		Scopes: x.tokenScopes(d, needed), Audience: d.Audience,
	}}
	if back != nil && back.refused && needed {
		return x.declined()
	}
	token, err := x.findToken(needed)
	if err == nil {
		x.down.token, x.down.sent = token, true
		return nil
	}
	if x.clientGone() {
		x.leave()
	}
	missing, connects := errors.AsType[*NeedsConnect](err)
	switch {
	case !connects:
		x.complain("no downstream token", err)
		if needed {
			return x.failed(http.StatusServiceUnavailable, reasonDownstreamUnavailable, x.unavailable())
		}
		return nil
	case needed:
		return x.connect(missing, because(missing.Reason))
	default:
		return nil
	}
}

func (x *exchange) unavailable() string {
	return "Your access to " + x.profileName() + " cannot be had at this moment. Try again in a moment. Request " + x.event.RequestID + "."
}

// findToken asks for the token, and again for a while where the client came back before the person had
// connected: clients bring the answer to the question "may I open this page?", not the one of the page,
// and give up after a few rounds.
func (x *exchange) findToken(needed bool) (DownstreamToken, error) {
	token, err := x.askToken()
	if x.down.asked == nil || !needed || !onlyMissing(err) {
		return token, err
	}
	select {
	case x.front.connecting <- struct{}{}:
		defer func() { <-x.front.connecting }()
	default:
		return token, err
	}
	over := time.NewTimer(x.front.limits.ConnectWait)
	defer over.Stop()
	again := time.NewTicker(min(connectPoll, max(x.front.limits.ConnectWait/2, time.Millisecond)))
	defer again.Stop()
	for onlyMissing(err) {
		select {
		case <-x.r.Context().Done():
			return token, x.r.Context().Err()
		case <-over.C:
			return token, err
		case <-x.front.streams.ctx.Done(): // the gateway stops
			return token, err
		case <-again.C:
			token, err = x.askToken()
		}
	}
	return token, err
}

func onlyMissing(err error) bool {
	_, missing := errors.AsType[*NeedsConnect](err)
	return missing
}

func (x *exchange) askToken() (DownstreamToken, error) {
	token, err := x.front.downstreams.Token(x.r.Context(), x.down.query)
	return token, checkToken(token, err)
}

var errBadToken = errors.New("the token cannot stand in a header")

// checkToken keeps a token away that would end as another header.
func checkToken(t DownstreamToken, err error) error {
	if err == nil && (t.Value.Empty() || !httpguts.ValidHeaderFieldValue(t.Value.Reveal())) {
		return errBadToken
	}
	return err
}

// needsToken reports whether the message cannot do without the token.
func (x *exchange) needsToken(need snapshot.Need) bool {
	m := &x.message
	if need == snapshot.NeedNothing || m.Kind == 0 {
		return false
	}
	if m.Kind == mcpwire.KindBatch {
		return slices.ContainsFunc(m.Batch, func(m mcpwire.Message) bool { return needs(&m, need) })
	}
	return needs(m, need)
}

func needs(m *mcpwire.Message, need snapshot.Need) bool {
	if m.Kind != mcpwire.KindRequest {
		return false
	}
	return acts(m.Method) || need == snapshot.NeedEverything && m.Method != mcpwire.MethodPing
}

// acts reports whether a method does something, or reads something, for the person. The same methods may
// ask the client for something before they answer (MCP 2026-07-28, multi round-trip requests).
func acts(method string) bool {
	return method == mcpwire.MethodToolsCall || method == mcpwire.MethodPromptsGet || method == mcpwire.MethodResourcesRead
}

// tokenScopes are what the token has to hold. What does not need the token takes what there is; a token
// that is exchanged is made for its scopes.
func (x *exchange) tokenScopes(d *snapshot.Downstream, needed bool) []string {
	m := &x.message
	switch {
	case !needed && d.Kind != snapshot.KindExchange:
		return nil
	case m.Kind != mcpwire.KindBatch:
		if m.Method == mcpwire.MethodToolsCall {
			return d.ForTool(m.Name)
		}
		return d.Scopes
	}
	scopes := d.Scopes
	for i := range m.Batch {
		if m.Batch[i].Method == mcpwire.MethodToolsCall {
			scopes = union(scopes, d.ForTool(m.Batch[i].Name))
		}
	}
	return scopes
}

// union leaves both as they are.
func union(a, b []string) []string {
	out := slices.Clone(a)
	for _, scope := range b {
		if !slices.Contains(out, scope) {
			out = append(out, scope)
		}
	}
	return out
}

// tokenHeader is where and how the token goes to the runtime.
func (x *exchange) tokenHeader(c *snapshot.Contract) (name, value string) {
	value = x.down.token.Value.Reveal()
	switch d := x.edge.Downstream; {
	case d.Header != "":
		if d.Format != "" {
			value = strings.ReplaceAll(d.Format, "{key}", value)
		}
		return canonical(d.Header), value
	case c.Bearer:
		return headerAuthorization, "Bearer " + value
	default:
		return c.Token, value
	}
}
