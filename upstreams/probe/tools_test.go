package probe

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"
)

func TestListsAreCut(t *testing.T) {
	t.Parallel()
	tool := func(i int) string {
		return fmt.Sprintf(`{"name":"t%d","description":"d","inputSchema":{"type":"object"}}`, i)
	}
	paged := func(next func(page int) string) reply {
		return func(w http.ResponseWriter, r *http.Request, a asked) {
			if a.Method != "tools/list" {
				modern("")(w, r, a)
				return
			}
			page := 0
			if cursor, ok := a.Params["cursor"].(string); ok {
				_, _ = fmt.Sscan(cursor, &page)
			}
			cursor, _ := json.Marshal(next(page))
			result(w, a, `{"tools":[`+tool(page)+`],"nextCursor":`+string(cursor)+`}`)
		}
	}
	t.Run("ten thousand tools", func(t *testing.T) {
		t.Parallel()
		var all []string
		for i := range 10000 {
			all = append(all, tool(i))
		}
		r := probeURL(t, newFake(t, modern(`{"tools":[`+strings.Join(all, ",")+`]}`)).URL)
		require.Equal(t, StateReady, r.State)
		require.Len(t, r.Tools, MaxTools)
		require.Contains(t, codes(r.Warnings), WarnToolsCut)
		require.Contains(t, codes(r.Warnings), WarnManyTools)
		requireStep(t, r, StepTools, StatusWarn, "more than 500 tools")
	})
	t.Run("too many in any order", func(t *testing.T) {
		t.Parallel()
		var all []string
		for i := range MaxTools + 1 {
			all = append(all, tool(i))
		}
		list := func(tools []string) *Listing {
			r := probeURL(t, newFake(t, modern(`{"tools":[`+strings.Join(tools, ",")+`]}`)).URL)
			require.Len(t, r.Listing.Definitions, MaxTools)
			require.False(t, r.Listing.Partial)
			return r.Listing
		}
		backwards := slices.Clone(all)
		slices.Reverse(backwards)
		nameless := append(slices.Repeat([]string{"{}"}, MaxTools), all...)
		require.ElementsMatch(t, list(all).Definitions, list(backwards).Definitions)
		require.ElementsMatch(t, list(all).Definitions, list(nameless).Definitions, "what has no name takes nobody's place")
	})
	t.Run("more than a megabyte", func(t *testing.T) {
		t.Parallel()
		r := probeURL(t, newFake(t, modern(`{"tools":[{"name":"x","description":"`+strings.Repeat("x", 1<<20)+`"}]}`)).URL)
		require.Equal(t, StateError, r.State)
		requireStep(t, r, StepTools, StatusFail, "too large")
	})
	t.Run("more than a megabyte on two pages", func(t *testing.T) {
		t.Parallel()
		fill := strings.Repeat("x", 700_000)
		pages := []string{`{"tools":[` + tool(0) + `,{"name":"x","description":"` + fill + `"}],"nextCursor":"1"}`, `{"tools":[` + tool(1) + `,{"name":"y","description":"` + fill + `"},` + tool(2) + `]}`}
		r := probeURL(t, newFake(t, func(w http.ResponseWriter, r *http.Request, a asked) {
			page := 0
			if a.Params["cursor"] == "1" {
				page = 1
			}
			modern(pages[page])(w, r, a)
		}).URL)
		require.Equal(t, StateReady, r.State)
		requireStep(t, r, StepTools, StatusWarn, "larger than 1 MB")
		require.Equal(t, 3, r.ToolCount, "what is beyond is left out, also where it came with the last page")
	})
	t.Run("a circle", func(t *testing.T) {
		t.Parallel()
		f := newFake(t, paged(func(page int) string { return fmt.Sprint((page + 1) % 3) }))
		r := probeURL(t, f.URL)
		require.Equal(t, StateReady, r.State)
		requireStep(t, r, StepTools, StatusWarn, "circle")
		require.LessOrEqual(t, len(f.requests("tools/list")), 5)
	})
	t.Run("pages without end", func(t *testing.T) {
		t.Parallel()
		f := newFake(t, paged(func(page int) string { return fmt.Sprint(page + 1) }))
		r := probeURL(t, f.URL)
		require.Equal(t, StateReady, r.State)
		requireStep(t, r, StepTools, StatusWarn, "more than 20 pages")
		require.Len(t, f.requests("tools/list"), MaxPages)
		require.Len(t, r.Tools, MaxPages)
	})
	t.Run("a cursor without end", func(t *testing.T) {
		t.Parallel()
		r := probeURL(t, newFake(t, paged(func(int) string { return strings.Repeat("9", 5000) })).URL)
		requireStep(t, r, StepTools, StatusWarn, "cursor is too long")
	})
	t.Run("without form", func(t *testing.T) {
		t.Parallel()
		for _, list := range []string{`{"tools":{}}`, `{"tools":[],"nextCursor":7}`, `[]`, `7`} {
			r := probeURL(t, newFake(t, modern(list)).URL)
			require.Equal(t, StateError, r.State)
			requireStep(t, r, StepTools, StatusFail, "does not have the form")
		}
	})
	t.Run("none", func(t *testing.T) {
		t.Parallel()
		for _, list := range []string{`{"tools":[]}`, `{"tools":null}`, `{}`} {
			r := probeURL(t, newFake(t, modern(list)).URL)
			require.Equal(t, StateReady, r.State)
			requireStep(t, r, StepTools, StatusWarn, "No tools")
			require.Contains(t, codes(r.Warnings), WarnNoTools)
		}
	})
}

