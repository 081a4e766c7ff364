package edge

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/emcy/gateway/internal/mcpwire"
)

// What a client of 2026-07-28 brings back when it has asked its person to connect (MCP 2026-07-28, multi
// round-trip requests, requestState).
//
// It opens for the same subject and client at the same runtime, for the same call with the same arguments,
// for ten minutes. It gives no access: what it holds is only what the runtime itself had given the client
// to bring back when our question came between, so that the runtime gets exactly that. A state without our
// mark is the runtime's and passes untouched.

const (
	// stateMark begins our states, in which nothing needs escaping.
	stateMark = "emcy-connect."
	stateLife = 10 * time.Minute
	// stateFormat is the first byte of what is sealed.
	stateFormat = 1
	// maxCarried bounds what of the runtime's is carried, in bytes: the client has to bring it back within
	// a message.
	maxCarried = 1 << 20
)

// asked is our question, with the answer that came back.
type asked struct {
	refused bool // the person said no
}

func ourState(raw []byte) bool { return bytes.HasPrefix(raw, []byte(`"`+stateMark)) }

// sealState seals what the client is to bring back. It gives false where there is too much of the
// runtime's to carry, or no key.
func (x *exchange) sealState() (string, bool) {
	state, responses := x.message.RequestState, mcpwire.Lookup(x.message.Params, mcpwire.ParamInputResponses)
	digest, ok := x.callDigest()
	if !ok || x.tenant.States == nil || len(state)+len(responses) > maxCarried {
		return "", false
	}
	plain := make([]byte, 0, 13+len(state)+len(responses))
	plain = append(plain, stateFormat)
	plain = binary.BigEndian.AppendUint64(plain, uint64(x.front.clock.Now().Add(stateLife).Unix())) //nolint:gosec // times before 1970 do not occur
	plain = binary.BigEndian.AppendUint32(plain, uint32(len(state)))                                //nolint:gosec // bounded by maxCarried
	plain = append(append(plain, state...), responses...)
	sealed := x.tenant.States.Seal(plain, x.stateBindings(digest)...)
	return stateMark + base64.RawURLEncoding.EncodeToString(sealed), true
}

func (x *exchange) stateBindings(digest string) []string {
	return append(bindings(x.access, x.edge.ID), x.message.Method, x.message.Name, digest)
}

// callDigest is over everything that is asked of the runtime, whatever the order and the white space: the
// params without what changes from one round to the next.
func (x *exchange) callDigest() (string, bool) {
	rest, err := mcpwire.SwapParams(x.body, []string{"_meta", mcpwire.ParamRequestState, mcpwire.ParamInputResponses})
	if err != nil {
		return "", false
	}
	params := jsontext.Value(mcpwire.Lookup(rest, "params")).Clone()
	// Numbers stay as written: two that are one as a float64 need not be one to the runtime.
	if params.Canonicalize(jsontext.CanonicalizeRawInts(false), jsontext.CanonicalizeRawFloats(false)) != nil {
		return "", false
	}
	sum := sha256.Sum256(params)
	return string(sum[:]), true
}

// openState reads the answer to our question, and makes the message what it would be had we never asked.
func (x *exchange) openState() (*asked, *refusal) {
	back := &asked{refused: refusedBy(mcpwire.Lookup(x.message.Params, mcpwire.ParamInputResponses, inputKey, "action"))}
	state, responses, ok := x.unseal()
	if !ok {
		re := rejected(http.StatusBadRequest, mcpwire.CodeInvalidParams, reasonState,
			"This requestState is not valid: it is older than ten minutes, or it was made for another call. Make the call again without it.")
		re.id = x.message.ID
		return nil, re
	}
	var in []mcpwire.Member
	if len(responses) > 0 {
		in = append(in, mcpwire.Member{Name: mcpwire.ParamInputResponses, Value: responses})
	}
	if len(state) > 0 {
		in = append(in, mcpwire.Member{Name: mcpwire.ParamRequestState, Value: state})
	}
	body, err := mcpwire.SwapParams(x.body, []string{mcpwire.ParamRequestState, mcpwire.ParamInputResponses}, in...)
	if err == nil {
		x.message, err = mcpwire.Peek(body)
	}
	if err != nil {
		x.complain("restore the message", err)
		return nil, x.failed(http.StatusInternalServerError, reasonGatewayFault, "Something went wrong on our side. Request "+x.event.RequestID+".")
	}
	x.body = body
	return back, nil
}

// refusedBy reads the action of an ElicitResult. No answer is no refusal: the question is asked again.
func refusedBy(action []byte) bool {
	return string(action) == `"decline"` || string(action) == `"cancel"`
}

func (x *exchange) unseal() (state, responses []byte, ok bool) {
	raw := x.message.RequestState
	if x.tenant.States == nil || len(raw) < len(stateMark)+2 || raw[len(raw)-1] != '"' {
		return nil, nil, false
	}
	sealed, ok := decodeStrict(string(raw[len(stateMark)+1 : len(raw)-1]))
	if !ok {
		return nil, nil, false
	}
	digest, ok := x.callDigest()
	if !ok {
		return nil, nil, false
	}
	plain, err := x.tenant.States.Open(sealed, x.stateBindings(digest)...)
	if err != nil || len(plain) < 13 || plain[0] != stateFormat {
		return nil, nil, false
	}
	expires := int64(binary.BigEndian.Uint64(plain[1:])) //nolint:gosec // written from a time
	length := int(binary.BigEndian.Uint32(plain[9:]))
	if carried := plain[13:]; length <= len(carried) {
		return carried[:length], carried[length:], x.front.clock.Now().Unix() < expires
	}
	return nil, nil, false
}
