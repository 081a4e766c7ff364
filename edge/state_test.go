package edge_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/edge"
	"github.com/emcy/gateway/edge/snapshot"
	"github.com/emcy/gateway/usage/event"
)

// question asks for the person's account, and gives what the client is to bring back.
func (b *bundle) question(call string) string {
	b.t.Helper()
	_, body := b.do(b.modern(call, "echo"))
	a := read(b.t, body)
	require.Equal(b.t, "input_required", a.Result.ResultType, body)
	return a.Result.RequestState
}

// back is a retry: the answer to our question with what we gave.
func back(id, action, state string) string {
	return modernCall(id, declaresURL, `,"inputResponses":{"emcy-connect":{"action":"`+action+`"}},"requestState":"`+state+`"`)
}

// TestRetryAfterConnecting: the runtime gets the call as if we had never asked.
func TestRetryAfterConnecting(t *testing.T) {
	t.Parallel()
	runtime := echoPong()
	g := ofAda()
	b := withGrants(t, runtime, g, nil)
	g.late = 1
	state := b.question(modernCall("7", declaresURL, ""))
	_, body := b.do(b.modern(back("8", "accept", state), "echo"))
	require.Equal(t, pong, body)
	require.Equal(t, accessOfAda, runtime.last().Get("X-Emcy-Upstream-Access-Token"))
	require.Equal(t, modernCall("8", declaresURL, ""), runtime.bodies[0])

	// Arguments in another order and with other white space are the same arguments.
	two := func(id, arguments, more string) string {
		return strings.Replace(modernCall(id, declaresURL, more), `{"text":"hi"}`, arguments, 1)
	}
	g.set(func(g *grants) { g.late = 1 })
	state = b.question(two("7", `{"text":"hi","n":12345678901234567890}`, ""))
	more := `,"requestState":"` + state + `"`
	_, body = b.do(b.modern(two("9", `{ "n": 12345678901234567890, "text" : "h\u0069" }`, more), "echo"))
	require.Equal(t, pong, body)
	resp, _ := b.do(b.modern(two("9", `{"text":"hi","n":12345678901234567891}`, more), "echo"))
	require.Equal(t, http.StatusBadRequest, resp.StatusCode, "numbers count as written")
}

// TestTheRuntimesOwnQuestion: what the runtime had asked comes back to it byte by byte when ours came between.
func TestTheRuntimesOwnQuestion(t *testing.T) {
	t.Parallel()
	runtime := echoPong()
	g := ofAda()
	b := withGrants(t, runtime, g, nil)
	for _, inner := range []string{
		`,"inputResponses":{"k" : {"action":"accept","content":{"a":1.50,"b":"\u00e4\/"}}},"requestState":"th\u0065irs/=="`,
		`,"inputResponses":{"k":{"action":"accept"}}`,
		`,"requestState":"theirs"`,
		`,"requestState":"emcy"`,
		``,
	} {
		// The first is foreign and passes, where nothing is missing.
		_, body := b.do(b.modern(modernCall("6", declaresURL, inner), "echo"))
		require.Equal(t, pong, body)
		require.Equal(t, modernCall("6", declaresURL, inner), runtime.bodies[len(runtime.bodies)-1])

		// Two rounds of ours, and then theirs.
		g.set(func(g *grants) { g.late = 100 })
		state := b.question(modernCall("7", declaresURL, inner))
		state = b.question(back("8", "accept", state))
		g.set(func(g *grants) { g.late = 0 })
		_, body = b.do(b.modern(back("9", "accept", state), "echo"))
		require.Equal(t, pong, body)
		require.Equal(t, modernCall("9", declaresURL, inner), runtime.bodies[len(runtime.bodies)-1])
	}
}

// TestSaidNo: a person who does not want to is not asked again, and nothing runs.
func TestSaidNo(t *testing.T) {
	t.Parallel()
	runtime := echoPong()
	b := withGrants(t, runtime, &grants{}, nil)
	state := b.question(modernCall("7", declaresURL, ""))
	for _, action := range []string{"decline", "cancel"} {
		resp, body := b.do(b.modern(back("8", action, state), "echo"))
		require.Equal(t, http.StatusOK, resp.StatusCode)
		a := read(t, body)
		require.True(t, a.Result.IsError)
		require.Equal(t, "complete", a.Result.ResultType)
		require.Contains(t, a.Result.Content[0].Text, "You chose not to connect Todo")
		require.Contains(t, a.Result.Content[0].Text, b.server.URL+"/me/apps")
	}
	events := b.events.list()
	require.Equal(t, []any{"needs_connect:declined", event.Denied}, []any{events[1].Reason, events[1].Outcome})
	require.Empty(t, runtime.requests())
	for _, action := range []string{"accept", "later"} {
		b.question(back("8", action, state)) // asked again
	}
}

