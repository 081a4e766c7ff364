package mcpwire

import (
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// ErrorBody writes a JSON-RPC error answer. The id is repeated as it was written; where there is none
// to repeat, it is null.
func ErrorBody(id []byte, code int, message string) []byte {
	b := make([]byte, 0, 64+len(id)+len(message))
	b = append(b, `{"jsonrpc":"2.0","id":`...)
	if len(id) == 0 || !jsontext.Value(id).IsValid() {
		b = append(b, "null"...)
	} else {
		b = append(b, id...)
	}
	b = append(b, `,"error":{"code":`...)
	b = strconv.AppendInt(b, int64(code), 10)
	b = append(b, `,"message":`...)
	// The only error of AppendQuote is invalid UTF-8, which ToValidUTF8 has just removed.
	b, _ = jsontext.AppendQuote(b, strings.ToValidUTF8(message, "\uFFFD"))
	return append(b, "}}"...)
}
