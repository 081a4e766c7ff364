package oauthwire

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func received(fields ...string) []Received {
	return Challenges(http.Header{"Www-Authenticate": fields})
}

func TestChallenges(t *testing.T) {
	t.Parallel()
	none := map[string]string{}
	for field, want := range map[string][]Received{
		``:       nil,
		`,, ,`:   nil,
		`Bearer`: {{"Bearer", none}},
		`Bearer error="insufficient_scope", scope="a b", realm=x`: {{"Bearer", map[string]string{"error": "insufficient_scope", "scope": "a b", "realm": "x"}}},
		`Basic realm="a, Bearer error=\"x\"", Bearer ERROR=y`:     {{"Basic", map[string]string{"realm": `a, Bearer error="x"`}}, {"Bearer", map[string]string{"error": "y"}}},
		`Negotiate YWJj==, Bearer scope = "a"`:                    {{"Negotiate", map[string]string{"ywjj": "="}}, {"Bearer", map[string]string{"scope": "a"}}}, // a token68 is nobody's parameter
		`scope="a", Bearer scope="b", scope="c"`:                  {{"Bearer", map[string]string{"scope": "b"}}},
		`Bearer scope="open`:                                      {{"Bearer", map[string]string{"scope": `"open`}}},
		`Bearer scope=`:                                           {{"Bearer", map[string]string{"scope": ""}}},
	} {
		require.Equal(t, want, received(field), field)
	}
	two := received(`Bearer`, `realm="x", EmcyWorker error="invalid_secret"`)
	require.Equal(t, []Received{{"Bearer", none}, {"EmcyWorker", map[string]string{"error": "invalid_secret"}}}, two, "a field begins anew")
	found, ok := Find(two, "emcyworker")
	require.True(t, ok)
	require.Equal(t, "invalid_secret", found.Params["error"])
	_, ok = Find(two, "Basic")
	require.False(t, ok)
	require.Len(t, received(strings.Repeat("A, ", 100)), maxChallenges)
}

func FuzzChallenges(f *testing.F) {
	f.Add(`Bearer error="insufficient_scope", scope="a b"`)
	f.Add(`Basic realm="a\", b", EmcyWorker x=`)
	f.Fuzz(func(t *testing.T, field string) {
		for _, c := range received(field) {
			require.NotEmpty(t, c.Scheme)
			require.NotContains(t, c.Scheme, " ")
			for name := range c.Params {
				require.NotEmpty(t, name)
				require.Equal(t, strings.ToLower(name), name)
			}
		}
	})
}