func judge(t *testing.T, definitions ...string) Report {
	t.Helper()
	r := Report{}
	list := make([]jsontext.Value, len(definitions))
	for i, d := range definitions {
		list[i] = jsontext.Value(d)
	}
	judgeTools(&r, newCleaner(Target{Secret: testSecret}), list)
	return r
}

func TestToolWarnings(t *testing.T) {
	t.Parallel()
	const schema = `"inputSchema":{"type":"object"}`
	cases := []struct {
		name, definition string
		want             []string
	}{
		{"sound", `{"name":"a-B_c.9","description":"d",` + schema + `}`, []string{}},
		{"emoji with a joiner", `{"name":"a","description":"\ud83d\udc69\u200d\ud83d\udcbb \u2714\ufe0f \u0645\u06cc\u200c\u062e",` + schema + `}`, []string{}},
		{"no description", `{"name":"a",` + schema + `}`, []string{WarnDescription}},
		{"description of another type", `{"name":"a","description":["d"],` + schema + `}`, []string{WarnDescription}},
		{"long name", `{"name":"` + strings.Repeat("a", 65) + `","description":"d",` + schema + `}`, []string{WarnLongName}},
		{"name characters", `{"name":"a b","description":"d",` + schema + `}`, []string{WarnNameCharacters}},
		{"no schema", `{"name":"a","description":"d"}`, []string{WarnSchema}},
		{"schema of a string", `{"name":"a","description":"d","inputSchema":{"type":"string"}}`, []string{WarnSchema}},
		{"schema an array", `{"name":"a","description":"d","inputSchema":[]}`, []string{WarnSchema}},
		{"schema large", `{"name":"a","description":"d","inputSchema":{"type":"object","title":"` + strings.Repeat("x", maxSchema) + `"}}`, []string{WarnSchemaLarge}},
		{"external reference", `{"name":"a","description":"d","inputSchema":{"type":"object","properties":{"x":{"$ref":"https://e.example/s"}}}}`, []string{WarnExternalRef}},
		{"internal reference", `{"name":"a","description":"d","inputSchema":{"type":"object","properties":{"$ref":{"title":"x"},"x":{"$ref":"#/$defs/y"}}}}`, []string{}},
		{"bidi", `{"name":"a","description":"d\u202ed",` + schema + `}`, []string{WarnHidden}},
		{"tags", `{"name":"a","description":"d\udb40\udc41",` + schema + `}`, []string{WarnHidden}},
		{"zero width", `{"name":"a","description":"d\u200bd",` + schema + `}`, []string{WarnHidden}},
		{"joiners as bits", `{"name":"a","description":"d\u200c\u200d\u200cd",` + schema + `}`, []string{WarnHidden}},
		{"escape sequence", `{"name":"a","description":"\u001b[8m",` + schema + `}`, []string{WarnHidden}},
		{"hidden in the schema", `{"name":"a","description":"d","inputSchema":{"type":"object","properties":{"x":{"description":"\u2066x"}}}}`, []string{WarnHidden}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := judge(t, tc.definition)
			require.Len(t, r.Tools, 1)
			require.Equal(t, tc.want, codes(r.Tools[0].Warnings))
		})
	}
	r := judge(t, cases[0].definition, cases[0].definition, `7`, `{}`, `{"name":7}`, `{"name":""}`)
	require.Len(t, r.Tools, 2)
	require.Equal(t, []string{WarnDuplicateName}, codes(r.Tools[1].Warnings))
	require.Equal(t, []string{WarnMalformedTool}, codes(r.Warnings))
	for count, words := range map[int]string{21: "more than 20", 41: "first 40", 101: "more than 100"} {
		many := make([]string, count)
		for i := range many {
			many[i] = fmt.Sprintf(`{"name":"t%d"}`, i)
		}
		require.Contains(t, judge(t, many...).Warnings[0].Words, words)
	}
}

