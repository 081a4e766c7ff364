package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

type todo struct {
	ID    string `json:"id"`
	Title string `json:"title"`
	Done  bool   `json:"done"`
}

type todoList struct {
	Todos []todo `json:"todos"`
}

type newTodo struct {
	Title string `json:"title" jsonschema:"what is to be done"`
}

// addTodoTools adds the tools over the Todo API, each with the caller's own token.
func addTodoTools(server *mcp.Server, api string) {
	c := &todoClient{api: api, http: &http.Client{Timeout: 10 * time.Second}}
	mcp.AddTool(server, &mcp.Tool{
		Name: "list_todos", Description: "Lists your todos.", Annotations: &mcp.ToolAnnotations{ReadOnlyHint: true},
	}, func(ctx context.Context, req *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, todoList, error) {
		list := todoList{Todos: []todo{}}
		err := c.call(ctx, req, http.MethodGet, nil, &list.Todos)
		return nil, list, err
	})
	mcp.AddTool(server, &mcp.Tool{
		Name: "add_todo", Description: "Adds a todo to your list.",
	}, func(ctx context.Context, req *mcp.CallToolRequest, in newTodo) (*mcp.CallToolResult, todo, error) {
		var added todo
		err := c.call(ctx, req, http.MethodPost, in, &added)
		return nil, added, err
	})
}

type todoClient struct {
	api  string
	http *http.Client
}

func (c *todoClient) call(ctx context.Context, req *mcp.CallToolRequest, method string, in, out any) error {
	caller, err := callerOf(req)
	if err != nil {
		return err
	}
	if caller.UpstreamAccessToken() == "" {
		return errors.New("you have not connected your Todo account")
	}
	var body io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(raw)
	}
	r, err := http.NewRequestWithContext(ctx, method, c.api+"/todos", body)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+caller.UpstreamAccessToken())
	r.Header.Set("Content-Type", "application/json")
	res, err := c.http.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }() // it was read
	if res.StatusCode == http.StatusUnauthorized {
		return caller.RefuseUpstreamToken()
	}
	if res.StatusCode >= http.StatusBadRequest {
		var said struct{ Message string }
		if err := json.NewDecoder(res.Body).Decode(&said); err != nil {
			return fmt.Errorf("the Todo API answered %s", res.Status)
		}
		return fmt.Errorf("the Todo API said: %s", said.Message)
	}
	return json.NewDecoder(res.Body).Decode(out)
}
