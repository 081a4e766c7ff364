package scopes

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/ids"
)

const (
	maxTitle       = 80  // characters
	maxDescription = 300 // characters
	maxToolName    = 256 // bytes
)

// Input is a scope as somebody types it.
type Input struct {
	Name, Title, Description string
	Includes                 authz.Scopes
	Initial                  bool
}

func (in Input) trimmed() Input {
	in.Name, in.Title, in.Description = strings.TrimSpace(in.Name), strings.TrimSpace(in.Title), strings.TrimSpace(in.Description)
	return in
}

func (in Input) scope(tools []authz.Tool) authz.Scope {
	return authz.Scope{Name: in.Name, Title: in.Title, Description: in.Description, Includes: in.Includes, Initial: in.Initial, Tools: tools}
}

// check looks at what people will read before they say yes.
func (in Input) check() map[string]string {
	messages := map[string]string{}
	switch {
	case in.Title == "":
		messages["title"] = "Say in a few words what the scope allows. People read it before they agree."
	case utf8.RuneCountInString(in.Title) > maxTitle:
		messages["title"] = fmt.Sprintf("Use at most %d characters.", maxTitle)
	case !readable(in.Title):
		messages["title"] = "Use letters, digits and punctuation only: no line breaks and nothing invisible."
	}
	switch {
	case utf8.RuneCountInString(in.Description) > maxDescription:
		messages["description"] = fmt.Sprintf("Use at most %d characters.", maxDescription)
	case !readable(in.Description):
		messages["description"] = "Use letters, digits and punctuation only: no line breaks and nothing invisible."
	}
	return messages
}

func readable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

func checkName(name string) string {
	switch {
	case name == "":
		return "Type a name, such as read or files:write."
	case authz.Reserved(name):
		return "This name has a meaning of its own. Choose another."
	case len(name) > authz.MaxScopeName:
		return fmt.Sprintf("Use at most %d characters.", authz.MaxScopeName)
	case !authz.ValidScope(name):
		return `Use letters, digits and punctuation without spaces, quotes (") and backslashes.`
	}
	return ""
}

func checkTools(tools []string) error {
	if len(tools) > maxTools {
		return errs.Field("tools", fmt.Sprintf("A scope opens at most %d tools of a runtime by name. Open all of them instead.", maxTools))
	}
	for _, name := range tools {
		if name == "" || len(name) > maxToolName || !utf8.ValidString(name) || strings.ContainsRune(name, 0) {
			return errs.Field("tools", fmt.Sprintf("A tool's name has 1 to %d bytes.", maxToolName))
		}
	}
	return nil
}

// Edition changes with every change of a scope or its tools.
func Edition(s authz.Scope) string {
	b, err := json.Marshal(s)
	if err != nil {
		return "" // texts and flags always marshal
	}
	return ids.Hash(string(b))[:16]
}
