package usage

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/emcy/gateway/usage/event"
)

// appendLine writes an event as encoding/json would, in a fraction of the time: each
// request waits for it.
func appendLine(b []byte, e *event.Event) []byte {
	b = append(b, '{')
	b = text(b, "TenantID", e.TenantID)
	b = text(b, "ID", e.ID)
	b = append(member(b, "At"), '"')
	b = append(e.At.AppendFormat(b, time.RFC3339Nano), '"')
	b = text(b, "RequestID", e.RequestID)
	b = strconv.AppendUint(member(b, "Generation"), e.Generation, 10)
	b = text(b, "UpstreamID", e.UpstreamID)
	b = text(b, "ClientID", e.ClientID)
	b = text(b, "Subject", e.Subject)
	b = text(b, "FamilyID", e.FamilyID)
	b = text(b, "HTTPMethod", e.HTTPMethod)
	b = text(b, "Method", e.Method)
	b = text(b, "Name", e.Name)
	b = text(b, "ProtocolVersion", e.ProtocolVersion)
	b = number(b, "Status", int64(e.Status))
	b = text(b, "Outcome", string(e.Outcome))
	b = text(b, "Reason", e.Reason)
	b = strconv.AppendBool(member(b, "Stream"), e.Stream)
	b = strconv.AppendBool(member(b, "Finished"), e.Finished)
	b = number(b, "Gateway", int64(e.Gateway))
	b = number(b, "Upstream", int64(e.Upstream))
	b = number(b, "Total", int64(e.Total))
	b = number(b, "RequestBytes", e.RequestBytes)
	b = number(b, "ResponseBytes", e.ResponseBytes)
	return append(b, '}', '\n')
}

// member begins a member of the object.
func member(b []byte, name string) []byte {
	if b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	b = append(b, '"')
	b = append(b, name...)
	return append(b, '"', ':')
}

func number(b []byte, name string, n int64) []byte { return strconv.AppendInt(member(b, name), n, 10) }

func text(b []byte, name, value string) []byte {
	b = member(b, name)
	for i := range len(value) {
		if c := value[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, err := json.Marshal(value)
			if err != nil {
				quoted = []byte(`""`) // a string always marshals
			}
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, value...)
	return append(b, '"')
}
