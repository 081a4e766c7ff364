package web

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server/trace"
)

// TestEveryFailureHasWords: each has a cause and a cure in sentences, and no step is
// without a title or without words for a try that stops there.
func TestEveryFailureHasWords(t *testing.T) {
	t.Parallel()
	check := func(r remedy, where string) {
		require.NotEmpty(t, r.short, where)
		require.LessOrEqual(t, len(r.short), 30, where)
		for _, text := range []string{r.why, r.cure} {
			require.True(t, strings.HasSuffix(text, "."), "%s: %q", where, text)
		}
	}
	for step, codes := range failures {
		for code, r := range codes {
			check(r, string(step)+" "+code)
		}
	}
	for code, r := range anyFailure {
		check(r, code)
	}
	for step, r := range stalls {
		check(r, string(step))
	}
	check(silent, "silent")
	for _, step := range trace.Steps() {
		require.NotEmpty(t, traceTitles[step], step)
		check(remedy{"x", remedyFor(step, "unheard_of").why, remedyFor(step, "unheard_of").cure}, string(step))
		if !step.Reached(trace.Token) {
			require.Contains(t, stalls, step)
		}
	}
}

func TestTraceDots(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		reached, failed trace.Step
		want            string
	}{
		{"", "", "......"},
		{"", trace.Challenge, "x....."},
		{trace.Challenge, "", "o....."},
		{trace.ServerMetadata, trace.Register, "ox...."},
		{trace.ServerMetadata, trace.ClientDocument, "ox...."},
		{trace.Register, trace.Authorize, "oox..."},
		{trace.Authorize, trace.SignIn, "oox..."},
		{trace.SignIn, trace.Consent, "ooox.."},
		{trace.Code, trace.Token, "oooox."},
		{trace.Token, trace.FirstRequest, "oooox."},
		{trace.Token, "", "oooo.."},
		{trace.FirstRequest, trace.ToolsList, "ooooox"},
		{trace.ToolsList, trace.FirstCall, "ooooox"},
		{trace.FirstCall, "", "oooooo"},
	} {
		got := ""
		for _, d := range traceDots(trace.Trace{Reached: c.reached, FailedStep: c.failed}) {
			switch {
			case d.Failed:
				got += "x"
			case d.Done:
				got += "o"
			default:
				got += "."
			}
		}
		require.Equal(t, c.want, got, "%s, failed at %s", c.reached, c.failed)
	}
}
