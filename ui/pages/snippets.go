package pages

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"

	"github.com/a-h/templ"
)

// Adapters are the snippets of RuntimeSetupPage for the frameworks that the project has adapters for.
func Adapters() []Snippet {
	return []Snippet{
		{
			ID:    "fastmcp",
			Title: "FastMCP and other Python (ASGI) servers",
			File:  "server.py",
			Code: `from emcy_worker import WorkerContract
from starlette.middleware import Middleware

mcp.run(
    transport="http",
    port=9001,
    middleware=[Middleware(WorkerContract)],
)`,
			Note: "The adapter is in the gateway's repository: pip install ./sdk/python",
		},
		{
			ID:    "typescript",
			Title: "TypeScript SDK 2.x on Node.js",
			File:  "server.js",
			Code: `import { createServer } from 'node:http';
import { getCaller, workerContract } from '@emcy/worker';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler } from '@modelcontextprotocol/server';

const mcp = toNodeHandler(createMcpHandler(buildServer));
const guard = workerContract();

createServer((req, res) => guard(req, res, () => mcp(req, res))).listen(9002, '127.0.0.1');`,
			Note: "The adapter is in the gateway's repository: npm install ./sdk/typescript. In a tool, getCaller() says who is asking.",
		},
		{
			ID:    "express",
			Title: "TypeScript SDK 1.x with Express",
			File:  "server.js",
			Code: `import express from 'express';
import { workerContract } from '@emcy/worker';

const app = express();
app.use(workerContract()); // in front of everything else`,
			Note: "The adapter is in the gateway's repository: npm install ./sdk/typescript.",
		},
		{
			ID:    "go",
			Title: "Go SDK and net/http",
			File:  "main.go",
			Code: `import "github.com/emcy/gateway/sdk/go/emcyworker"

handler := mcp.NewStreamableHTTPHandler(getServer, &mcp.StreamableHTTPOptions{Stateless: true})
http.ListenAndServe("127.0.0.1:9004", emcyworker.Middleware(handler))`,
			Note: "In a tool, emcyworker.FromHeader(req.Extra.Header) says who is asking.",
		},
		{
			ID:    "other",
			Title: "Anything else",
			File:  "in words",
			Code: `Compare the header X-Emcy-Worker-Secret with the variable
EMCY_WORKER_SHARED_SECRET, in constant time.

Not equal, or missing:   401 {"error":"unauthorized"}
The variable is not set: 500 {"error":"worker_secret_not_set"}`,
			Note: "X-Emcy-Subject then says who is asking.",
		},
	}
}

// clientGuide is how one client is connected.
type clientGuide struct {
	id, name, kind string
	steps          []string
	snippets       []Snippet
	linkText       string
	linkHref       templ.SafeURL
}

