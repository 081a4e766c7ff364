package main

import "strings"

// ballastSize is memory that is asked for and never touched, so it is never
// resident. The collector takes it for part of the heap and lets garbage grow by as
// much more: a heap that is small beside what requests throw away would otherwise be
// collected many times a second. On a large heap it changes little, which a higher
// GOGC would not.
const ballastSize = 64 << 20

// ballast is to be kept alive while the process serves. There is none where the
// operator has set the collector.
func ballast(environ []string) []byte {
	for _, kv := range environ {
		if name, _, _ := strings.Cut(kv, "="); name == "GOGC" || name == "GOMEMLIMIT" {
			return nil
		}
	}
	return make([]byte, ballastSize)
}
