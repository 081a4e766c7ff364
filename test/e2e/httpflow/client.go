package httpflow

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
)

// Client is a public MCP client: it registers by itself, uses PKCE, and calls
// tools by the revision 2025-11-25.
type Client struct {
	// HTTP sends the requests; it keeps no cookies and follows no redirect.
	HTTP *http.Client
	// MCPURL is the address that the user typed.
	MCPURL string
	// Name is how it registers.
	Name string
	// RedirectURI is where the person's browser is sent back to. Nothing has to listen there.
	RedirectURI string

	// Challenge is filled by Discover.
	Challenge Challenge
	// Server is the authorization server's metadata, filled by Discover.
	Server ServerMetadata
	// Resource is the identifier in the protected-resource metadata.
	Resource string

	// ClientID is filled by Register.
	ClientID string
	// Tokens is filled by Redeem and replaced by Refresh.
	Tokens Tokens
	// SessionID is what the runtime handed out on Initialize, if it did.
	SessionID string

	verifier string
	state    string
	ids      atomic.Int64
}

// Challenge is what a 401 of the MCP URL says.
type Challenge struct {
	ResourceMetadata string
	Scope            string
	Error            string
}

// ServerMetadata is as much of RFC 8414 as a client needs.
type ServerMetadata struct {
	Issuer                string `json:"issuer"`
	AuthorizationEndpoint string `json:"authorization_endpoint"`
	TokenEndpoint         string `json:"token_endpoint"`
	RegistrationEndpoint  string `json:"registration_endpoint"`
	RevocationEndpoint    string `json:"revocation_endpoint"`
	JWKSURI               string `json:"jwks_uri"`
}

// Tokens is an answer of the token endpoint.
type Tokens struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int    `json:"expires_in"`
	RefreshToken string `json:"refresh_token"`
	Scope        string `json:"scope"`
}

// Answer is an HTTP answer that is not what a step needs.
type Answer struct {
	Request string
	Status  int
	Header  http.Header
	Body    []byte
}

func (a *Answer) Error() string {
	body := string(a.Body)
	if len(body) > 1500 {
		body = body[:1500] + "..."
	}
	return fmt.Sprintf("%s answers %d: %s", a.Request, a.Status, body)
}

// OAuthError is the error code in the answer, "" when there is none.
func (a *Answer) OAuthError() string {
	var body struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(a.Body, &body) != nil {
		return ""
	}
	return body.Error
}

