package probe

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	stdjson "encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/emcy/gateway/internal/mcpwire"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Caps on a tool list.
const (
	MaxListBytes = 1 << 20
	MaxTools     = 500
	MaxPages     = 20

	maxCursor     = 4096
	maxSchema     = 50_000
	maxClientName = 64
)

// listing is the outcome of tools/list over all pages.
type listing struct {
	answer *answer // the one that failed, nil when none did
	tools  []jsontext.Value
	took   time.Duration
	cut    string // why the list is not complete, "" when it is
}

func (e *endpoint) listTools(ctx context.Context) *listing {
	l := &listing{}
	size := 0
	seen := map[string]bool{}
	cursor := ""
	for page := 1; ; page++ {
		members := ""
		if cursor != "" {
			quoted, err := jsontext.AppendQuote(nil, cursor)
			if err != nil {
				l.cut = "a cursor is not valid text"
				return l
			}
			members = `,"cursor":` + string(quoted)
		}
		a := e.call(ctx, mcpwire.MethodToolsList, members)
		l.took += a.took
		var result struct {
			Tools      []jsontext.Value `json:"tools"`
			NextCursor string           `json:"nextCursor"`
		}
		if !a.ok() {
			l.answer = a
			return l
		}
		if json.Unmarshal(a.result, &result) != nil {
			a.result, a.problem = nil, "a tool list that does not have the form of one"
			l.answer = a
			return l
		}
		l.tools = append(l.tools, result.Tools...)
		size += len(a.result)
		cursor = result.NextCursor
		switch {
		case len(l.tools) > MaxTools:
			l.tools = l.tools[:MaxTools]
			l.cut = fmt.Sprintf("it has more than %d tools", MaxTools)
		case cursor == "":
			return l
		case size > MaxListBytes:
			l.cut = "it is larger than 1 MB"
		case seen[cursor]:
			l.cut = "its pages go round in a circle (a cursor comes back)"
		case page == MaxPages:
			l.cut = fmt.Sprintf("it has more than %d pages", MaxPages)
		case len(cursor) > maxCursor:
			l.cut = "a cursor is too long"
		}
		if l.cut != "" {
			return l
		}
		seen[cursor] = true
	}
}

// definition is a tool as sent, each member as written.
type definition struct {
	Name         jsontext.Value `json:"name"`
	Title        jsontext.Value `json:"title"`
	Description  jsontext.Value `json:"description"`
	InputSchema  jsontext.Value `json:"inputSchema"`
	OutputSchema jsontext.Value `json:"outputSchema"`
	Annotations  jsontext.Value `json:"annotations"`
}

var clientNames = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)

// judgeTools turns the definitions into the report's tools with their warnings.
func judgeTools(r *Report, clean *cleaner, list []jsontext.Value) {
	count := map[string]int{}
	malformed := 0
	for _, raw := range list {
		var d definition
		var name string
		if json.Unmarshal(raw, &d) != nil || json.Unmarshal(d.Name, &name) != nil || d.Name.Kind() != '"' || name == "" {
			malformed++
			continue
		}
		count[name]++
		tool := judgeTool(clean, raw, &d, name)
		if count[name] > 1 {
			tool.warn(WarnDuplicateName, "another tool has the same name: clients keep one of them or refuse all")
		}
		r.Tools = append(r.Tools, tool)
	}
	if malformed > 0 {
		r.warn(WarnMalformedTool, fmt.Sprintf("%d of the tools have no name and are left out", malformed))
	}
	switch n := len(r.Tools); {
	case n == 0:
		r.warn(WarnNoTools, "the runtime lists no tools")
	case n > 100:
		r.warn(WarnManyTools, fmt.Sprintf("%d tools: several clients refuse more than 100", n))
	case n > 40:
		r.warn(WarnManyTools, fmt.Sprintf("%d tools: some clients offer only the first 40 to the model", n))
	case n > 20:
		r.warn(WarnManyTools, fmt.Sprintf("%d tools: models choose less well among more than 20", n))
	}
}

func (t *Tool) warn(code, words string) {
	t.Warnings = append(t.Warnings, Warning{Code: code, Words: words})
}

