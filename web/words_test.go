package web_test

import (
	"io"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

func itoa(n int) string { return strconv.Itoa(n) }

var tokenField = regexp.MustCompile(`name="csrf" value="([^"]+)"`)

// tokenIn is the form token of a page.
func tokenIn(t *testing.T, body io.Reader) string {
	t.Helper()
	page, err := io.ReadAll(body)
	require.NoError(t, err)
	found := tokenField.FindSubmatch(page)
	require.Len(t, found, 2, "%s", page)
	return string(found[1])
}
