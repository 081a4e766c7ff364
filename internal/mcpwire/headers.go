package mcpwire

import (
	"encoding/base64"
	"net/http"
	"strings"
	"unicode/utf8"
)

// CheckHeaders verifies that the headers which mirror the body say what the body says, as 2026-07-28
// demands of everyone who reads both. A refusal is an *Error with CodeHeaderMismatch. Older messages
// need no such headers, but one that is there and lies is refused all the same: the runtime may believe it.
// Batches are refused for every version that has none.
func CheckHeaders(h http.Header, m *Message) error {
	version, ok := single(h, HeaderProtocolVersion)
	if !ok {
		return mismatch(m, HeaderProtocolVersion+" is given twice")
	}
	if m.Modern && version != m.ProtocolVersion {
		return mismatch(m, HeaderProtocolVersion+" differs from the version in the body")
	}
	if m.Kind == KindBatch {
		return checkBatch(h, version, m)
	}
	modern := m.Modern || version >= FirstModern
	if err := mirrored(h, m, HeaderMethod, m.Method, modern && m.Kind == KindRequest); err != nil {
		return err
	}
	return mirrored(h, m, HeaderName, m.Name, modern && m.Kind == KindRequest && m.Name != "")
}

// checkBatch allows batches to 2025-03-26, which is also the version of a request that names none, and to its
// elders. Nothing mirrors a batch, so that a header which does is about something else.
func checkBatch(h http.Header, version string, m *Message) error {
	modern := version > Version20250326
	for i := range m.Batch {
		modern = modern || m.Batch[i].Modern
	}
	if modern {
		return refuse("this version of MCP has no batches")
	}
	if err := mirrored(h, m, HeaderMethod, "", false); err != nil {
		return err
	}
	return mirrored(h, m, HeaderName, "", false)
}

func mirrored(h http.Header, m *Message, header, want string, required bool) error {
	raw, ok := single(h, header)
	if !ok {
		return mismatch(m, header+" is given twice")
	}
	if _, present := h[header]; !present {
		if required {
			return mismatch(m, header+" is missing")
		}
		return nil
	}
	if got, ok := HeaderValue(raw); !ok || got != want {
		return mismatch(m, header+" differs from the body")
	}
	return nil
}

func single(h http.Header, name string) (string, bool) {
	switch values := h[name]; len(values) {
	case 0:
		return "", true
	case 1:
		return values[0], true
	default:
		return "", false
	}
}

func mismatch(m *Message, reason string) error {
	return &Error{Code: CodeHeaderMismatch, Reason: reason, ID: m.ID}
}

const encodedPrefix, encodedSuffix = "=?base64?", "?="

// HeaderValue decodes a mirrored header's value: names that do not fit a header travel as =?base64?...?=.
func HeaderValue(raw string) (string, bool) {
	inner, found := strings.CutPrefix(raw, encodedPrefix)
	if !found {
		return raw, true
	}
	inner, found = strings.CutSuffix(inner, encodedSuffix)
	if !found {
		return raw, true
	}
	plain, err := base64.StdEncoding.Strict().DecodeString(inner)
	if err != nil || !utf8.Valid(plain) {
		return "", false
	}
	return string(plain), true
}
