package web

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/authz/server/trace"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/ui/pages"
	"github.com/emcy/gateway/upstreams"
	"github.com/emcy/gateway/upstreams/probe"
	"github.com/emcy/gateway/usage/event"
)

func TestWords(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0 ms", -time.Second: "0 ms", 40 * time.Microsecond: "0.1 ms", 2400 * time.Microsecond: "2.4 ms", 61 * time.Millisecond: "61 ms",
		1200 * time.Millisecond: "1.2 s", 30 * time.Second: "30.0 s", 90 * time.Second: "1m30s",
	} {
		require.Equal(t, want, took(d))
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -12345: "-12,345"} {
		require.Equal(t, want, grouped(n))
	}
	for n, want := range map[int64]string{0: "0 B", 412: "412 B", 8100: "8.1 kB", 2_500_000: "2.5 MB"} {
		require.Equal(t, want, size(n))
	}
	require.Equal(t, "Anyone can call it.", sentence("anyone can call it"))
	require.Empty(t, sentence(""))
	require.Equal(t, "1 call", count(1, "call"))
	require.Equal(t, "2,000 calls", count(2000, "call"))
	require.Equal(t, pages.Moment{}, moment(time.Time{}))
	require.Equal(t, pages.Moment{ISO: "2026-11-22T20:51:07Z", Text: "2026-11-22 20:51:07"}, moment(time.Date(2026, 11, 22, 21, 51, 7, 0, time.FixedZone("", 3600))))
}

func TestSpansFillTheWhole(t *testing.T) {
	t.Parallel()
	for name, e := range map[string]event.Event{
		"plain":       {Gateway: 2 * time.Millisecond, Upstream: 7 * time.Millisecond, Total: 10 * time.Millisecond},
		"denied":      {Gateway: time.Millisecond, Total: time.Millisecond},
		"exact":       {Gateway: 3, Upstream: 7, Total: 10},
		"too much":    {Gateway: 20, Upstream: 20, Total: 10},
		"negative":    {Gateway: -1, Upstream: -1, Total: 10},
		"long stream": {Gateway: time.Millisecond, Upstream: time.Millisecond, Total: time.Hour, Stream: true},
	} {
		end := 0
		for _, s := range spans(e) {
			require.Equal(t, end, s.Start, name)
			require.GreaterOrEqual(t, s.Length, 0, name)
			end = s.Start + s.Length
		}
		require.LessOrEqual(t, end, 1000, name)
	}
	require.Empty(t, spans(event.Event{}))
	require.Len(t, spans(event.Event{Gateway: 2, Upstream: 7, Total: 10}), 3)
}

func TestTheWayToTheFirstCall(t *testing.T) {
	t.Parallel()
	dots := func(s seen, reached, failed trace.Step) string {
		var out strings.Builder
		for _, step := range way(s, trace.Trace{Reached: reached, FailedStep: failed}) {
			out.WriteString(yes(step.Done, "x", "."))
		}
		return out.String()
	}
	require.Equal(t, "......", dots(seen{}, "", ""))
	require.Equal(t, "x.....", dots(seen{challenged: true}, "", ""))
	require.Equal(t, "x.....", dots(seen{}, trace.ServerMetadata, ""))
	require.Equal(t, "xx....", dots(seen{}, trace.Authorize, ""))
	require.Equal(t, "xxx...", dots(seen{}, trace.SignIn, ""), "the consent page is open")
	require.Equal(t, "xxx...", dots(seen{}, trace.SignIn, trace.Consent))
	require.Equal(t, "xxxx..", dots(seen{}, trace.Token, ""), "a later step implies the earlier ones")
	require.Equal(t, "xxxx..", dots(seen{accepted: true}, "", ""))
	require.Equal(t, "xxxxx.", dots(seen{opened: true}, trace.Challenge, trace.Register), "another client's failure takes nothing away")
	require.Equal(t, "xxxxxx", dots(seen{called: true}, "", ""))

	none := trace.Trace{}
	require.False(t, connectView(seen{accepted: true}, none, "c", "p", "/l").Connected)
	require.True(t, connectView(seen{opened: true, requests: 3}, none, "Claude", "ana", "/acme/logs").Connected)
	require.Equal(t, "3 calls", connectView(seen{opened: true, requests: 3}, none, "", "", "").Calls)
	require.Equal(t, "1,000+ calls", connectView(seen{called: true, requests: 1000, more: true}, none, "", "", "").Calls)

	var s seen
	for _, e := range []event.Event{
		{Reason: "missing_token", Outcome: event.Denied}, {ClientID: "c", Outcome: event.Failure, Method: "tools/call"}, {ClientID: "c", Outcome: event.Success, Method: "initialize"},
	} {
		s.look(e)
	}
	require.Equal(t, seen{challenged: true, accepted: true, opened: true}, s, "a failed call is no first call")
}

func TestTheLatestTry(t *testing.T) {
	t.Parallel()
	now := time.Now()
	try := func(id, upstream string, ago time.Duration, reached trace.Step) trace.Trace {
		return trace.Trace{ID: id, UpstreamID: upstream, UpdatedAt: now.Add(-ago), Reached: reached}
	}
	require.Empty(t, latest(nil, "u").ID)
	require.Empty(t, latest([]trace.Trace{try("a", "other", 0, trace.Token), try("b", "", 0, trace.Token)}, "u").ID)
	scan := try("scan", "u", time.Second, trace.Challenge)
	require.Equal(t, "consent", latest([]trace.Trace{scan, try("consent", "u", time.Minute, trace.SignIn)}, "u").ID)
	require.Equal(t, "scan", latest([]trace.Trace{scan, try("old", "u", time.Hour, trace.SignIn)}, "u").ID)
	require.Equal(t, "new", latest([]trace.Trace{try("old", "u", time.Minute, trace.Token), try("new", "u", 0, trace.Authorize)}, "u").ID)
}

