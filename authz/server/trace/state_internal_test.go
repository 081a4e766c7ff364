package trace

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestJudge(t *testing.T) {
	t.Parallel()
	for steps, want := range map[string]verdict{
		"challenge":                                     {state: Discovering, reached: Challenge},
		"challenge register":                            {state: Registered, reached: Register},
		"register authorize":                            {state: SigningIn, reached: Authorize},
		"authorize sign_in!not_accepted":                {state: Failed, reached: Authorize, failed: SignIn, code: "not_accepted"},
		"authorize sign_in!not_accepted sign_in":        {state: Consenting, reached: SignIn},
		"authorize sign_in consent code token!x":        {state: Failed, reached: Code, failed: Token, code: "x"},
		"token":                                         {state: TokenIssued, reached: Token},
		"token first_request!upstream_unreachable":      {state: Failed, reached: Token, failed: FirstRequest, code: "upstream_unreachable"},
		"token first_request!x tools_list":              {state: Connected, reached: ToolsList},
		"token first_request tools_list!x":              {state: Connected, reached: FirstRequest, failed: ToolsList, code: "x"},
		"register!x challenge server_metadata":          {state: Failed, reached: ServerMetadata, failed: Register, code: "x"},
		"register!x challenge server_metadata register": {state: Registered, reached: Register},
	} {
		var rows []stepRow
		for i, word := range strings.Fields(steps) {
			step, code, failed := strings.Cut(word, "!")
			rows = append(rows, stepRow{Step: step, Code: code, OK: !failed, At: time.Unix(int64(i), 0)})
		}
		got := judge(rows)
		got.issuedAt, got.firstCalAt = nil, nil
		require.Equal(t, want, got, steps)
	}
}

func TestStepsOfOneMomentAreInOrder(t *testing.T) {
	t.Parallel()
	require.Negative(t, before(stepRow{Step: "challenge"}, stepRow{Step: "first_call"}))
	require.Positive(t, before(stepRow{Step: "challenge", At: time.Unix(2, 0)}, stepRow{Step: "first_call", At: time.Unix(1, 0)}))
}
