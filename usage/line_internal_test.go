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
			read := event.Event{Reason: "of the line before"}
			require.True(t, parseLine([]byte(line), &read))
			require.Equal(t, same, read)
		}
	}
}

// TestParserReadsOwnLines: encoding/json is for the rare line only.
func TestParserReadsOwnLines(t *testing.T) {
	t.Parallel()
	want := usual
	for range 2 { // the second time over itself
		var got event.Event
		p := parser{rest: appendLine(nil, &want)}
		require.True(t, p.event(&got))
		require.Equal(t, want, got)
		want.Reason, want.Stream, want.Generation = "", true, 0
	}
}

// FuzzParseLine: the parser takes no line that encoding/json reads differently.
func FuzzParseLine(f *testing.F) {
	line := string(appendLine(nil, &usual))
	f.Add(line)
	for _, change := range [][2]string{
		{"\n", ""},
		{`:200`, `:0200`},
		{`:200`, `:+200`},
		{`:200`, `:2e2`},
		{`:200`, `:-0`},
		{`:200`, `:99999999999999999999`},
		{`:7,`, `:-7,`},
		{`echo`, "\u00e9"},
		{`echo`, "\xff"},
		{`echo`, "a\x00"},
		{`Z"`, `+01:00"`},
		{`true`, `null`},
		{`Reason`, `reason`},
		{`}`, `,"ID":"evt_2"}`},
		{`}`, `} x`},
	} {
		f.Add(strings.Replace(line, change[0], change[1], 1))
	}
	f.Fuzz(func(t *testing.T, line string) {
		got := event.Event{TenantID: "of the line before", Status: 7, Stream: true}
		p := parser{rest: []byte(line)}
		if !p.event(&got) {
			return
		}
		var want event.Event
		require.NoError(t, json.Unmarshal([]byte(line), &want))
		require.Equal(t, want, got)
	})
}

// usual is an event with something in every field.
var usual = event.Event{
	TenantID: "tnt_0123456789abcdefghjkmnpqrs", ID: "evt_0123456789abcdefghjkmnpqrs", At: time.Date(2026, 11, 22, 12, 0, 0, 123456789, time.UTC),
	RequestID: "req_0123456789abcdefghjkmnpqrs", Generation: 7, UpstreamID: "ups_1", ClientID: "cli_1", Subject: "acc_1", FamilyID: "fam_1", HTTPMethod: "POST",
	Method: "tools/call", Name: "echo", ProtocolVersion: "2025-11-25", Status: 200, Outcome: event.Success, Reason: "because", Finished: true,
	Gateway: 150 * time.Microsecond, Upstream: 2 * time.Millisecond, Total: -2150 * time.Microsecond, RequestBytes: 90, ResponseBytes: 300,
}

func BenchmarkParseLine(b *testing.B) {
	line := appendLine(nil, &usual)
	var e event.Event
	b.ReportAllocs()
	for b.Loop() {
		require.True(b, parseLine(line, &e))
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