func TestToolTextIsMadeSafe(t *testing.T) {
	t.Parallel()
	r := judge(t, `{"name":"a\nb\u202e","title":"T\u0000`+strings.Repeat("x", 1000)+`","description":"line\r\nnext `+testSecret+`\u200b `+strings.Repeat("ä", 9000)+`","inputSchema":{"type":"object","\u202ek":"v\u202e `+testSecret+`","n":1.0}}`)
	tool := r.Tools[0]
	require.Equal(t, "a b", tool.Name)
	require.Len(t, []rune(tool.Title), maxTitle)
	require.True(t, strings.HasPrefix(tool.Description, "line\nnext [sealed] ä"))
	require.Len(t, []rune(tool.Description), maxDescription)
	require.JSONEq(t, `{"type":"object","k":"v [sealed]","n":1.0}`, string(tool.InputSchema))
	// Two names that become one cannot be told apart any more.
	r = judge(t, `{"name":"a","description":"d","inputSchema":{"type":"object","k":1,"\u202ek":2}}`)
	require.Nil(t, r.Tools[0].InputSchema)
}

func TestHashFollowsTheMeaning(t *testing.T) {
	t.Parallel()
	define := func(d string) Definition {
		r := judge(t, d)
		require.Len(t, r.Listing.Definitions, 1, d)
		require.Equal(t, r.Listing.Definitions[0].Hash, r.Tools[0].Hash)
		return r.Listing.Definitions[0]
	}
	hash := func(d string) string { return define(d).Hash }
	base := hash(`{"name":"a","description":"d","inputSchema":{"type":"object","properties":{"x":{},"y":{"maximum":9007199254740993,"default":1.0}}}}`)
	for _, same := range []string{
		`{ "inputSchema":{"properties":{"y":{"default":1.0,"maximum":9007199254740993}, "x":{}},"type":"object"}, "description":"\u0064","name":"a"}`,
		"{\"name\":\"\\u0061\",\n\t\"description\":\"d\",\"inputSchema\":{\"type\":\"object\",\"properties\":{\"x\":{},\"y\":{\"maximum\":9007199254740993,\"default\":1.0}}}}\n",
	} {
		require.Equal(t, base, hash(same), same)
	}
	for _, changed := range []string{
		`{"name":"b","description":"d","inputSchema":{"type":"object","properties":{"x":{},"y":{"maximum":9007199254740993,"default":1.0}}}}`,
		`{"name":"a","description":"d ","inputSchema":{"type":"object","properties":{"x":{},"y":{"maximum":9007199254740993,"default":1.0}}}}`,
		`{"name":"a","description":"d\u200b","inputSchema":{"type":"object","properties":{"x":{},"y":{"maximum":9007199254740993,"default":1.0}}}}`,
		`{"name":"a","description":"d","inputSchema":{"type":"object","properties":{"x":{},"y":{"maximum":9007199254740992,"default":1.0}}}}`,
		`{"name":"a","description":"d","inputSchema":{"type":"object","properties":{"x":{}}}}`,
		`{"name":"a","description":"d","inputSchema":{"type":"object","properties":{"x":{},"y":{"maximum":9007199254740993,"default":1.0}}},"annotations":{"readOnlyHint":true}}`,
		`{"name":"a","description":"d","inputSchema":{"type":"object","properties":{"x":{},"y":{"maximum":9007199254740993,"default":1.0}}},"outputSchema":{}}`,
		`{"name":"a","title":"t","description":"d","inputSchema":{"type":"object","properties":{"x":{},"y":{"maximum":9007199254740993,"default":1.0}}}}`,
		// What a client shows beside the words, and what it loads for them, is part of the tool too.
		`{"name":"a","icons":[],"description":"d","inputSchema":{"type":"object","properties":{"x":{},"y":{"maximum":9007199254740993,"default":1.0}}}}`,
		`{"name":"a","_meta":{"ui":{"resourceUri":"ui://x"}},"description":"d","inputSchema":{"type":"object","properties":{"x":{},"y":{"maximum":9007199254740993,"default":1.0}}}}`,
	} {
		require.NotEqual(t, base, hash(changed), changed)
	}
	odd := define(`{"name":"a","inputSchema":{"maximum":1e999,"b":1,"a":"\u0000\ud83d\ude42"}}`)
	require.Equal(t, `{"inputSchema":{"a":"\u0000🙂","b":1,"maximum":1e999},"name":"a"}`, odd.JSON, "no byte of it is lost")
	require.Equal(t, odd, define(odd.JSON))
}

