package event

import "strings"

// Because is a Reason with what it was about behind a colon, such as the scopes that a
// call needed.
func Because(code, detail string) string { return code + ":" + detail }

// SplitReason gives a Reason's stable code, and the detail where there is one.
func SplitReason(reason string) (code, detail string) {
	code, detail, _ = strings.Cut(reason, ":")
	return code, detail
}
