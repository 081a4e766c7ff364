package clients

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/internal/clock"
)

func TestWindowsAreBounded(t *testing.T) {
	t.Parallel()
	l := NewHourly(clock.NewManual(time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)), 1)
	for i := range uint32(maxWindows + 5000) {
		var a [16]byte
		a[0] = 0x20
		binary.BigEndian.PutUint32(a[4:], i)
		l.Take("tnt", netip.AddrFrom16(a))
	}
	require.LessOrEqual(t, len(l.seen), maxWindows)
	require.Zero(t, l.Take("tnt", netip.Addr{}), "an address that is not known is one like any other")
}
