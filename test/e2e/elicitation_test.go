//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/test/e2e/httpflow"
	"github.com/emcy/gateway/test/fakes/upstream"
)

// personal is the key that a person types in; a runtime gets it in keyHeader.
const (
	personal  = "canary_key_of_ada"
	keyHeader = "X-Todo-Key"
)

// asking is how a client lets its person know.
type asking struct {
	By            string `json:"by"`
	Mode          string `json:"mode"`
	URL           string `json:"url"`
	Message       string `json:"message"`
	ElicitationID string `json:"elicitationId"`
}

// told is a line of a client.
type told struct {
	Asked  *asking `json:"asked"`
	Result *struct {
		IsError bool   `json:"isError"`
		Text    string `json:"text"`
	} `json:"result"`
	Error *struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

// asker is a client that can be asked: it makes one call, of the tool echo, and asks its person as often as it has to.
type asker func(ctx context.Context, t *testing.T, url, token string, person func(asking) string) told

// typeScriptAsker is test/clients/elicit.
func typeScriptAsker(sdk, era, can string) asker {
	return func(ctx context.Context, t *testing.T, url, token string, person func(asking) string) told {
		requireFile(t, filepath.Join(clientDir("elicit"), "node_modules"), "the TypeScript SDKs")
		cmd := exec.CommandContext(ctx, node(t), filepath.Join(clientDir("elicit"), "client.mjs"), sdk, url, era, can)
		cmd.Env = append(os.Environ(), "EMCY_TEST_TOKEN="+token)
		var said strings.Builder
		cmd.Stderr = &said
		in, err := cmd.StdinPipe()
		require.NoError(t, err)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		defer func() { _ = cmd.Wait() }() // what it said counts
		defer func() { _ = in.Close() }()
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			var line told
			require.NoError(t, json.Unmarshal(lines.Bytes(), &line), lines.Text())
			if line.Asked == nil {
				return line
			}
			_, err := io.WriteString(in, person(*line.Asked)+"\n")
			require.NoError(t, err)
		}
		require.Fail(t, "the client ended without an answer", said.String())
		return told{}
	}
}

// bearerOf sends a token.
type bearerOf string

func (b bearerOf) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(b))
	return http.DefaultTransport.RoundTrip(r)
}

// goAsker is the official Go SDK.
func goAsker(era clientEra, can string) asker {
	return func(ctx context.Context, t *testing.T, url, token string, person func(asking) string) told {
		options := &mcp.ClientOptions{Capabilities: &mcp.ClientCapabilities{}}
		ask := func(_ context.Context, req *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
			p := req.Params
			return &mcp.ElicitResult{Action: person(asking{By: "elicitation/create", Mode: p.Mode, URL: p.URL, Message: p.Message, ElicitationID: p.ElicitationID})}, nil
		}
		switch can {
		case "url":
			options.Capabilities.Elicitation = &mcp.ElicitationCapabilities{URL: &mcp.URLElicitationCapabilities{}}
			options.ElicitationHandler = ask
		case "form":
			options.Capabilities.Elicitation = &mcp.ElicitationCapabilities{Form: &mcp.FormElicitationCapabilities{}}
			options.ElicitationHandler = ask
		}
		client := mcp.NewClient(&mcp.Implementation{Name: "elicit-go", Version: "1"}, options)
		session, err := client.Connect(ctx, &mcp.StreamableClientTransport{Endpoint: url, HTTPClient: &http.Client{Transport: bearerOf(token)}}, &mcp.ClientSessionOptions{ProtocolVersion: revisions[era]})
		require.NoError(t, err)
		defer func() { _ = session.Close() }() // it ends with the test either way
		for {
			result, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "echo", Arguments: map[string]any{"text": "hello of go " + string(era) + " " + can}})
			var refused *jsonrpc.Error
			if errors.As(err, &refused) && refused.Code == mcp.CodeURLElicitationRequired {
				var data struct{ Elicitations []asking }
				require.NoError(t, json.Unmarshal(refused.Data, &data))
				for _, one := range data.Elicitations {
					one.By = "error"
					person(one)
				}
				continue
			}
			require.NoError(t, err)
			text := result.Content[0].(*mcp.TextContent).Text
			link := linkIn(text)
			if !result.IsError || link == "" {
				raw, err := json.Marshal(map[string]any{"result": map[string]any{"isError": result.IsError, "text": text}})
				require.NoError(t, err)
				var line told
				require.NoError(t, json.Unmarshal(raw, &line))
				return line
			}
			person(asking{By: "text", URL: link, Message: text})
		}
	}
}

