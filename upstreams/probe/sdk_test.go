package probe

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"
)

type echoInput struct {
	Text string `json:"text" jsonschema:"what to say"`
}

func sdkServer(t *testing.T, pageSize int, opts *mcp.StreamableHTTPOptions, secret string) *httptest.Server {
	t.Helper()
	server := mcp.NewServer(&mcp.Implementation{Name: "real", Version: "1.2.3"}, &mcp.ServerOptions{Instructions: "Use echo.", PageSize: pageSize})
	for _, name := range []string{"echo", "shout", "whisper"} {
		mcp.AddTool(server, &mcp.Tool{Name: name, Description: "Says it."},
			func(context.Context, *mcp.CallToolRequest, echoInput) (*mcp.CallToolResult, any, error) {
				return &mcp.CallToolResult{}, nil, nil
			})
	}
	handler := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, opts)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if secret != "" && r.Header.Get(DefaultSecretHeader) != secret {
			http.Error(w, `{"error":"unauthorized"}`, http.StatusUnauthorized)
			return
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	return srv
}

func TestTheOfficialGoServer(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name     string
		opts     mcp.StreamableHTTPOptions
		era      Era
		sessions bool
	}{
		{"stateless, event stream", mcp.StreamableHTTPOptions{Stateless: true}, EraModern, false},
		{"stateless, JSON", mcp.StreamableHTTPOptions{Stateless: true, JSONResponse: true}, EraModern, false},
		{"stateful, event stream", mcp.StreamableHTTPOptions{}, EraLegacy, true},
		{"stateful, JSON", mcp.StreamableHTTPOptions{JSONResponse: true}, EraLegacy, true},
	}
	for _, tc := range cases {
		for _, secret := range []string{"", testSecret} {
			t.Run(tc.name+" "+secret, func(t *testing.T) {
				t.Parallel()
				srv := sdkServer(t, 1, &tc.opts, secret)
				r := probeURL(t, srv.URL+"/mcp")
				require.Equal(t, StateReady, r.State, "%+v", r.Steps)
				require.Equal(t, tc.era, r.Era)
				require.Equal(t, tc.sessions, r.Sessions)
				version := "2025-11-25"
				if tc.era == EraModern {
					version = "2026-07-28"
				}
				require.Equal(t, version, r.ProtocolVersion)
				require.Equal(t, "real", r.ServerName)
				require.Equal(t, "1.2.3", r.ServerVersion)
				require.Equal(t, len("Use echo."), r.InstructionsBytes)
				require.Contains(t, r.Capabilities, "tools")
				require.Len(t, r.Tools, 3)
				require.Equal(t, secret == "", r.OpenWithoutSecret)
				requireStep(t, r, StepWithSecret, StatusOK, "answers")
				require.Empty(t, r.SuggestedURL)
				for _, tool := range r.Tools {
					require.Empty(t, tool.Warnings)
					require.Len(t, tool.Hash, 64)
					require.Contains(t, string(tool.InputSchema), "what to say")
				}
			})
		}
	}
}
