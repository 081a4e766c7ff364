package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/emcy/gateway/sdk/go/emcyworker"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

func newServer(todoAPI string) *mcp.Server {
	server := mcp.NewServer(
		&mcp.Implementation{Name: "Go example", Version: "1.0.0"},
		&mcp.ServerOptions{Instructions: "A few small tools, to try the gateway with."},
	)
	readOnly := &mcp.ToolAnnotations{ReadOnlyHint: true}
	mcp.AddTool(server, &mcp.Tool{Name: "add", Description: "Adds two numbers.", Annotations: readOnly}, add)
	mcp.AddTool(server, &mcp.Tool{Name: "now", Description: "Tells the time at the runtime, in UTC.", Annotations: readOnly}, now)
	mcp.AddTool(server, &mcp.Tool{
		Name: "whoami", Description: "Tells who is asking, as the gateway vouched for it to this runtime.", Annotations: readOnly,
	}, whoami)
	mcp.AddTool(server, &mcp.Tool{
		Name: "slow_count", Description: "Counts slowly and reports its progress while it does.", Annotations: readOnly,
	}, slowCount)
	if todoAPI != "" {
		addTodoTools(server, todoAPI)
	}
	return server
}

// callerOf is who asks. The header is that of this very request, also where many share a
// session.
func callerOf(req *mcp.CallToolRequest) (emcyworker.Caller, error) {
	caller, ok := emcyworker.FromHeader(req.Extra.Header)
	if !ok {
		return caller, errors.New("the request did not pass the worker contract")
	}
	return caller, nil
}

func text(s string) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: s}}}
}

type addInput struct {
	A float64 `json:"a"`
	B float64 `json:"b"`
}

func add(_ context.Context, _ *mcp.CallToolRequest, in addInput) (*mcp.CallToolResult, any, error) {
	return text(fmt.Sprint(in.A + in.B)), nil, nil
}

func now(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
	return text(time.Now().UTC().Format(time.RFC3339Nano)), nil, nil
}

type identity struct {
	Subject   string `json:"subject"`
	Tenant    string `json:"tenant"`
	Client    string `json:"client"`
	RequestID string `json:"request_id"`
}

func whoami(_ context.Context, req *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, identity, error) {
	caller, err := callerOf(req)
	return nil, identity{Subject: caller.Subject, Tenant: caller.Tenant, Client: caller.Client, RequestID: caller.RequestID}, err
}

type countInput struct {
	To      int `json:"to,omitempty" jsonschema:"how far to count, 5 unless given"`
	DelayMS int `json:"delay_ms,omitempty" jsonschema:"how long each number takes, 200 unless given"`
}

func slowCount(ctx context.Context, req *mcp.CallToolRequest, in countInput) (*mcp.CallToolResult, any, error) {
	if in.To == 0 {
		in.To = 5
	}
	if in.DelayMS == 0 {
		in.DelayMS = 200
	}
	if in.To < 1 || in.To > 100 || in.DelayMS < 0 || in.DelayMS > 10_000 {
		return nil, nil, errors.New("to is 1 to 100, delay_ms is 0 to 10000")
	}
	tick := time.NewTicker(time.Duration(in.DelayMS) * time.Millisecond)
	defer tick.Stop()
	for number := 1; number <= in.To; number++ {
		select {
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		case <-tick.C:
		}
		if token := req.Params.GetProgressToken(); token != nil {
			if err := req.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{
				ProgressToken: token, Progress: float64(number), Total: float64(in.To), Message: fmt.Sprintf("counted to %d", number),
			}); err != nil {
				return nil, nil, err
			}
		}
	}
	return text(fmt.Sprintf("counted to %d", in.To)), nil, nil
}
