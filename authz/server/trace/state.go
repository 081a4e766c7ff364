package trace

import (
	"slices"
	"time"
)

// State is where an attempt stands.
type State string

// The states. Silent and Stalled are told by the clock and never stored.
const (
	Discovering State = "discovering"
	Registered  State = "registered"
	SigningIn   State = "signing_in"
	Consenting  State = "consenting"
	Authorized  State = "authorized" // a code was issued, and not redeemed yet
	TokenIssued State = "token_issued"
	Silent      State = "silent"    // a token was issued, and no call since
	Connected   State = "connected" // the runtime answered this client
	Failed      State = "failed"
	Stalled     State = "stalled" // nothing for a while, before a token was issued
)

const (
	// silentAfter is how long a client may keep a new token before that is worth telling.
	silentAfter = 60 * time.Second
	// together is how far two steps of one attempt may be apart, where nothing but the
	// network and the user agent tells that they belong together.
	together = 10 * time.Minute
)

// at tells the states that come with time.
func (s State) at(now time.Time, updated time.Time, issued *time.Time) State {
	switch s {
	case TokenIssued:
		if issued != nil && now.Sub(*issued) > silentAfter {
			return Silent
		}
	case Discovering, Registered, SigningIn, Consenting, Authorized:
		if now.Sub(updated) > together {
			return Stalled
		}
	case Connected, Failed, Silent, Stalled:
	}
	return s
}

// verdict is what an attempt's steps come to.
type verdict struct {
	state                State
	reached, failed      Step
	code                 string
	issuedAt, firstCalAt *time.Time
}

// judge reads the steps of an attempt. A failure stands until a step at or behind it
// succeeds: people mistype passwords, and clients try again.
func judge(steps []stepRow) verdict {
	slices.SortStableFunc(steps, before)
	v := verdict{state: Discovering}
	for i := range steps {
		s := &steps[i]
		step := Step(s.Step)
		if !s.OK {
			v.failed, v.code = step, s.Code
			continue
		}
		if v.failed != "" && step.Reached(v.failed) {
			v.failed, v.code = "", ""
		}
		if v.reached == "" || step.Reached(v.reached) {
			v.reached = step
		}
		switch {
		case step == Token && v.issuedAt == nil:
			v.issuedAt = &s.At
		case step == FirstCall && v.firstCalAt == nil:
			v.firstCalAt = &s.At
		}
	}
	v.state = stateOf(v.reached)
	if v.failed != "" && v.state != Connected {
		v.state = Failed
	}
	return v
}

func stateOf(reached Step) State {
	switch reached {
	case Register, ClientDocument:
		return Registered
	case Authorize:
		return SigningIn
	case SignIn:
		return Consenting
	case Consent, Code:
		return Authorized
	case Token:
		return TokenIssued
	case FirstRequest, ToolsList, FirstCall:
		return Connected
	case Challenge, ResourceMetadata, ServerMetadata:
	}
	return Discovering
}

// before orders steps by time, and those of one moment by their place on the way.
func before(a, b stepRow) int {
	if c := a.At.Compare(b.At); c != 0 {
		return c
	}
	return rank(Step(a.Step)) - rank(Step(b.Step))
}