// TestWaitForThePerson: a client that comes back before its person is done waits a while and need not ask again.
func TestWaitForThePerson(t *testing.T) {
	t.Parallel()
	g := ofAda()
	g.late = 4 // the call, the retry, and twice while it waits
	b := withGrants(t, echoPong(), g, nil, func(c *edge.Config) { c.Limits.ConnectWait = 20 * time.Second })
	state := b.question(modernCall("7", declaresURL, ""))
	_, body := b.do(b.modern(back("8", "accept", state), "echo"))
	require.Equal(t, pong, body)
	require.Len(t, g.asked, 5)
	require.Len(t, g.links, 1)
}

// TestStoppingEndsTheWait: nobody holds up the gateway's end.
func TestStoppingEndsTheWait(t *testing.T) {
	t.Parallel()
	g := &grants{}
	b := withGrants(t, echoPong(), g, nil, func(c *edge.Config) { c.Limits.ConnectWait = time.Hour })
	state := b.question(modernCall("7", declaresURL, ""))
	answered := make(chan string, 1)
	go func() {
		_, body := b.do(b.modern(back("8", "accept", state), "echo"))
		answered <- body
	}()
	require.Eventually(t, func() bool { g.mu.Lock(); defer g.mu.Unlock(); return len(g.asked) > 1 }, 20*time.Second, 5*time.Millisecond)
	b.front.Stop()
	require.Equal(t, "input_required", read(t, <-answered).Result.ResultType)
}

// TestForeignStates: ours opens for nobody else and nothing else, and not for ever.
func TestForeignStates(t *testing.T) {
	t.Parallel()
	runtime := echoPong()
	g := &grants{}
	b := withGrants(t, runtime, g, nil)
	state := b.question(modernCall("7", declaresURL, ""))
	other := b.tenant("tnt_b", "globex", "http://globex.test", b.acmeKey)
	refused := func(req *http.Request) {
		t.Helper()
		resp, body := b.do(req)
		require.Equal(t, http.StatusBadRequest, resp.StatusCode, body)
		a := read(t, body)
		require.Equal(t, -32602, a.Error.Code)
		require.InDelta(t, 8, a.ID, 0)
		events := b.events.list()
		require.Equal(t, "invalid_request_state", events[len(events)-1].Reason)
	}
	as := func(changes ...func(claims)) *http.Request {
		req := b.modern(back("8", "accept", state), "echo")
		req.Header.Set("Authorization", b.tokenOf(changes...))
		return req
	}
	refused(as(set("sub", "acc_bob")))
	refused(as(set("client_id", "cli_2")))
	refused(b.modern(strings.Replace(back("8", "accept", state), `"text":"hi"`, `"text":"ho"`, 1), "echo"))
	refused(b.modern(strings.Replace(back("8", "accept", state), `"name":"echo"`, `"name":"burn"`, 1), "burn"))
	refused(b.modern(strings.Replace(back("8", "accept", state), `"tools/call"`, `"prompts/get"`, 1), "echo"))
	for _, forged := range []string{"emcy-connect.", "emcy-connect.AAAA", state[:len(state)-1], state + "A", state[:20] + "x" + state[21:], state + `\u0041`, "emcy-connect." + b.sealed("x")[1:]} {
		refused(b.modern(back("8", "accept", forged), "echo"))
	}
	b.clock.Advance(10 * time.Minute)
	refused(as())
	b.clock.Advance(-time.Minute)
	b.question(back("8", "accept", state)) // nine minutes old

	// Other keys, another tenant, another runtime.
	b.publish(func(t *snapshot.Tenant) { t.States = other.Sessions })
	refused(as())
	b.publish(func(t *snapshot.Tenant) { t.States = nil })
	refused(as())
	b.publish(func(t *snapshot.Tenant) {
		e := *t.Edges[slug]
		e.ID = "ups_other"
		t.Edges = map[string]*snapshot.Edge{slug: &e}
	})
	refused(as())
	require.Empty(t, runtime.requests())
}

// TestDetachedMeanwhile: without the profile the call goes on, and the runtime sees nothing of ours.
func TestDetachedMeanwhile(t *testing.T) {
	t.Parallel()
	runtime := echoPong()
	b := withGrants(t, runtime, &grants{}, nil)
	state := b.question(modernCall("7", declaresURL, ""))
	b.publish(func(t *snapshot.Tenant) {
		e := *t.Edges[slug]
		e.Downstream = nil
		t.Edges = map[string]*snapshot.Edge{slug: &e}
	})
	_, body := b.do(b.modern(back("8", "decline", state), "echo"))
	require.Equal(t, pong, body)
	require.Equal(t, modernCall("8", declaresURL, ""), runtime.bodies[0])
}

// TestTooMuchToCarry: then words have to do.
func TestTooMuchToCarry(t *testing.T) {
	t.Parallel()
	b := withGrants(t, echoPong(), &grants{}, nil)
	_, body := b.do(b.modern(modernCall("7", declaresURL, `,"requestState":"`+strings.Repeat("x", 1<<20)+`"`), "echo"))
	a := read(t, body)
	require.True(t, a.Result.IsError)
	require.Contains(t, a.Result.Content[0].Text, "/connect/link-1")
}