// NewClient returns a client for an MCP URL. A nil transport is the default one.
func NewClient(mcpURL string, transport http.RoundTripper) *Client {
	return &Client{
		HTTP: &http.Client{
			Transport:     watched(transport),
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		MCPURL:      mcpURL,
		Name:        "Scripted client",
		RedirectURI: "http://127.0.0.1:33418/callback",
	}
}

// Discover goes from the 401 of the MCP URL to the authorization server.
func (c *Client) Discover(ctx context.Context) error {
	_, err := c.call(ctx, "", "initialize", initializeParams)
	var answer *Answer
	if !errors.As(err, &answer) || answer.Status != http.StatusUnauthorized {
		return fmt.Errorf("discover: the MCP URL does not answer 401 without a token: %w", err)
	}
	c.Challenge = parseChallenge(answer.Header.Get("WWW-Authenticate"))
	if c.Challenge.ResourceMetadata == "" {
		return fmt.Errorf("discover: no resource_metadata in the challenge %q", answer.Header.Get("WWW-Authenticate"))
	}

	var resource struct {
		Resource             string   `json:"resource"`
		AuthorizationServers []string `json:"authorization_servers"`
	}
	if err := c.getJSON(ctx, c.Challenge.ResourceMetadata, &resource); err != nil {
		return fmt.Errorf("discover: %w", err)
	}
	if resource.Resource != c.MCPURL {
		return fmt.Errorf("discover: the resource is %q and the MCP URL %q", resource.Resource, c.MCPURL)
	}
	if len(resource.AuthorizationServers) == 0 {
		return fmt.Errorf("discover: %s names no authorization server", c.Challenge.ResourceMetadata)
	}
	c.Resource = resource.Resource

	issuer := resource.AuthorizationServers[0]
	if err := c.getJSON(ctx, issuer+"/.well-known/oauth-authorization-server", &c.Server); err != nil {
		return fmt.Errorf("discover: %w", err)
	}
	if c.Server.Issuer != issuer {
		return fmt.Errorf("discover: the issuer is %q and was looked up as %q", c.Server.Issuer, issuer)
	}
	return nil
}

// Register registers the client dynamically.
func (c *Client) Register(ctx context.Context) error {
	body, err := json.Marshal(map[string]any{
		"client_name":                c.Name,
		"redirect_uris":              []string{c.RedirectURI},
		"grant_types":                []string{"authorization_code", "refresh_token"},
		"response_types":             []string{"code"},
		"token_endpoint_auth_method": "none",
		"application_type":           "native",
	})
	if err != nil {
		return fmt.Errorf("register: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.Server.RegistrationEndpoint, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("register: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	var registered struct {
		ClientID     string `json:"client_id"`
		ClientSecret string `json:"client_secret"`
	}
	if err := c.json(req, http.StatusCreated, &registered); err != nil {
		return fmt.Errorf("register: %w", err)
	}
	if registered.ClientID == "" || registered.ClientSecret != "" {
		return fmt.Errorf("register: a public client gets an id and no secret")
	}
	c.ClientID = registered.ClientID
	return nil
}

// AuthorizeURL begins an authorization and returns what to open in a browser.
func (c *Client) AuthorizeURL() string {
	c.verifier = rand.Text() + rand.Text()
	c.state = rand.Text()
	challenge := sha256.Sum256([]byte(c.verifier))
	query := url.Values{
		"response_type":         {"code"},
		"client_id":             {c.ClientID},
		"redirect_uri":          {c.RedirectURI},
		"state":                 {c.state},
		"code_challenge":        {base64.RawURLEncoding.EncodeToString(challenge[:])},
		"code_challenge_method": {"S256"},
		"resource":              {c.Resource},
	}
	if c.Challenge.Scope != "" {
		query.Set("scope", c.Challenge.Scope)
	}
	return c.Server.AuthorizationEndpoint + "?" + query.Encode()
}

// Redeem checks the address that the browser was sent back to and exchanges its code.
func (c *Client) Redeem(ctx context.Context, callback *url.URL) error {
	query := callback.Query()
	if query.Get("error") != "" {
		return fmt.Errorf("redeem: the authorization ended with %s: %s", query.Get("error"), query.Get("error_description"))
	}
	if query.Get("state") != c.state {
		return fmt.Errorf("redeem: the state came back as %q", query.Get("state"))
	}
	if query.Get("iss") != c.Server.Issuer {
		return fmt.Errorf("redeem: iss is %q and the issuer %q", query.Get("iss"), c.Server.Issuer)
	}
	tokens, err := c.Token(ctx, url.Values{
		"grant_type":    {"authorization_code"},
		"code":          {query.Get("code")},
		"redirect_uri":  {c.RedirectURI},
		"client_id":     {c.ClientID},
		"code_verifier": {c.verifier},
		"resource":      {c.Resource},
	})
	if err != nil {
		return fmt.Errorf("redeem: %w", err)
	}
	c.Tokens = *tokens
	return nil
}

// Refresh replaces the tokens by means of the refresh token.
func (c *Client) Refresh(ctx context.Context) error {
	tokens, err := c.Token(ctx, url.Values{
		"grant_type":    {"refresh_token"},
		"refresh_token": {c.Tokens.RefreshToken},
		"client_id":     {c.ClientID},
		"resource":      {c.Resource},
	})
	if err != nil {
		return fmt.Errorf("refresh: %w", err)
	}
	c.Tokens = *tokens
	return nil
}

// Token sends any form to the token endpoint. An error of the server is an *Answer.
func (c *Client) Token(ctx context.Context, form url.Values) (*Tokens, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.Server.TokenEndpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, fmt.Errorf("token request: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	var tokens Tokens
	if err := c.json(req, http.StatusOK, &tokens); err != nil {
		return nil, err
	}
	if tokens.AccessToken == "" || tokens.RefreshToken == "" {
		return nil, fmt.Errorf("the token endpoint gave no access token or no refresh token")
	}
	return &tokens, nil
}

var initializeParams = map[string]any{
	"protocolVersion": "2025-11-25",
	"capabilities":    map[string]any{},
	"clientInfo":      map[string]any{"name": "httpflow", "version": "1.0.0"},
}

// Initialize opens a session where the runtime keeps any.
func (c *Client) Initialize(ctx context.Context) error {
	c.SessionID = ""
	res, err := c.call(ctx, c.Tokens.AccessToken, "initialize", initializeParams)
	if err != nil {
		return fmt.Errorf("initialize: %w", err)
	}
	c.SessionID = res.Header.Get("Mcp-Session-Id")
	if _, err := c.call(ctx, c.Tokens.AccessToken, "notifications/initialized", nil); err != nil {
		return fmt.Errorf("initialized: %w", err)
	}
	return nil
}

// Tools are the names of the tools on the first page.
func (c *Client) Tools(ctx context.Context) ([]string, error) {
	res, err := c.call(ctx, c.Tokens.AccessToken, "tools/list", map[string]any{})
	if err != nil {
		return nil, fmt.Errorf("list tools: %w", err)
	}
	var list struct {
		Tools []struct {
			Name string `json:"name"`
		} `json:"tools"`
	}
	if err := res.result(&list); err != nil {
		return nil, fmt.Errorf("list tools: %w", err)
	}
	names := make([]string, 0, len(list.Tools))
	for _, tool := range list.Tools {
		names = append(names, tool.Name)
	}
	return names, nil
}

// CallTool calls a tool and returns the text of its result.
func (c *Client) CallTool(ctx context.Context, name string, arguments map[string]any) (string, error) {
	res, err := c.call(ctx, c.Tokens.AccessToken, "tools/call", map[string]any{"name": name, "arguments": arguments})
	if err != nil {
		return "", fmt.Errorf("call %s: %w", name, err)
	}
	var result struct {
		IsError bool `json:"isError"`
		Content []struct {
			Text string `json:"text"`
		} `json:"content"`
	}
	if err := res.result(&result); err != nil {
		return "", fmt.Errorf("call %s: %w", name, err)
	}
	var text strings.Builder
	for _, content := range result.Content {
		text.WriteString(content.Text)
	}
	if result.IsError {
		return "", fmt.Errorf("call %s: the tool says: %s", name, text.String())
	}
	return text.String(), nil
}

type response struct {
	Header  http.Header
	Message []byte
}

func (r *response) result(into any) error {
	var message struct {
		Result json.RawMessage `json:"result"`
		Error  *struct {
			Code    int    `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	if err := json.Unmarshal(r.Message, &message); err != nil {
		return fmt.Errorf("read the answer %q: %w", r.Message, err)
	}
	if message.Error != nil {
		return fmt.Errorf("JSON-RPC error %d: %s", message.Error.Code, message.Error.Message)
	}
	if err := json.Unmarshal(message.Result, into); err != nil {
		return fmt.Errorf("read the result: %w", err)
	}
	return nil
}

// call sends one JSON-RPC message and returns the answer to it. An HTTP status
// that is no success is an *Answer.
func (c *Client) call(ctx context.Context, token, method string, params any) (*response, error) {
	message := map[string]any{"jsonrpc": "2.0", "method": method}
	if params != nil {
		message["params"] = params
		message["id"] = c.ids.Add(1)
	}
	body, err := json.Marshal(message)
	if err != nil {
		return nil, fmt.Errorf("write the message: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.MCPURL, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("request for %s: %w", c.MCPURL, err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if method != "initialize" {
		req.Header.Set("MCP-Protocol-Version", "2025-11-25")
	}
	if c.SessionID != "" {
		req.Header.Set("Mcp-Session-Id", c.SessionID)
	}
	res, err := c.HTTP.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, c.MCPURL, err)
	}
	defer func() { _ = res.Body.Close() }() // read as far as needed
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return nil, answerOf(req, res)
	}
	if params == nil {
		return &response{Header: res.Header}, nil
	}
	reader := io.LimitReader(res.Body, maxPage)
	if strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		answer, err := lastEvent(reader)
		return &response{Header: res.Header, Message: answer}, err
	}
	answer, err := io.ReadAll(reader)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", c.MCPURL, err)
	}
	return &response{Header: res.Header, Message: answer}, nil
}

// lastEvent reads a stream up to the message that is a response.
func lastEvent(reader io.Reader) ([]byte, error) {
	scanner := bufio.NewScanner(reader)
	scanner.Buffer(nil, maxPage)
	var data []byte
	for scanner.Scan() {
		line := scanner.Bytes()
		if value, ok := bytes.CutPrefix(line, []byte("data:")); ok {
			data = append(data, bytes.TrimPrefix(value, []byte(" "))...)
			continue
		}
		if len(line) > 0 {
			continue
		}
		var message struct {
			Method string `json:"method"`
		}
		if json.Unmarshal(data, &message) == nil && message.Method == "" {
			return data, nil
		}
		data = nil
	}
	if err := scanner.Err(); err != nil {
		return nil, fmt.Errorf("read the stream: %w", err)
	}
	return nil, fmt.Errorf("the stream ended without an answer")
}

func (c *Client) getJSON(ctx context.Context, address string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return fmt.Errorf("request for %s: %w", address, err)
	}
	return c.json(req, http.StatusOK, into)
}

func (c *Client) json(req *http.Request, status int, into any) error {
	req.Header.Set("Accept", "application/json")
	res, err := c.HTTP.Do(req)
	if err != nil {
		return fmt.Errorf("%s %s: %w", req.Method, req.URL, err)
	}
	defer func() { _ = res.Body.Close() }() // read to its end or given up
	answer := answerOf(req, res)
	if res.StatusCode != status {
		return answer
	}
	if err := json.Unmarshal(answer.Body, into); err != nil {
		return fmt.Errorf("read %s: %w", req.URL, err)
	}
	return nil
}

func answerOf(req *http.Request, res *http.Response) *Answer {
	body, err := io.ReadAll(io.LimitReader(res.Body, maxPage))
	if err != nil {
		body = append(body, []byte(" (cut off: "+err.Error()+")")...)
	}
	return &Answer{Request: req.Method + " " + req.URL.String(), Status: res.StatusCode, Header: res.Header, Body: body}
}

var challengeParameter = regexp.MustCompile(`([a-z_]+)="([^"]*)"`)

func parseChallenge(header string) Challenge {
	var challenge Challenge
	if !strings.HasPrefix(header, "Bearer ") {
		return challenge
	}
	for _, match := range challengeParameter.FindAllStringSubmatch(header, -1) {
		switch match[1] {
		case "resource_metadata":
			challenge.ResourceMetadata = match[2]
		case "scope":
			challenge.Scope = match[2]
		case "error":
			challenge.Error = match[2]
		}
	}
	return challenge
}
