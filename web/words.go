package web

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/ui/pages"
)

// moment is a time ready to show; the zero time is "never".
func moment(t time.Time) pages.Moment {
	if t.IsZero() {
		return pages.Moment{}
	}
	t = t.UTC()
	return pages.Moment{ISO: t.Format(time.RFC3339Nano), Text: t.Format(time.DateTime)}
}

// took is a duration in words, with as many digits as somebody can use.
func took(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	switch {
	case d <= 0:
		return "0 ms"
	case ms < 10:
		return strconv.FormatFloat(max(ms, 0.1), 'f', 1, 64) + " ms"
	case d < time.Second:
		return strconv.FormatFloat(math.Round(ms), 'f', 0, 64) + " ms"
	case d < time.Minute:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
	}
	return d.Round(time.Second).String()
}

// grouped is a number with separators.
func grouped(n int64) string {
	digits := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

// size is a number of bytes in words.
func size(n int64) string {
	switch {
	case n < 1000:
		return strconv.FormatInt(n, 10) + " B"
	case n < 1_000_000:
		return strconv.FormatFloat(float64(n)/1000, 'f', 1, 64) + " kB"
	}
	return strconv.FormatFloat(float64(n)/1_000_000, 'f', 1, 64) + " MB"
}

// count is "1 call" or "3 calls".
func count(n int64, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return grouped(n) + " " + one + "s"
}

func roleName(r authz.Role) string {
	switch r {
	case authz.Owner:
		return "Owner"
	case authz.Admin:
		return "Admin"
	case authz.Developer:
		return "Developer"
	case authz.Viewer:
		return "Viewer"
	}
	return "Unknown"
}

// approxTokens is an estimate, said as one.
func approxTokens(n int) string { return fmt.Sprintf("~%s", grouped(int64(n))) }

// sentence makes words that stand in lists elsewhere into one.
func sentence(words string) string {
	first, width := utf8.DecodeRuneInString(words)
	if width == 0 {
		return ""
	}
	out := string(unicode.ToUpper(first)) + words[width:]
	if !strings.HasSuffix(out, ".") {
		out += "."
	}
	return out
}
