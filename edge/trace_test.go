package edge_test

import (
	"net/http"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/edge"
)

// steps are what a tracer got.
type steps struct {
	mu  sync.Mutex
	all []edge.TraceEvent
}

func (s *steps) Trace(r *http.Request, e edge.TraceEvent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.RemoteAddr == "" {
		e.Step = "no request"
	}
	s.all = append(s.all, e)
}

// take gives what came since the last time, as "step status reason".
func (s *steps) take() (out []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.all {
		out = append(out, e.Step+" "+strconv.Itoa(e.Status)+" "+e.Reason)
	}
	s.all = nil
	return out
}

func TestStepsOfConnecting(t *testing.T) {
	t.Parallel()
	got := &steps{}
	runtime := echoPong()
	b := setup(t, runtime, func(cfg *edge.Config) { cfg.Tracer = got })
	good := "Bearer " + b.token(b.acme)
	send := func(body string, header ...string) {
		t.Helper()
		_, _ = b.do(b.request("POST", body, append([]string{"Authorization", good}, header...)...))
	}
	message := func(method string) string {
		return `{"jsonrpc":"2.0","id":"q-1","method":"` + method + `","params":{"name":"echo"}}`
	}

	send(ping, "Authorization", "")
	require.Equal(t, []string{"challenge 401 "}, got.take())
	send(ping, "Authorization", "Bearer nonsense")
	require.Equal(t, []string{"challenge 401 invalid_token"}, got.take())
	expired := b.token(b.acme, func(c claims) { c["exp"] = start.Unix() - 1 })
	send(ping, "Authorization", "Bearer "+expired)
	require.Empty(t, got.take(), "an expired token is no try to connect")

	req := b.request("GET", "")
	req.URL.Path = "/.well-known/oauth-protected-resource/" + slug + "/mcp"
	_, _ = b.do(req)
	require.Equal(t, []string{"resource_metadata 200 "}, got.take())

	send(message("initialize"))
	first := got.all[0]
	require.Equal(t, []string{"first_request 200 "}, got.take())
	require.Equal(t, []string{b.acme.Issuer, "ups_acme", slug, "fam_1", "cli_1", "acc_ada", "initialize"}, []string{
		first.Issuer, first.UpstreamID, first.Slug, first.FamilyID, first.ClientID, first.Subject, first.Method,
	})
	for range 3 {
		send(message("initialize"))
		send(message("tools/list"))
		send(message("tools/call"))
		send(ping)
	}
	call := got.all[1]
	require.Equal(t, []string{"tools_list 200 ", "first_call 200 "}, got.take(), "each once")
	require.Equal(t, "echo", call.Tool)

	narrow := b.token(b.acme, func(c claims) { c["scope"], c["fid"] = "offline_access", "fam_2" })
	for range 2 {
		send(message("initialize"), "Authorization", "Bearer "+narrow)
	}
	require.Len(t, got.take(), 1, "a failure is told once, too")

	runtime.status = http.StatusInternalServerError
	other := b.token(b.acme, func(c claims) { c["fid"] = "fam_3" })
	send(message("tools/list"), "Authorization", "Bearer "+other)
	require.Equal(t, []string{"tools_list 500 upstream_error"}, got.take())
}