// linkIn finds the link in a text, as a person would.
func linkIn(text string) string {
	for word := range strings.FieldsSeq(text) {
		if strings.HasPrefix(word, "http") && strings.Contains(word, "/connect/") {
			return word
		}
	}
	return ""
}

// asksOf says which database a client is tested with. Between them both see every way of asking.
var asksOf = map[database][]struct {
	name string
	era  clientEra
	ask  asker
	by   string // how the person is asked; "" of a client that the person says no to
}{
	sqlite: {
		{"TypeScript SDK 2, url", modern, typeScriptAsker("2", "modern", "url"), "elicitation/create"},
		{"TypeScript SDK 2, form", modern, typeScriptAsker("2", "modern", "form"), "text"},
		{"TypeScript SDK 2, nothing", modern, typeScriptAsker("2", "modern", "nothing"), "text"},
		{"TypeScript SDK 2, url, the person says no", modern, typeScriptAsker("2", "modern", "url"), ""},
		{"TypeScript SDK 2, legacy, url", legacy, typeScriptAsker("2", "legacy", "url"), "error"},
		{"TypeScript SDK 1, url", legacy, typeScriptAsker("1", "legacy", "url"), "error"},
		{"TypeScript SDK 1, form", legacy, typeScriptAsker("1", "legacy", "form"), "text"},
		{"TypeScript SDK 1, nothing", legacy, typeScriptAsker("1", "legacy", "nothing"), "text"},
	},
	postgres: {
		{"Go SDK, url", modern, goAsker(modern, "url"), "elicitation/create"},
		{"Go SDK, nothing", modern, goAsker(modern, "nothing"), "text"},
		{"Go SDK, url, the person says no", modern, goAsker(modern, "url"), ""},
		{"Go SDK, legacy, url", legacy, goAsker(legacy, "url"), "error"},
		{"Go SDK, legacy, form", legacy, goAsker(legacy, "form"), "text"},
	},
}

// TestAskedToConnect: a call that lacks its person's access asks for it, each client in the best way that it has, and is done
// once the person has connected; a person who says no hears that they did.
func TestAskedToConnect(t *testing.T) {
	t.Parallel()

	for db, clients := range asksOf {
		t.Run(string(db), func(t *testing.T) {
			t.Parallel()

			ctx := t.Context()
			g := newGateway(t, db, freePorts(t, 1))
			ada := httpflow.NewPerson(g.Console, "Ada Lovelace", nil)
			require.NoError(t, ada.SignUp(ctx))
			require.NoError(t, ada.CreateWorkspace(ctx, "Acme Works", "acme"))
			runtimes := map[clientEra]*upstream.Upstream{modern: upstream.Start(upstream.Config{Stateless: true}), legacy: upstream.Start(upstream.Config{})}
			for _, up := range runtimes {
				t.Cleanup(up.Close)
			}
			for i, c := range clients {
				slug := fmt.Sprintf("todo-%d", i)
				t.Run(c.name, func(t *testing.T) {
					up := runtimes[c.era]
					runtime, err := ada.AddRuntime(ctx, "acme", httpflow.RuntimeForm{Name: "To-dos " + slug, Slug: slug, URL: up.URL()})
					require.NoError(t, err)
					client := connected(t, ada, runtime)
					attachKeys(t, ada, runtime, "Keys of "+slug)
					ctx, cancel := context.WithTimeout(ctx, clientTimeout)
					defer cancel()
					untilAsked(t, client)
					calls, asked := len(up.Calls()), 0
					got := c.ask(ctx, t, runtime.MCPURL, client.Tokens.AccessToken, func(a asking) string {
						asked++
						require.Contains(t, a.Message, "This needs your key for Keys of "+slug+", which is not there yet.")
						require.True(t, strings.HasPrefix(a.URL, client.Server.Issuer+"/connect/"), a.URL)
						require.NotContains(t, a.URL, "ada")
						require.Len(t, up.Calls(), calls, "nothing runs before")
						if c.by == "" {
							return "decline"
						}
						require.Equal(t, c.by, a.By)
						if a.By != "text" {
							require.Equal(t, "url", a.Mode)
							require.Equal(t, a.By == "error", a.ElicitationID != "")
						}
						require.NoError(t, typeKey(ctx, elsewhere(ada), a.URL, personal))
						return "accept"
					})
					require.Equal(t, 1, asked, "once is enough")
					require.Nil(t, got.Error, got)
					if c.by == "" {
						require.True(t, got.Result.IsError)
						require.Contains(t, got.Result.Text, "You chose not to connect Keys of "+slug)
						require.Len(t, up.Calls(), calls)
						return
					}
					require.False(t, got.Result.IsError, got.Result.Text)
					require.Contains(t, got.Result.Text, "hello of ")
					require.Len(t, up.Calls(), calls+1)
					requests := up.Requests()
					require.Contains(t, keysIn(requests), "Key "+personal)
					for _, r := range requests {
						require.Empty(t, r.Header.Values("Authorization"))
					}
				})
			}
		})
	}
}

