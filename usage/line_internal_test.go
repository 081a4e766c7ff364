package usage

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/usage/event"
)

// TestLineHoldsEveryField fails as soon as an event has a field that is not written.
func TestLineHoldsEveryField(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"", "plain", `quo"te`, `back\slash`, "a\x00\n\x7fb", "é€😀", "\xff\xfe", "<&>\u2028"} {
		var e event.Event
		v := reflect.ValueOf(&e).Elem()
		for i := range v.NumField() {
			switch f := v.Field(i); {
			case f.Kind() == reflect.String:
				f.SetString(value + v.Type().Field(i).Name)
			case f.Kind() == reflect.Bool:
				f.SetBool(true)
			case f.CanUint():
				f.SetUint(math.MaxUint64)
			case f.CanInt():
				f.SetInt(math.MinInt64 + int64(i))
			default:
				require.Equal(t, "At", v.Type().Field(i).Name)
				e.At = time.Date(2026, 11, 22, 12, 0, 0, 123456789, time.UTC)
			}
		}
		for _, one := range []event.Event{e, {}} {
			line := string(appendLine(nil, &one))
			require.Equal(t, 1, strings.Count(line, "\n"))
			want, err := json.Marshal(one)
			require.NoError(t, err)
			require.JSONEq(t, string(want), line)
			var got, same event.Event
			require.NoError(t, json.Unmarshal([]byte(line), &got))
			require.NoError(t, json.Unmarshal(want, &same))
			require.Equal(t, same, got)
		}
	}
}

func BenchmarkAppendLine(b *testing.B) {
	e := event.Event{TenantID: "tnt_0123456789abcdefghjkmnpqrs", ID: "evt_0123456789abcdefghjkmnpqrs", At: time.Now().UTC(), Method: "tools/call", Outcome: event.Success}
	buf := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		buf = appendLine(buf[:0], &e)
	}
}
