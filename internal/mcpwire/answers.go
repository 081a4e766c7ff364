package mcpwire

import (
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Elicitation leads a client's user to an address (mode url).
type Elicitation struct {
	// ID names it where the version has ids for it (2025-11-25).
	ID           string
	URL, Message string
}

type response struct {
	JSONRPC string         `json:"jsonrpc"`
	ID      jsontext.Value `json:"id"`
	Result  any            `json:"result,omitzero"`
	Error   *errorObject   `json:"error,omitzero"`
}

type errorObject struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Data    any    `json:"data,omitzero"`
}

type elicitParams struct {
	Mode    string `json:"mode"`
	ID      string `json:"elicitationId,omitzero"`
	URL     string `json:"url"`
	Message string `json:"message"`
}

func (e Elicitation) params() elicitParams {
	return elicitParams{Mode: "url", ID: e.ID, URL: clean(e.URL), Message: clean(e.Message)}
}

type toolResult struct {
	ResultType string      `json:"resultType,omitzero"`
	Content    []textBlock `json:"content"`
	IsError    bool        `json:"isError"`
}

type textBlock struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

// ToolErrorBody writes the answer to a call of a tool that says in words what keeps it from being done.
// Results have a type since 2026-07-28, which is what modern says.
func ToolErrorBody(id []byte, text string, modern bool) []byte {
	result := toolResult{Content: []textBlock{{"text", clean(text)}}, IsError: true}
	if modern {
		result.ResultType = "complete"
	}
	return write(response{ID: id, Result: result})
}

// InputRequiredBody writes an answer of 2026-07-28 that asks the client for one thing under a key, with
// what the client has to bring back.
func InputRequiredBody(id []byte, key string, e Elicitation, requestState string) []byte {
	e.ID = ""
	return write(response{ID: id, Result: struct {
		ResultType    string         `json:"resultType"`
		InputRequests map[string]any `json:"inputRequests"`
		RequestState  string         `json:"requestState"`
	}{
		"input_required",
		map[string]any{key: struct {
			Method string       `json:"method"`
			Params elicitParams `json:"params"`
		}{MethodElicit, e.params()}},
		requestState,
	}})
}

// URLElicitationBody writes 2025-11-25's error that asks the client to lead its user to an address and
// then to try again.
func URLElicitationBody(id []byte, message string, e Elicitation) []byte {
	return write(response{ID: id, Error: &errorObject{
		Code: CodeURLElicitation, Message: clean(message),
		Data: struct {
			Elicitations []elicitParams `json:"elicitations"`
		}{[]elicitParams{e.params()}},
	}})
}

// BatchBody puts answers together to the answer to a batch.
func BatchBody(answers [][]byte) []byte {
	b := []byte{'['}
	for i, a := range answers {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, a...)
	}
	return append(b, ']')
}

func write(r response) []byte {
	r.JSONRPC = "2.0"
	if len(r.ID) == 0 || !r.ID.IsValid() {
		r.ID = jsontext.Value("null")
	}
	// Strings of valid UTF-8 and a valid value always marshal.
	b, _ := json.Marshal(r, json.Deterministic(true), jsontext.PreserveRawStrings(true))
	return b
}

func clean(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