func judgeTool(clean *cleaner, raw jsontext.Value, d *definition, name string) Tool {
	var title, description string
	// A title or description that is no string counts as none.
	_ = json.Unmarshal(d.Title, &title)
	_ = json.Unmarshal(d.Description, &description)
	tool := Tool{
		Name:         clean.line(name, maxShort),
		Title:        clean.line(title, maxTitle),
		Description:  clean.text(description, maxDescription),
		Annotations:  annotations(d.Annotations),
		Hash:         d.hash(),
		ApproxTokens: (len(raw) + 3) / 4,
	}
	if strings.TrimSpace(description) == "" {
		tool.warn(WarnDescription, "no description: the model has only the name to go by")
	}
	if len(name) > maxClientName {
		tool.warn(WarnLongName, fmt.Sprintf("the name is longer than %d characters: some clients refuse it", maxClientName))
	}
	if !clientNames.MatchString(name) {
		tool.warn(WarnNameCharacters, "the name holds characters other than letters, digits, _, - and .: some clients refuse it")
	}
	tool.judgeSchema(clean, d.InputSchema)
	if hides(name) || hides(title) || hides(description) || hidesInJSON(d.InputSchema) || hidesInJSON(d.OutputSchema) {
		tool.warn(WarnHidden, "the definition holds characters that a reader does not see and a model does")
	}
	return tool
}

func (t *Tool) judgeSchema(clean *cleaner, schema jsontext.Value) {
	var shape struct {
		Type jsontext.Value `json:"type"`
	}
	if schema.Kind() != '{' || json.Unmarshal(schema, &shape) != nil || string(shape.Type) != `"object"` {
		t.warn(WarnSchema, "the input schema is not of type “object”: clients refuse such a tool")
	}
	if externalRef(schema) {
		t.warn(WarnExternalRef, "the input schema refers to another document ($ref), which clients do not fetch")
	}
	if len(schema) > maxSchema {
		t.warn(WarnSchemaLarge, fmt.Sprintf("the input schema is larger than %d kB", maxSchema/1000))
		return
	}
	t.InputSchema = stdjson.RawMessage(clean.json(schema))
}

func annotations(raw jsontext.Value) *Annotations {
	var a struct {
		ReadOnly    *bool `json:"readOnlyHint"`
		Destructive *bool `json:"destructiveHint"`
		Idempotent  *bool `json:"idempotentHint"`
		OpenWorld   *bool `json:"openWorldHint"`
	}
	if raw.Kind() != '{' || json.Unmarshal(raw, &a) != nil {
		return nil
	}
	if a.ReadOnly == nil && a.Destructive == nil && a.Idempotent == nil && a.OpenWorld == nil {
		return nil
	}
	return &Annotations{ReadOnly: a.ReadOnly, Destructive: a.Destructive, Idempotent: a.Idempotent, OpenWorld: a.OpenWorld}
}

// hash is over RFC 8785's canonical form, so that white space and the order of members do not matter.
func (d *definition) hash() string {
	var b jsontext.Value
	b = append(b, '{')
	for _, m := range []struct {
		name  string
		value jsontext.Value
	}{
		{"annotations", d.Annotations},
		{"description", d.Description},
		{"inputSchema", d.InputSchema},
		{"name", d.Name},
		{"outputSchema", d.OutputSchema},
		{"title", d.Title},
	} {
		if len(m.value) == 0 {
			continue
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(b, `"`+m.name+`":`...)
		b = append(b, m.value...)
	}
	b = append(b, '}')
	// A value without a canonical form (a number beyond float64) is hashed as it was sent.
	_ = b.Canonicalize()
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// eachString calls f for every string of a JSON value, with the member name that it stands under.
func eachString(v jsontext.Value, f func(member, s string) bool) bool {
	dec := jsontext.NewDecoder(strings.NewReader(string(v)))
	member := ""
	for {
		tok, err := dec.ReadToken()
		if err != nil {
			return false
		}
		if tok.Kind() != '"' {
			member = ""
			continue
		}
		s := tok.String()
		if f(member, s) {
			return true
		}
		member = ""
		if kind, n := dec.StackIndex(dec.StackDepth()); kind == '{' && n%2 == 1 {
			member = s
		}
	}
}

func hidesInJSON(v jsontext.Value) bool {
	return eachString(v, func(_, s string) bool { return hides(s) })
}

func externalRef(v jsontext.Value) bool {
	return eachString(v, func(member, s string) bool {
		return (member == "$ref" || member == "$dynamicRef") && !strings.HasPrefix(s, "#")
	})
}
