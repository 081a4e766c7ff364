package trace_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server/trace"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/tenancytest"
)

const (
	agent   = "claude-code/2.1 (cli)"
	browser = "Mozilla/5.0"
)

type bundle struct {
	tenancytest.Env
	t        *testing.T
	handle   tenancy.Handle
	recorder *trace.Recorder
	log      *trace.Log
}

const issuer = "https://acme.mcp.test"

func each(t *testing.T, test func(t *testing.T, b *bundle)) {
	t.Helper()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		b := &bundle{Env: env, t: t, handle: tenancytest.Tenant(t, env, "acme"), log: trace.NewLog(env.DB)}
		b.recorder = b.another()
		test(t, b)
	})
}

// another is a recorder of another node.
func (b *bundle) another() *trace.Recorder {
	b.t.Helper()
	r, err := trace.New(trace.Config{DB: b.DB, Log: slog.New(slog.DiscardHandler)})
	require.NoError(b.t, err)
	return r
}

// side is somebody who sends requests.
type side struct{ ip, agent string }

var (
	client = side{"203.0.113.7", agent}
	person = side{"203.0.113.9", browser}
)

func (s side) origin() trace.Origin {
	return trace.Origin{Network: trace.NetworkOf(netip.MustParseAddr(s.ip)), UserAgent: trace.Agent(s.agent)}
}

func (b *bundle) passed(r *trace.Recorder, s side, step, reason string) {
	p := trace.Passed{Step: step, At: b.Clock.Now(), Issuer: issuer, Slug: "tickets", Status: 200, Reason: reason, Method: "initialize"}
	if step == string(trace.Challenge) {
		p.Status = 401
	}
	r.Passed(s.origin(), p)
}

// discover is what every client begins with.
func (b *bundle) discover(s side) {
	b.passed(b.recorder, s, "challenge", "")
	b.passed(b.recorder, s, "resource_metadata", "")
	b.serve(b.recorder, s, "GET /.well-known/oauth-authorization-server", "", answer(200, `{"issuer":"x"}`))
}

func answer(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func redirect(to string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", to)
		w.WriteHeader(http.StatusSeeOther)
	}
}

// form answers as endpoints do that read a form.
func form(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		next(w, r)
	}
}

// within answers a page of a known attempt.
func within(id string, next http.HandlerFunc) http.HandlerFunc {
	return form(func(w http.ResponseWriter, r *http.Request) {
		trace.Use(r.Context(), id)
		next(w, r)
	})
}

func (b *bundle) serve(rec *trace.Recorder, s side, request, body string, next http.HandlerFunc) *http.Response {
	b.t.Helper()
	method, target, _ := strings.Cut(request, " ")
	r := httptest.NewRequestWithContext(b.t.Context(), method, target, strings.NewReader(body))
	r.Header.Set("User-Agent", s.agent)
	if strings.HasPrefix(body, "{") {
		r.Header.Set("Content-Type", "application/json")
	} else {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	w := httptest.NewRecorder()
	rec.Serve(w, r, trace.Visit{Handle: b.handle, Issuer: issuer, Addr: netip.MustParseAddr(s.ip)}, next)
	return w.Result()
}

func (b *bundle) register(s side, id string) {
	b.t.Helper()
	b.serve(b.recorder, s, "POST /register", `{"client_name":"Claude Code","redirect_uris":["http://localhost:1234/callback"]}`,
		answer(201, `{"client_id":"`+id+`","client_name":"Claude Code"}`))
}

// authorize gives the trace that the handler saw.
func (b *bundle) authorize(s side, id string) (found string) {
	b.t.Helper()
	b.serve(b.recorder, s, "GET /authorize?response_type=code&state=x&client_id="+url.QueryEscape(id), "", func(w http.ResponseWriter, r *http.Request) {
		found = trace.ID(r.Context())
		redirect("/sign-in?attempt=att_1")(w, r)
	})
	return found
}

func (b *bundle) all() []trace.Trace {
	b.t.Helper()
	b.recorder.Flush(b.t.Context())
	list, err := b.log.List(b.t.Context(), b.handle, trace.Query{Limit: 200})
	require.NoError(b.t, err)
	return list
}

func (b *bundle) one() trace.Trace {
	b.t.Helper()
	list := b.all()
	require.Len(b.t, list, 1)
	return list[0]
}

func (b *bundle) steps(id string) []string {
	b.t.Helper()
	_, entries, err := b.log.Get(b.t.Context(), b.handle, id)
	require.NoError(b.t, err)
	out := make([]string, len(entries))
	for i, e := range entries {
		out[i] = string(e.Step)
		if !e.OK {
			out[i] += "!" + e.Code
		}
	}
	return out
}

func text(t *testing.T, res *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	return string(body)
}