// untilAsked waits until the edge has heard of the profile: the same call comes through before.
func untilAsked(t *testing.T, client *httpflow.Client) {
	t.Helper()
	require.Eventually(t, func() bool {
		_, err := client.CallTool(t.Context(), "fail", nil)
		return err != nil && strings.Contains(err.Error(), "This needs your key")
	}, patience, patience/400, "the edge knows the profile")
}

func keysIn(requests []upstream.Request) []string {
	var out []string
	for _, r := range requests {
		out = append(out, r.Header.Get(keyHeader))
	}
	return out
}

// attachKeys gives a runtime a profile whose access is a key that each person types in.
func attachKeys(t *testing.T, owner *httpflow.Person, runtime *httpflow.Runtime, name string) {
	t.Helper()
	ctx := t.Context()
	page, err := owner.Page(ctx, "/acme/profiles/new")
	require.NoError(t, err)
	href := ""
	for _, part := range strings.Split(string(page.Body), `href="`) {
		if link, _, _ := strings.Cut(part, `"`); strings.Contains(link, "kind=api_key") {
			href = strings.ReplaceAll(link, "&amp;", "&")
		}
	}
	require.NotEmpty(t, href, "a profile of keys is offered")
	page, err = owner.Page(ctx, href)
	require.NoError(t, err)
	form, err := page.Form("name", "key_label", "key_header", "key_format")
	require.NoError(t, err)
	submitTo(t, owner, form.Set("name", name).Set("key_label", "Key of the to-dos").Set("key_header", keyHeader).Set("key_format", "Key {key}"))

	page, err = owner.Page(ctx, "/acme/runtimes/"+runtime.Slug+"/access?choose=1")
	require.NoError(t, err)
	id := ""
	for _, part := range strings.Split(string(page.Body), `name="profile"`)[1:] {
		label, _, _ := strings.Cut(part, "</label>")
		_, value, _ := strings.Cut(label, `value="`)
		if value, _, _ = strings.Cut(value, `"`); strings.Contains(label, name) {
			id = value
		}
	}
	require.NotEmpty(t, id, "the profile can be chosen")
	page, err = owner.Page(ctx, "/acme/runtimes/"+runtime.Slug+"/access?profile="+id)
	require.NoError(t, err)
	form, err = page.Form("profile", "needed_for")
	require.NoError(t, err)
	submitTo(t, owner, form.Set("needed_for", "calls"))
}

func submitTo(t *testing.T, person *httpflow.Person, form *httpflow.Form) {
	t.Helper()
	page, err := person.Browser.Submit(t.Context(), form)
	require.NoError(t, err)
	require.NoError(t, page.Expect(http.StatusSeeOther), page.Text())
}

// typeKey opens a link in a browser of its own, signs in and types a key in.
func typeKey(ctx context.Context, person *httpflow.Person, link, key string) error {
	page, err := person.Browser.Get(ctx, link)
	for range 6 {
		if err == nil {
			page, err = person.Browser.Follow(ctx, page, nil)
		}
		if err != nil {
			return err
		}
		if form, formErr := page.Form("email", "password"); formErr == nil {
			page, err = person.Browser.Submit(ctx, form.Set("email", person.Email).Set("password", person.Password))
			continue
		}
		form, formErr := page.Form("key")
		if formErr != nil {
			return fmt.Errorf("neither sign-in nor the key's form: %w", formErr)
		}
		if page, err = person.Browser.Submit(ctx, form.Set("key", key).Press("decision", "key")); err != nil {
			return err
		}
		page, err = person.Browser.Follow(ctx, page, nil)
		if err == nil {
			err = page.Expect(http.StatusOK)
		}
		return err
	}
	return fmt.Errorf("no end, now at %s", page.URL)
}
