package clients

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/internal/urltest"
)

// portless is an oracle that shares nothing with the code: it cuts the port of an
// http URI on one of the three loopback literals by hand, and knows no other form.
func portless(uri string) (rest string, ok bool) {
	for _, host := range []string{"http://localhost", "http://127.0.0.1", "http://[::1]"} {
		tail, found := strings.CutPrefix(uri, host)
		if !found {
			continue
		}
		if digits, isPort := strings.CutPrefix(tail, ":"); isPort {
			n, i := 0, 0
			for i < len(digits) && digits[i] >= '0' && digits[i] <= '9' && i < 6 {
				n, i = n*10+int(digits[i]-'0'), i+1
			}
			if n < 1 || n > 65535 || digits[0] == '0' {
				return "", false
			}
			tail = digits[i:]
		}
		if tail != "" && tail[0] != '/' && tail[0] != '?' {
			return "", false
		}
		return host + tail, true
	}
	return "", false
}

func FuzzMatchRedirect(f *testing.F) {
	for _, seed := range [][2]string{
		{"http://127.0.0.1:8899/callback", "http://127.0.0.1:1/callback"},
		{"http://localhost/cb", "http://localhost:5/cb"},
		{"http://[::1]:1/cb", "http://[::1]/cb"},
		{"https://claude.ai/cb", "https://claude.ai:443/cb"},
		{"cursor://x/cb", "cursor://x:1/cb"},
		{"http://localhost:1/cb?a=localhost:1", "http://localhost:2/cb?a=localhost:2"},
		{"http://localhost:8", "http://localhost:88"},
		{"http://127.0.0.1:1/a", "http://127.0.0.1:1@evil/a"},
	} {
		f.Add(seed[0], seed[1])
	}
	for _, registered := range []string{"https://app.example/oauth/cb?b=2&a=1", "http://127.0.0.1:8899/cb?b=2&a=1", "http://localhost/cb", "http://[::1]:1/cb", "com.example.app:/cb"} {
		f.Add(registered, registered)
		for _, m := range urltest.Mutations(registered) {
			f.Add(registered, m)
		}
	}
	f.Fuzz(func(t *testing.T, registered, requested string) {
		if !Registrable(registered) {
			return // it is never stored
		}
		matched := MatchRedirect([]string{registered}, requested)
		if registered == requested {
			require.True(t, matched)
			return
		}
		have, ok := portless(registered)
		want, also := portless(requested)
		onlyThePort := ok && also && have == want
		if matched {
			require.True(t, onlyThePort, "%q accepted for %q", requested, registered)
		}
		if onlyThePort && len(requested) <= maxRedirectURI {
			require.True(t, matched, "%q refused for %q, though only the port differs", requested, registered)
		}
	})
}

func FuzzRegistrable(f *testing.F) {
	for _, seed := range []string{"https://claude.ai/cb", "http://localhost:1/", "cursor://x", "com.a:/b", "javascript:alert(1)", "https://x;sandbox/", "https://[::1]:443/"} {
		f.Add(seed)
		for _, m := range urltest.Mutations(seed) {
			f.Add(m)
		}
	}
	plain := regexp.MustCompile(`^(?:https://(?:[A-Za-z0-9._-]+|\[[0-9a-fA-F:.]+\])(?::[1-9][0-9]{0,4})?(?:[/?].*)?|http://(?:localhost|127\.0\.0\.1|\[::1\])(?::[1-9][0-9]{0,4})?(?:[/?].*)?|[a-z][a-z0-9+.-]*:.*)$`)
	f.Fuzz(func(t *testing.T, uri string) {
		if !Registrable(uri) {
			return
		}
		require.Regexp(t, plain, uri)
		require.Regexp(t, `^[!-~]+$`, uri)
		require.NotRegexp(t, `^(?i:javascript|data|vbscript|file|blob|about|view-source|wss?):`, uri)
	})
}