func TestProbeReports(t *testing.T) {
	t.Parallel()
	require.Nil(t, lastProbe(nil))
	dead := &probe.Report{State: probe.StateError, ProbedAt: time.Unix(0, 0), Steps: []probe.Step{
		{Name: probe.StepAddress, Status: probe.StatusOK},
		{Name: probe.StepConnect, Status: probe.StatusFail, DurationMS: 12, Words: "connection refused", Next: "Start it."},
	}}
	view := lastProbe(dead)
	require.Equal(t, pages.Badge{Tone: pages.ToneFail, Text: "Not reachable"}, view.Outcome)
	require.Equal(t, "It does not work: “Connection (TCP)” failed. connection refused", view.Text)
	require.Equal(t, "Start it.", view.Next)
	require.Empty(t, view.Remarks)

	fine := &probe.Report{
		State: probe.StateReady, Era: probe.EraLegacy, ProtocolVersion: "2025-11-25", ServerName: "Fast", ServerVersion: "1",
		Steps:     []probe.Step{{Name: probe.StepTools, Status: probe.StatusOK}},
		ToolCount: 6,
		Warnings: []probe.Warning{
			{Code: probe.WarnOpen, Words: "Anyone can call it."},
			{Code: "a_code_of_tomorrow", Words: "New."},
			{Code: probe.WarnHidden, Tool: "wipe", Words: "it hides text"},
			{Code: probe.WarnHidden, Tool: "hide", Words: "it hides text"},
			{Code: probe.WarnDescription, Tool: "a", Words: "none"},
			{Code: probe.WarnDescription, Tool: "b", Words: "none"},
			{Code: probe.WarnDescription, Tool: "c", Words: "none"},
			{Code: probe.WarnDescription, Tool: "d", Words: "none"},
		},
		SuggestedURL: "http://x/mcp",
	}
	view = lastProbe(fine)
	require.Equal(t, pages.Badge{Tone: pages.ToneWarn, Text: "Works, with remarks"}, view.Outcome)
	require.Equal(t, "Legacy · 2025-11-25", view.Era.Text)
	require.Equal(t, "8 remarks", view.Remarks)
	v := Visit{Member: tenancy.Member{TenantSlug: "acme", Role: authz.Developer}}
	shown := warnings(upstreams.Upstream{Slug: "todos", Report: fine, Rotating: true}, v)
	require.Len(t, shown, 4, "what can wait stands on the probe's page only")
	require.Equal(t, "/acme/runtimes/todos/setup", shown[1].ActionHref)
	require.Equal(t, "wipe, hide: It hides text.", shown[2].Text, "one remark for all tools that share it")
	require.Equal(t, "/acme/runtimes/todos/tools", shown[2].ActionHref)
	require.Equal(t, "/acme/runtimes/todos/edit", shown[3].ActionHref)
	v.Member.Role = authz.Viewer
	for _, w := range warnings(upstreams.Upstream{Slug: "todos", Report: fine}, v) {
		require.NotRegexp(t, "/(setup|edit)$", w.ActionHref, "a viewer is not led to a page that refuses them")
	}

	row := runtimeRow(upstreams.Upstream{Slug: "todos", State: upstreams.Ready, Report: fine}, "http://localhost:8081", time.Time{})
	require.Equal(t, "6", row.Tools)
	require.Equal(t, "http://localhost:8081/todos/mcp", row.MCPURL)
	require.Empty(t, runtimeRow(upstreams.Upstream{Report: dead}, "", time.Time{}).Tools)
}

func TestLogWords(t *testing.T) {
	t.Parallel()
	v := Visit{Member: tenancy.Member{TenantSlug: "acme"}}
	row := logRow(event.Event{ID: "evt_1", HTTPMethod: "GET", Status: 401, Outcome: event.Denied, Reason: "missing_token", Total: 400 * time.Microsecond}, names{}, v)
	require.Equal(t, pages.Badge{Tone: pages.ToneNeutral, Text: "missing token"}, row.Outcome)
	require.Equal(t, "GET", row.Method)
	require.Equal(t, "/acme/logs/evt_1", row.Href)
	require.Equal(t, "0.4 ms", row.Latency)
	require.Contains(t, reasonText(event.Event{Outcome: event.Denied, Reason: "missing_token"}), "where to sign in")
	require.Equal(t, "The runtime or the gateway failed: a code of tomorrow.", reasonText(event.Event{Outcome: event.Failure, Reason: "a_code_of_tomorrow"}))
	require.Empty(t, reasonText(event.Event{Outcome: event.Success}))
	facts := logFacts(event.Event{Method: "resources/read", Name: "file:///x", UpstreamID: "ups_gone"}, names{})
	require.Contains(t, facts, pages.Pair{Term: "Resource", Value: "file:///x", Mono: true})
	require.Contains(t, facts, pages.Pair{Term: "Runtime", Value: "ups_gone (removed)"})
}

func TestCanonicalHost(t *testing.T) {
	t.Parallel()
	for in, want := range map[[2]string]string{
		{"http", "LocalHost:8080"}: "localhost:8080", {"http", "a.example:80"}: "a.example", {"https", "a.example:443"}: "a.example",
		{"https", "a.example:80"}: "a.example:80", {"https", "[::1]:443"}: "[::1]", {"http", "[::1]:8080"}: "[::1]:8080",
	} {
		require.Equal(t, want, canonicalHost(in[0], in[1]))
	}
}