// clientGuides is the one table of all commands and links on the connect page.
func clientGuides(name, mcpURL string) []clientGuide {
	public := !loopback(mcpURL)
	return []clientGuide{
		{
			id: "claude-code", name: "Claude Code", kind: "Terminal",
			steps: []string{"Run this once:", "Then type /mcp in Claude Code, choose " + name + " and sign in."},
			snippets: []Snippet{{
				ID: "cmd-claude-code", Title: "Terminal",
				Code: "claude mcp add --transport http " + shell(name) + " " + shell(mcpURL),
			}},
		},
		{
			id: "claude-web", name: "Claude on the web and desktop", kind: "Browser",
			steps: append(reach(public, "Claude"),
				"Open Settings, Connectors, Add custom connector. In a team, an owner adds it first.",
				"Enter the name "+name+" and the MCP URL above, then press Connect and sign in."),
		},
		{
			id: "chatgpt", name: "ChatGPT", kind: "Browser",
			steps: append(reach(public, "ChatGPT"),
				"Open Settings, Apps & Connectors, Advanced, and switch Developer mode on.",
				"Press Create, enter the MCP URL above, choose OAuth, then Create and sign in."),
		},
		{
			id: "vscode", name: "VS Code", kind: "Editor",
			steps:    []string{"Install it with the link, or run the command. VS Code asks you to sign in at the first use."},
			linkText: "Install in VS Code",
			linkHref: templ.SafeURL("vscode:mcp/install?" + url.PathEscape(compact(vscodeServer{name, "http", mcpURL}))),
			snippets: []Snippet{{
				ID: "cmd-vscode", Title: "Terminal",
				Code: "code --add-mcp " + shell(compact(vscodeServer{name, "http", mcpURL})),
			}},
		},
		{
			id: "cursor", name: "Cursor", kind: "Editor",
			steps:    []string{"Install it with the link, or put this into .cursor/mcp.json. Then press Connect in Settings, MCP."},
			linkText: "Install in Cursor",
			linkHref: templ.SafeURL("cursor://anysphere.cursor-deeplink/mcp/install?name=" + url.QueryEscape(name) +
				"&config=" + url.QueryEscape(base64.StdEncoding.EncodeToString([]byte(compact(urlServer{mcpURL}))))),
			snippets: []Snippet{{
				ID: "cmd-cursor", Title: ".cursor/mcp.json",
				Code: indent(map[string]any{"mcpServers": map[string]any{name: urlServer{mcpURL}}}),
			}},
		},
		{
			id: "codex", name: "Codex", kind: "Terminal",
			steps: []string{"Run both; the second one opens the browser to sign in."},
			snippets: []Snippet{{
				ID: "cmd-codex", Title: "Terminal",
				Code: "codex mcp add " + shell(name) + " --url " + shell(mcpURL) + "\ncodex mcp login " + shell(name),
			}},
		},
		{
			id: "gemini", name: "Gemini CLI", kind: "Terminal",
			steps: []string{"Run this once:", "Then type /mcp auth " + name + " in Gemini CLI."},
			snippets: []Snippet{{
				ID: "cmd-gemini", Title: "Terminal",
				Code: "gemini mcp add --transport http " + shell(name) + " " + shell(mcpURL),
			}},
		},
		{
			id: "mcp-remote", name: "Clients that start a local command", kind: "mcp-remote",
			steps: []string{"For clients that speak stdio only. It needs Node.js and opens the browser to sign in."},
			snippets: []Snippet{{
				ID: "cmd-mcp-remote", Title: "mcp.json",
				Code: indent(map[string]any{"mcpServers": map[string]any{
					name: commandServer{"npx", []string{"-y", "mcp-remote@0.15.1", mcpURL}},
				}}),
			}},
		},
		{
			id: "curl", name: "Check the address with curl", kind: "Debug",
			steps: []string{"Without a token the gateway answers 401 and says in WWW-Authenticate where to sign in. That is what a client looks for."},
			snippets: []Snippet{{
				ID: "cmd-curl", Title: "Terminal", Code: curlCommand(mcpURL),
			}},
		},
	}
}

type vscodeServer struct {
	Name string `json:"name"`
	Type string `json:"type"`
	URL  string `json:"url"`
}

type urlServer struct {
	URL string `json:"url"`
}

type commandServer struct {
	Command string   `json:"command"`
	Args    []string `json:"args"`
}

func curlCommand(mcpURL string) string {
	return "curl -i -X POST " + shell(mcpURL)
}

// reach is the first step for clients that call from their maker's network.
func reach(public bool, client string) []string {
	if public {
		return nil
	}
	return []string{client + " calls from its maker's network, so it needs a public https address. This gateway runs on localhost: use a client on this computer, or deploy the gateway first."}
}

func loopback(address string) bool {
	parsed, err := url.Parse(address)
	if err != nil {
		return false
	}
	host := parsed.Hostname()
	return host == "localhost" || host == "::1" || strings.HasPrefix(host, "127.") || strings.HasSuffix(host, ".localhost")
}

// shell quotes a word for a POSIX shell; words that need no quotes stay as they are.
func shell(word string) string {
	const safe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@%+=,"
	if word != "" && strings.Trim(word, safe) == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

func compact(value any) string {
	return encode(value, "")
}

func indent(value any) string {
	return encode(value, "  ")
}

// encode writes JSON as people type it: & < > stay as they are, since the page escapes them itself.
func encode(value any, space string) string {
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", space)
	if err := encoder.Encode(value); err != nil {
		// Only strings and lists of strings come in, and those always encode.
		panic(err)
	}
	return strings.TrimSuffix(text.String(), "\n")
}
