package upstream

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// Path is where the MCP endpoint is.
const Path = "/mcp"

// Config says what kind of runtime it is. The zero value keeps sessions, speaks
// the older revisions only and lets everybody in.
type Config struct {
	// Stateless serves every request by itself and adds the current revision,
	// which the SDK offers in this mode only.
	Stateless bool
	// Secrets are the worker secrets that it takes; none lets everybody in.
	Secrets []string
	// Listener is where it serves; nil takes a free port of 127.0.0.1.
	Listener net.Listener
}

// Request is one request as it arrived, refused ones included.
type Request struct {
	Method string
	Path   string
	Header http.Header
	// Status is what was answered; zero while it is being answered.
	Status int
}

// Upstream is a running fake.
type Upstream struct {
	server *httptest.Server

	mu       sync.Mutex
	secrets  [][sha256.Size]byte
	requests []*Request
	calls    []string
}

// Start runs a fake until Close.
func Start(config Config) *Upstream {
	up := &Upstream{}
	up.SetSecrets(config.Secrets...)

	handler := mcp.NewStreamableHTTPHandler(
		func(*http.Request) *mcp.Server { return up.mcpServer() },
		&mcp.StreamableHTTPOptions{Stateless: config.Stateless},
	)
	mux := http.NewServeMux()
	mux.Handle(Path, handler)

	up.server = httptest.NewUnstartedServer(up.guard(mux))
	if config.Listener != nil {
		_ = up.server.Listener.Close() // the one that httptest opened by itself
		up.server.Listener = config.Listener
	}
	up.server.Start()
	return up
}

// URL is the address of the MCP endpoint.
func (u *Upstream) URL() string { return u.server.URL + Path }

// Close stops serving and ends open streams.
func (u *Upstream) Close() {
	u.server.CloseClientConnections()
	u.server.Close()
}

// SetSecrets replaces the secrets that it takes; none lets everybody in.
func (u *Upstream) SetSecrets(secrets ...string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.secrets = nil
	for _, secret := range secrets {
		u.secrets = append(u.secrets, sha256.Sum256([]byte(secret)))
	}
}

// Requests returns a copy of everything that arrived, in order.
func (u *Upstream) Requests() []Request {
	u.mu.Lock()
	defer u.mu.Unlock()
	requests := make([]Request, 0, len(u.requests))
	for _, request := range u.requests {
		requests = append(requests, *request)
	}
	return requests
}

// Calls returns the texts that the tool echo was called with, in order.
func (u *Upstream) Calls() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.calls)
}

func (u *Upstream) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request := &Request{Method: r.Method, Path: r.URL.Path, Header: r.Header.Clone()}
		u.mu.Lock()
		u.requests = append(u.requests, request)
		secrets := u.secrets
		u.mu.Unlock()

		answer := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		defer func() {
			u.mu.Lock()
			defer u.mu.Unlock()
			request.Status = answer.status
		}()

		if len(secrets) > 0 && !valid(r.Header.Values("X-Emcy-Worker-Secret"), secrets) {
			answer.Header().Set("Content-Type", "application/json")
			answer.WriteHeader(http.StatusUnauthorized)
			_, _ = answer.Write([]byte(`{"error":"unauthorized"}`)) // a client that is gone needs no answer
			return
		}
		next.ServeHTTP(answer, r)
	})
}

func valid(presented []string, secrets [][sha256.Size]byte) bool {
	if len(presented) != 1 {
		return false
	}
	digest := sha256.Sum256([]byte(presented[0]))
	match := 0
	for _, secret := range secrets {
		match |= subtle.ConstantTimeCompare(digest[:], secret[:])
	}
	return match == 1
}

type echoIn struct {
	Text string `json:"text" jsonschema:"what to say back"`
}

type echoOut struct {
	Text string `json:"text"`
}

type countIn struct {
	To int `json:"to" jsonschema:"how far to count"`
}

type none struct{}

func (u *Upstream) mcpServer() *mcp.Server {
	server := mcp.NewServer(&mcp.Implementation{Name: "fake upstream", Version: "1.0.0"}, nil)

	mcp.AddTool(server, &mcp.Tool{Name: "echo", Description: "Says back what it was told."},
		func(_ context.Context, _ *mcp.CallToolRequest, in echoIn) (*mcp.CallToolResult, echoOut, error) {
			u.mu.Lock()
			u.calls = append(u.calls, in.Text)
			u.mu.Unlock()
			return nil, echoOut(in), nil
		})

	mcp.AddTool(server, &mcp.Tool{Name: "whoami", Description: "Tells who is asking, by the headers of this request."},
		func(_ context.Context, req *mcp.CallToolRequest, _ none) (*mcp.CallToolResult, map[string]string, error) {
			identity := map[string]string{}
			if extra := req.GetExtra(); extra != nil {
				for _, name := range []string{"Subject", "Tenant", "Client", "Request-Id"} {
					identity[strings.ToLower(strings.ReplaceAll(name, "-", "_"))] = extra.Header.Get("X-Emcy-" + name)
				}
			}
			return nil, identity, nil
		})

	mcp.AddTool(server, &mcp.Tool{Name: "count", Description: "Counts, with a progress notice for every number."},
		func(ctx context.Context, req *mcp.CallToolRequest, in countIn) (*mcp.CallToolResult, none, error) {
			token := req.Params.GetProgressToken()
			for n := 1; n <= in.To && token != nil; n++ {
				err := req.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{
					ProgressToken: token, Progress: float64(n), Total: float64(in.To),
				})
				if err != nil {
					return nil, none{}, fmt.Errorf("notify progress: %w", err)
				}
			}
			return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: fmt.Sprintf("counted to %d", in.To)}}}, none{}, nil
		})

	mcp.AddTool(server, &mcp.Tool{Name: "fail", Description: "Answers with a tool error."},
		func(context.Context, *mcp.CallToolRequest, none) (*mcp.CallToolResult, none, error) {
			return nil, none{}, fmt.Errorf("this tool always fails")
		})

	return server
}

// statusWriter remembers the status and keeps streaming possible.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Flush keeps handlers streaming that look for http.Flusher.
func (w *statusWriter) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }

// JSON is the record as JSON lines, to search it as a whole.
func (u *Upstream) JSON() string {
	var lines strings.Builder
	for _, request := range u.Requests() {
		line, err := json.Marshal(request)
		if err != nil {
			panic(err) // a Request holds strings only
		}
		lines.Write(line)
		lines.WriteByte('\n')
	}
	return lines.String()
}
