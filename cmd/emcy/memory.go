package main

import "strings"

// ballastSize is memory that is asked for and never touched, so it is never
// resident. The collector takes it for part of the heap and lets garbage grow by as
// much more: a heap that is small beside what requests throw away would otherwise be
// collected many times a second. On a large heap it changes little, which a higher
// GOGC would not.
const ballastSize = 64 << 20

var ballast []byte

// collectLater leaves the collector alone where the operator has set it.
func collectLater(environ []string) {
	for _, kv := range environ {
		if name, _, _ := strings.Cut(kv, "="); name == "GOGC" || name == "GOMEMLIMIT" {
			return
		}
	}
	ballast = make([]byte, ballastSize)
}
