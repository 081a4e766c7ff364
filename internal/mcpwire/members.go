package mcpwire

import (
	"bytes"
	"errors"

	"github.com/go-json-experiment/json/jsontext"
)

// Members of params that a retry carries since 2026-07-28 (multi round-trip requests).
const (
	ParamRequestState   = "requestState"
	ParamInputResponses = "inputResponses"
)

// Member is one member of an object: its name, and its value as written.
type Member struct {
	Name  string
	Value []byte
}

// Lookup gives the value of the last name in a path of objects, as written, or nil where there is none.
// The document is one that Peek has accepted; a name in an escaped spelling is another name.
func Lookup(object []byte, path ...string) []byte {
	for _, name := range path {
		var found []byte
		_ = eachMember(object, func(m span) {
			if string(object[m.nameStart+1:m.nameEnd-1]) == name {
				found = object[m.valueStart:m.end]
			}
		})
		if object = found; object == nil {
			return nil
		}
	}
	return object
}

// IsObject reports whether a value as written is an object.
func IsObject(value []byte) bool { return len(value) > 0 && value[0] == '{' }

// DeclaresURLElicitation reports whether the client can lead its user to an address: the capability
// elicitation.url, in initialize for the session and since 2026-07-28 in every request.
func DeclaresURLElicitation(m *Message) bool {
	capabilities := Lookup(m.Params, "_meta", MetaClientCapabilities)
	if m.Method == MethodInitialize {
		capabilities = Lookup(m.Params, "capabilities")
	}
	return IsObject(Lookup(capabilities, "elicitation", "url"))
}

// span is where a member stands in its object.
type span struct{ nameStart, nameEnd, valueStart, end int }

// eachMember walks the members of an object. What is no object has none.
func eachMember(object []byte, f func(span)) error {
	if !IsObject(object) {
		return nil
	}
	dec := jsontext.NewDecoder(bytes.NewReader(object))
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	for dec.PeekKind() != '}' {
		name, err := dec.ReadValue()
		if err != nil {
			return err
		}
		var m span
		m.nameEnd = int(dec.InputOffset())
		m.nameStart = m.nameEnd - len(name)
		value, err := dec.ReadValue()
		if err != nil {
			return err
		}
		m.end = int(dec.InputOffset())
		m.valueStart = m.end - len(value)
		f(m)
	}
	_, err := dec.ReadToken()
	return err
}

var errNoParams = errors.New("the message has no params")

// SwapParams gives the message with the named members of params taken out and others put in at the end.
// Every other byte of every other member stays as it was. The body is one that Peek has accepted and no
// batch.
func SwapParams(body []byte, out []string, in ...Member) ([]byte, error) {
	var params span
	body = bytes.TrimSpace(body)
	err := eachMember(body, func(m span) {
		if string(body[m.nameStart:m.nameEnd]) == `"params"` {
			params = m
		}
	})
	if err != nil {
		return nil, err
	}
	object := body[params.valueStart:params.end]
	if !IsObject(object) {
		return nil, errNoParams
	}
	next := make([]byte, 0, len(body)+64)
	next = append(append(next, body[:params.valueStart]...), '{')
	first := len(next)
	comma := func() {
		if len(next) > first {
			next = append(next, ',')
		}
	}
	err = eachMember(object, func(m span) {
		for _, name := range out {
			if string(object[m.nameStart+1:m.nameEnd-1]) == name {
				return
			}
		}
		comma()
		next = append(next, object[m.nameStart:m.end]...)
	})
	if err != nil {
		return nil, err
	}
	for _, m := range in {
		comma()
		if next, err = jsontext.AppendQuote(next, m.Name); err != nil {
			return nil, err
		}
		next = append(append(next, ':'), m.Value...)
	}
	return append(append(next, '}'), body[params.end:]...), nil
}
