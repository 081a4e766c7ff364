package vendors

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// assertion proves the client by its key (RFC 7523, section 2.2).
func (c *Connection) assertion() (string, error) {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: c.Key, KeyID: KeyID}}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", err
	}
	now := c.Now()
	return jwt.Signed(signer).Claims(jwt.Claims{
		Issuer: c.clientID, Subject: c.clientID, Audience: jwt.Audience{c.server.Issuer}, ID: rand.Text(),
		IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(time.Minute)),
	}).Serialize()
}

// KeyID names the key of private_key_jwt in the document at jwks_uri.
const KeyID = "replay-1"

// use speaks MCP with the token: initialize, tools/list, and a call of a tool that says back what it was told.
func (c *Connection) use(ctx context.Context) error {
	c.session = ""
	var initialized struct {
		ProtocolVersion string `json:"protocolVersion"`
	}
	params := map[string]any{"protocolVersion": c.Profile.Protocol, "capabilities": map[string]any{}, "clientInfo": map[string]any{"name": c.Profile.Name, "version": "1"}}
	if err := c.rpc(ctx, "initialize", params, &initialized); err != nil {
		return err
	}
	var listed struct {
		Tools []struct {
			Name string `json:"name"`
		} `json:"tools"`
	}
	if err := c.rpc(ctx, "tools/list", map[string]any{}, &listed); err != nil {
		return err
	}
	if len(listed.Tools) == 0 {
		return errors.New("there are no tools")
	}
	var called struct {
		Structured struct {
			Text string `json:"text"`
		} `json:"structuredContent"`
	}
	if err := c.rpc(ctx, "tools/call", map[string]any{"name": "echo", "arguments": map[string]any{"text": "42"}}, &called); err != nil {
		return err
	}
	if called.Structured.Text != "42" {
		return fmt.Errorf("42 comes back as %q", called.Structured.Text)
	}
	return nil
}

func (c *Connection) rpc(ctx context.Context, method string, params, into any) error {
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.MCPURL, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	req.Header.Set("Authorization", "Bearer "+c.access)
	if method != "initialize" {
		req.Header.Set("MCP-Protocol-Version", c.Profile.Protocol)
	}
	if c.session != "" {
		req.Header.Set("Mcp-Session-Id", c.session)
	}
	res, err := c.HTTP.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %d: %.300s", method, res.StatusCode, raw)
	}
	if id := res.Header.Get("Mcp-Session-Id"); id != "" {
		c.session = id
	}
	if strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		raw = lastData(raw)
	}
	var answer struct {
		Result json.RawMessage `json:"result"`
		Error  json.RawMessage `json:"error"`
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	if answer.Error != nil {
		return fmt.Errorf("%s: %s", method, answer.Error)
	}
	return json.Unmarshal(answer.Result, into)
}

// lastData is the answer in an event stream: the data of its last message.
func lastData(stream []byte) []byte {
	var last []byte
	for line := range bytes.Lines(stream) {
		if data, ok := bytes.CutPrefix(bytes.TrimRight(line, "\r\n"), []byte("data: ")); ok {
			last = data
		}
	}
	return last
}
