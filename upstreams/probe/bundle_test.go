package probe

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"github.com/emcy/gateway/internal/clock"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/stretchr/testify/require"
)

const testSecret = "wks_canary-0123456789"

// probeURL probes as a gateway on a laptop does.
func probeURL(t *testing.T, url string) Report {
	t.Helper()
	return probeTarget(t, Target{URL: url, Secret: testSecret})
}

func probeTarget(t *testing.T, target Target) Report {
	t.Helper()
	p := New(Config{Outbound: outbound.Config{AllowPrivate: true}, Clock: clock.System{}, Version: "test"})
	var told []Step
	target.OnStep = func(s Step) { told = append(told, s) }
	r := checked(t, p.Probe(t.Context(), target))
	requireOrder(t, r, told)
	return r
}

// requireOrder holds what an observer was told against the report.
func requireOrder(t *testing.T, r Report, told []Step) {
	t.Helper()
	var done []Step
	running, last := "", -1
	for _, s := range told {
		at := slices.Index(Steps(), s.Name)
		require.GreaterOrEqual(t, at, 0, "%s is in no order", s.Name)
		if s.Status == StatusRunning {
			require.Empty(t, running, "%s begins before %s has ended", s.Name, running)
			require.Equal(t, Step{Name: s.Name, Status: StatusRunning}, s)
			require.Greater(t, at, last, "%s is asked out of order", s.Name)
			running = s.Name
			continue
		}
		if running == "" {
			require.Equal(t, StatusSkip, s.Status, "%s ended before it began", s.Name)
		} else {
			require.Equal(t, running, s.Name)
		}
		require.Greater(t, at, last, "%s comes out of order", s.Name)
		running, last = "", at
		done = append(done, s)
	}
	require.Empty(t, running, "%s never ended", running)
	require.Equal(t, r.Steps, done)
}

// checked holds a report against what is true of every report.
func checked(t *testing.T, r Report) Report {
	t.Helper()
	raw, err := json.Marshal(r)
	require.NoError(t, err)
	require.NotContains(t, string(raw), "canary", "a secret or a body is in the report")
	require.NotContains(t, string(raw), "\u202e")
	var back Report
	require.NoError(t, json.Unmarshal(raw, &back))
	require.NotEmpty(t, r.Steps)
	require.NotNil(t, r.Tools)
	require.NotNil(t, r.Warnings)
	require.False(t, r.ProbedAt.IsZero())
	for _, s := range r.Steps {
		require.NotEmpty(t, s.Words, s.Name)
		require.True(t, s.Status != StatusFail || s.Next != "", "%s fails without a next step", s.Name)
	}
	return r
}

func requireStep(t *testing.T, r Report, name string, status Status, words string) {
	t.Helper()
	s, found := r.Step(name)
	if name == stepOpening {
		s, found = opened(r)
	}
	require.True(t, found, "no step %s in %+v", name, r.Steps)
	require.Equal(t, status, s.Status, s.Words)
	require.Contains(t, s.Words, words)
}

// stepOpening is whichever of server/discover and initialize decided.
const stepOpening = "opening"

func opened(r Report) (Step, bool) {
	if s, found := r.Step(StepInitialize); found && s.Status != StatusSkip {
		return s, true
	}
	return r.Step(StepDiscover)
}

func codes(warnings []Warning) []string {
	out := []string{}
	for _, w := range warnings {
		out = append(out, w.Code)
	}
	return out
}

// fake is a runtime whose MCP methods are answered by functions; what it was asked is kept.
type fake struct {
	*httptest.Server
	mu    sync.Mutex
	asked []asked
}

type asked struct {
	HTTP   string
	Path   string
	Header http.Header
	Method string         `json:"method"`
	ID     any            `json:"id"`
	Params map[string]any `json:"params"`
}

type reply func(w http.ResponseWriter, r *http.Request, a asked)

func newFake(t *testing.T, answer reply) *fake {
	t.Helper()
	f := &fake{}
	f.Server = httptest.NewServer(f.handler(answer))
	t.Cleanup(f.Close)
	return f
}

func (f *fake) handler(answer reply) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := asked{HTTP: r.Method, Path: r.URL.Path, Header: r.Header.Clone()}
		if body, err := io.ReadAll(r.Body); err == nil && len(body) > 0 {
			if err := json.Unmarshal(body, &a); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
		}
		f.mu.Lock()
		f.asked = append(f.asked, a)
		f.mu.Unlock()
		answer(w, r, a)
	})
}

func (f *fake) requests(method string) []asked {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []asked
	for _, a := range f.asked {
		if a.Method == method || a.HTTP == method {
			out = append(out, a)
		}
	}
	return out
}

func result(w http.ResponseWriter, a asked, result string) {
	w.Header().Set("Content-Type", "application/json")
	id, _ := json.Marshal(a.ID) // it came as JSON
	_, _ = fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":%s}`, id, result)
}

// modern answers as a 2026-07-28 server with the given tools/list result.
func modern(tools string) reply {
	return func(w http.ResponseWriter, _ *http.Request, a asked) {
		switch a.Method {
		case "server/discover":
			result(w, a, `{"resultType":"complete","supportedVersions":["2025-11-25","2026-07-28"],"capabilities":{"tools":{}},"instructions":"Be kind.","ttlMs":0,"cacheScope":"private","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"fake","version":"3"}}}`)
		case "tools/list":
			result(w, a, tools)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}
}

const oneTool = `{"tools":[{"name":"echo","title":"Echo","description":"Says it again.","inputSchema":{"type":"object","properties":{"text":{"type":"string"}}},"annotations":{"readOnlyHint":true}}]}`

// guarded lets requests with the secret through, as the adapter does.
func guarded(next reply) reply {
	return func(w http.ResponseWriter, r *http.Request, a asked) {
		if r.Header.Get(DefaultSecretHeader) != testSecret {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"error":"unauthorized"}`)
			return
		}
		next(w, r, a)
	}
}
