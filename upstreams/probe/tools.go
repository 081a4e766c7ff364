package probe

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	stdjson "encoding/json"
	"fmt"
	"regexp"
	"slices"
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
	whole  bool   // it was read to its end before it was cut, so that what is left does not depend on its order
}

// firstByName keeps MaxTools of a longer list, the same ones in whatever order they
// came: first those that have a name.
func firstByName(tools []jsontext.Value) []jsontext.Value {
	type named struct {
		name string
		tool jsontext.Value
	}
	sorted := make([]named, len(tools))
	for i, tool := range tools {
		sorted[i].tool = tool
		var def struct {
			Name string `json:"name"`
		}
		if json.Unmarshal(tool, &def) == nil {
			sorted[i].name = def.Name
		}
	}
	slices.SortStableFunc(sorted, func(a, b named) int {
		if (a.name == "") != (b.name == "") {
			return cmp.Compare(b.name, a.name) // no name comes last
		}
		return cmp.Compare(a.name, b.name)
	})
	kept := make([]jsontext.Value, MaxTools)
	for i := range kept {
		kept[i] = sorted[i].tool
	}
	return kept
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
		case size > MaxListBytes:
			l.shorten()
			l.cut = "it is larger than 1 MB"
		case cursor == "":
			if len(l.tools) > MaxTools {
				l.tools = firstByName(l.tools)
				l.cut = fmt.Sprintf("it has more than %d tools", MaxTools)
				l.whole = true
			}
			return l
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

// shorten drops tools from the end until the list is within its caps.
func (l *listing) shorten() {
	size := 0
	for i, tool := range l.tools {
		if size += len(tool); size > MaxListBytes || i == MaxTools {
			l.tools = l.tools[:i]
			return
		}
	}
}

// Listing is what a runtime lists: one definition per name.
type Listing struct {
	Definitions []Definition
	// Partial says that the runtime has more than could be read: what is not here need not be gone.
	Partial bool
}

// Definition is a tool as the runtime sent it, in one form of its own: white space, the order of members
// and the escapes of strings do not matter, every other byte does.
type Definition struct {
	Name string
	// JSON is the definition. Secrets that the gateway sent are sealed in it, where a runtime repeats them.
	JSON string
	// Hash is the SHA-256 of JSON, in hex.
	Hash        string
	Annotations *Annotations
}

// MaxName is the longest name, in bytes, under which a tool is kept.
const MaxName = 1024

// definition is a tool as sent, each member as written.
type definition struct {
	Title        jsontext.Value `json:"title"`
	Description  jsontext.Value `json:"description"`
	InputSchema  jsontext.Value `json:"inputSchema"`
	OutputSchema jsontext.Value `json:"outputSchema"`
}

var clientNames = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)

// judgeTools turns the definitions into the report's tools with their warnings, and into its listing.
// A definition that is none is left out, and the others stay.
func judgeTools(r *Report, clean *cleaner, list []jsontext.Value) {
	count := map[string]int{}
	malformed := 0
	r.Listing = &Listing{}
	for _, raw := range list {
		def, ok := clean.define(raw)
		if !ok {
			malformed++
			continue
		}
		count[def.Name]++
		tool := judgeTool(clean, raw, def)
		if count[def.Name] > 1 {
			tool.warn(WarnDuplicateName, "another tool has the same name: clients keep one of them or refuse all")
		} else {
			r.Listing.Definitions = append(r.Listing.Definitions, def)
		}
		r.Tools = append(r.Tools, tool)
	}
	r.ToolCount = len(r.Tools)
	if malformed > 0 {
		r.warn(WarnMalformedTool, fmt.Sprintf("%d of the tools have no usable name, or are no definition at all, and are left out", malformed))
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

// define reads a definition. A name that no database keeps and no client sends is as good as none.
func (c *cleaner) define(raw jsontext.Value) (Definition, bool) {
	raw = c.sealed(raw)
	if raw.Kind() != '{' || raw.Canonicalize(jsontext.CanonicalizeRawInts(false), jsontext.CanonicalizeRawFloats(false)) != nil {
		return Definition{}, false
	}
	var d struct {
		Name        jsontext.Value `json:"name"`
		Annotations jsontext.Value `json:"annotations"`
	}
	def := Definition{JSON: string(raw)}
	if json.Unmarshal(raw, &d) != nil || d.Name.Kind() != '"' || json.Unmarshal(d.Name, &def.Name) != nil {
		return Definition{}, false
	}
	if def.Name == "" || len(def.Name) > MaxName || strings.ContainsRune(def.Name, 0) {
		return Definition{}, false
	}
	sum := sha256.Sum256(raw)
	def.Hash, def.Annotations = hex.EncodeToString(sum[:]), annotations(d.Annotations)
	return def, true
}

// sealed returns a copy of v in which no string holds a secret.
func (c *cleaner) sealed(v jsontext.Value) jsontext.Value {
	tells := func(_, s string) bool {
		return slices.ContainsFunc(c.secrets, func(secret string) bool { return strings.Contains(s, secret) })
	}
	if !eachString(v, tells) {
		return v.Clone()
	}
	return c.rewrite(v, c.seal)
}

// Judge warns of what a client or a model could stumble over in a definition.
func Judge(definition string) []Warning {
	clean := &cleaner{}
	def, ok := clean.define(jsontext.Value(definition))
	if !ok {
		return []Warning{{Code: WarnMalformedTool, Words: "this is no definition of a tool"}}
	}
	return judgeTool(clean, jsontext.Value(definition), def).Warnings
}

// Hidden reports characters that a reader does not see, or that change the order of those that he does.
func Hidden(r rune) bool { return r != '\n' && r != '\t' && invisible(r) }

func judgeTool(clean *cleaner, raw jsontext.Value, def Definition) Tool {
	name := def.Name
	var d definition
	// What is not of the right form counts as absent.
	_ = json.Unmarshal(raw, &d)
	var title, description string
	_ = json.Unmarshal(d.Title, &title)
	_ = json.Unmarshal(d.Description, &description)
	tool := Tool{
		Name:         clean.line(name, maxShort),
		Title:        clean.line(title, maxTitle),
		Description:  clean.text(description, maxDescription),
		Annotations:  def.Annotations,
		Hash:         def.Hash,
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
	tool.judgeText(clean, raw)
	tool.judgeEffect(name)
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

func externalRef(v jsontext.Value) bool {
	return eachString(v, func(member, s string) bool {
		return (member == "$ref" || member == "$dynamicRef") && !strings.HasPrefix(s, "#")
	})
}
