// Command mcpgo is github.com/mark3labs/mcp-go as an MCP client with a memory: a
// first run signs in, a later one goes on with what the first one stored.
package main

import (
	"cmp"
	"context"
	"os/signal"
	"sync"
	"syscall"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/client/transport"
	"github.com/mark3labs/mcp-go/mcp"

	"github.com/emcy/gateway/test/clients/go/driver"
)

var versions = map[string]string{"legacy": "2025-11-25", "modern": "2026-07-28"}

// state is what a run leaves behind: a client and its tokens.
type state struct {
	ClientID string        `json:"client_id"`
	Token    *client.Token `json:"token"`
}

// store is a token store in a file.
type store struct {
	run   *driver.Run
	mu    sync.Mutex
	state state
}

func (s *store) GetToken(ctx context.Context) (*client.Token, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.Token == nil {
		return nil, transport.ErrNoToken
	}
	return s.state.Token, ctx.Err()
}

func (s *store) SaveToken(_ context.Context, token *client.Token) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.Token = token
	return s.run.Store(s.state)
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	run := driver.Start()

	var c *client.Client
	run.Stage("connect", func() (map[string]any, error) {
		var hello *mcp.InitializeResult
		var err error
		if c, hello, err = connect(ctx, run); err != nil {
			return nil, err
		}
		return map[string]any{"server": hello.ServerInfo.Name, "protocol": c.ProtocolVersion()}, nil
	})
	run.Stage("list", func() (map[string]any, error) {
		list, err := c.ListTools(ctx, mcp.ListToolsRequest{})
		if err != nil {
			return nil, err
		}
		var names []string
		for _, tool := range list.Tools {
			names = append(names, tool.Name)
		}
		return map[string]any{"tools": names}, nil
	})
	run.Stage("call", func() (map[string]any, error) {
		var call mcp.CallToolRequest
		call.Params.Name, call.Params.Arguments = "add", map[string]any{"a": 40, "b": 2}
		result, err := c.CallTool(ctx, call)
		if err != nil {
			return nil, err
		}
		text := mcp.GetTextFromContent(result.Content[0])
		return map[string]any{"text": text}, driver.Sum(text)
	})
	run.Stage("close", func() (map[string]any, error) { return nil, c.Close() })
}

func connect(ctx context.Context, run *driver.Run) (*client.Client, *mcp.InitializeResult, error) {
	tokens := &store{run: run}
	known, err := run.Load(&tokens.state)
	if err != nil {
		return nil, nil, err
	}
	if !known {
		// mcp-go v1.2.1 has no setting for a metadata document and never looks whether a
		// server takes one: a program of its that has a document gives the URL as its id.
		tokens.state.ClientID = cmp.Or(run.MetadataURL, run.Given.ID)
	}
	loopback, err := driver.Listen(ctx)
	if err != nil {
		return nil, nil, err
	}
	c, err := client.NewOAuthStreamableHttpClient(run.URL, client.OAuthConfig{
		ClientID: tokens.state.ClientID, ClientSecret: run.Given.Secret, RedirectURI: loopback.RedirectURI, TokenStore: tokens, PKCEEnabled: true,
	})
	if err != nil {
		return nil, nil, err
	}
	if err := c.Start(ctx); err != nil {
		return nil, nil, err
	}
	var hello mcp.InitializeRequest
	hello.Params.ProtocolVersion = versions[run.Era]
	hello.Params.ClientInfo = mcp.Implementation{Name: "emcy-mcpgo", Version: "1.0.0"}
	result, err := c.Initialize(ctx, hello)
	if client.IsOAuthAuthorizationRequiredError(err) {
		if err := authorize(ctx, err, loopback, tokens); err != nil {
			return nil, nil, err
		}
		result, err = c.Initialize(ctx, hello)
	}
	return c, result, err
}

// authorize is what the library's own example does about its error.
func authorize(ctx context.Context, required error, loopback *driver.Loopback, tokens *store) error {
	handler := client.GetOAuthHandler(required)
	if handler.GetClientID() == "" {
		if err := handler.RegisterClient(ctx, "mcp-go"); err != nil {
			return err
		}
		tokens.state.ClientID = handler.GetClientID()
	}
	verifier, err := client.GenerateCodeVerifier()
	if err != nil {
		return err
	}
	state, err := client.GenerateState()
	if err != nil {
		return err
	}
	address, err := handler.GetAuthorizationURL(ctx, state, client.GenerateCodeChallenge(verifier))
	if err != nil {
		return err
	}
	query, err := loopback.Authorize(ctx, address)
	if err != nil {
		return err
	}
	return handler.ProcessAuthorizationResponse(ctx, query.Get("code"), query.Get("state"), verifier)
}
