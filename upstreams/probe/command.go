package probe

import (
	"net/url"
	"strings"

	"github.com/emcy/gateway/internal/mcpwire"
)

// Command is a command line by which a person can ask what a step asked, "" where there is nothing to ask.
// It holds no secret: those are shell variables that the person fills. headers are the names of the static
// headers, secretHeader that of the worker secret.
func (r *Report) Command(step, secretHeader string, headers []string) string {
	u, err := url.Parse(r.URL)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" {
		return ""
	}
	c := &command{report: r, modern: r.Era != EraLegacy, url: quote(u.String())}
	var method string
	switch step {
	case StepDNS, StepConnect:
		return "curl -v --max-time 10 -o /dev/null " + c.url
	case StepTLS:
		return "curl -vI --max-time 10 " + quote(u.Scheme+"://"+u.Host+"/")
	case StepDiscover, StepWithSecret:
		method = mcpwire.MethodDiscover
	case StepLatency:
		method, c.flags = mcpwire.MethodDiscover, `-s -o /dev/null -w '%{time_total} s\n'`
		if !c.modern {
			method = mcpwire.MethodInitialize
		}
	case StepWrongSecret, StepWithoutSecret, StepOwnAuth:
		method = mcpwire.MethodDiscover
		if !c.modern {
			method = mcpwire.MethodInitialize
		}
		if step == StepWrongSecret {
			c.header(secretHeader, "wrong")
		}
		return c.line(method)
	case StepInitialize:
		method, c.modern = mcpwire.MethodInitialize, false
	case StepTools, StepPrompts, StepResources:
		method = step + "/list"
	default:
		return ""
	}
	c.secret(secretHeader, "EMCY_WORKER_SHARED_SECRET")
	for _, name := range headers {
		c.secret(name, variable(name))
	}
	return c.line(method)
}

// command is a curl command line in the making.
type command struct {
	report  *Report
	modern  bool
	url     string
	flags   string
	headers []string
}

func (c *command) header(name, value string) { c.headers = append(c.headers, quote(name+": "+value)) }

// secret adds a header whose value is in a variable of the shell.
func (c *command) secret(name, variable string) {
	c.headers = append(c.headers, quote(name+": ")+`"$`+variable+`"`)
}

func (c *command) line(method string) string {
	body := `{"jsonrpc":"2.0","id":1,"method":"` + method + `"`
	c.header("Content-Type", "application/json")
	c.header("Accept", "application/json, text/event-stream")
	switch {
	case method == mcpwire.MethodInitialize:
		body += `,"params":{"protocolVersion":"` + mcpwire.Version20251125 + `","capabilities":{},"clientInfo":{"name":"curl","version":"1"}}}`
	case c.modern:
		c.header(mcpwire.HeaderProtocolVersion, mcpwire.Version20260728)
		c.header(mcpwire.HeaderMethod, method)
		body += `,"params":{"_meta":{"` + mcpwire.MetaProtocolVersion + `":"` + mcpwire.Version20260728 + `","` + mcpwire.MetaClientInfo +
			`":{"name":"curl","version":"1"},"` + mcpwire.MetaClientCapabilities + `":{}}}}`
	default:
		c.header(mcpwire.HeaderProtocolVersion, c.report.ProtocolVersion)
		body += "}"
	}
	comment := ""
	if c.report.Sessions && method != mcpwire.MethodInitialize {
		comment = "# MCP_SESSION is the Mcp-Session-Id that an answer to initialize carries\n"
		c.secret(mcpwire.HeaderSessionID, "MCP_SESSION")
	}
	flags := c.flags
	if flags == "" {
		flags = "-sS -i"
	}
	return comment + "curl " + flags + " " + c.url + " \\\n  -H " + strings.Join(c.headers, " \\\n  -H ") + " \\\n  -d " + quote(body)
}

// quote makes one word of a shell out of any text.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// variable is a header's name as the name of a shell variable.
func variable(header string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		default:
			return '_'
		}
	}, header)
	if name == "" || name[0] >= '0' && name[0] <= '9' {
		return "_" + name
	}
	return name
}