func TestTheListingIsWhatWasSent(t *testing.T) {
	t.Parallel()
	r := judge(t,
		`{"name":"a","description":"Say `+testSecret+`\u202e","`+testSecret+`":1}`, `{"name":"a","description":"again"}`, `{"name":"b\u0000"}`, `{"name":"`+strings.Repeat("n", MaxName+1)+`"}`,
		`{"name":"`+strings.Repeat("n", MaxName)+`","annotations":{"destructiveHint":false}}`, `[]`, `"a"`, `{"name":["a"]}`, `{"Name":"a"}`, `{"name":"x","a":1,"a":2}`,
	)
	require.Len(t, r.Listing.Definitions, 2)
	require.Equal(t, "{\"[sealed]\":1,\"description\":\"Say [sealed]\u202e\",\"name\":\"a\"}", r.Listing.Definitions[0].JSON)
	require.False(t, *r.Listing.Definitions[1].Annotations.Destructive)
	require.Equal(t, 3, r.ToolCount)
	require.Contains(t, r.Warnings[0].Words, "7 of the tools")

	kept := r.WithoutTools()
	require.Nil(t, kept.Listing)
	require.Empty(t, kept.Tools)
	require.Equal(t, 3, kept.ToolCount)
	require.Contains(t, kept.Warnings, Warning{Code: WarnDuplicateName, Tool: "a", Words: "another tool has the same name: clients keep one of them or refuse all"})
	require.Len(t, r.Tools, 3, "the report itself stays whole")
	require.Equal(t, kept, kept.WithoutTools())
}

func TestAStoredDefinitionIsJudgedAgain(t *testing.T) {
	t.Parallel()
	require.Contains(t, codes(Judge(`{"name":"a b\u202e"}`)), WarnHidden)
	require.Contains(t, codes(Judge(`{"name":"a b"}`)), WarnNameCharacters)
	require.Equal(t, []string{WarnMalformedTool}, codes(Judge(`{}`)))
	for r, hidden := range map[rune]bool{'a': false, '\n': false, '\t': false, ' ': false, 'ж': false, '🙂': false, '\u202e': true, '\x1b': true, '\r': true, '\u200b': true, '\U000e0041': true} {
		require.Equal(t, hidden, Hidden(r), "%U", r)
	}
}

// FuzzAnswer feeds a hostile runtime's bytes through everything that reads them.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"jsonrpc":"2.0","id":1,"result":` + oneTool + `}`, `{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"m"}}`, `[{"jsonrpc":"2.0","id":1,"result":{}}]`,
		"event: message\r\ndata: {\"jsonrpc\":\"2.0\",\r\ndata: \"id\":1,\"result\":{}}\r\n\r\n", "data\n\n:x\nid:1\n\n", "\xef\xbb\xbfdata: 1\n\n", "<html>", "\x00\xff",
	} {
		f.Add([]byte(seed), 200)
	}
	f.Fuzz(func(t *testing.T, body []byte, status int) {
		r := &run{report: &Report{}, clean: newCleaner(Target{Secret: testSecret})}
		for _, read := range []func(*answer){
			func(a *answer) { a.readBody(strings.NewReader(string(body)), "application/json", "1") },
			func(a *answer) { a.readStream(strings.NewReader(string(body)), "1") },
		} {
			a := &answer{status: status, header: http.Header{}}
			read(a)
			if !a.ok() {
				words, next := r.explain(a)
				require.NotEmpty(t, words)
				require.NotEmpty(t, next)
				continue
			}
			judgeTools(r.report, r.clean, []jsontext.Value{a.result})
		}
		judgeTools(r.report, r.clean, []jsontext.Value{jsontext.Value(body)})
		_, err := json.Marshal(r.report)
		require.NoError(t, err)
	})
}
