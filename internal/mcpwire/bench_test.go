package mcpwire

import (
	"fmt"
	"strings"
	"testing"
)

func BenchmarkPeek(b *testing.B) {
	for _, size := range []int{100, 4 << 10, 64 << 10} {
		argument := strings.Repeat(`{"k":"value and value","n":[1,2,3]},`, size/36)
		body := []byte(`{"jsonrpc":"2.0","id":12,"method":"tools/call","params":{"name":"search","arguments":{"rows":[` + argument + `0]},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}`)
		b.Run(fmt.Sprintf("%dB", len(body)), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				if _, err := Peek(body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
