//go:build !unix

package outbound

// silent cannot look here, so no connection is used twice: an answer that nobody
// asked for would be taken for the next one's.
func silent(uintptr) bool { return false }
