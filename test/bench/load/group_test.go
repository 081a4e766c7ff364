package load_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/test/bench/load"
)

// script asks so many times, and wants one body.
type script struct {
	left int
	body string
	want string
}

var errBody = errors.New("another body")

func (s *script) Request() []byte {
	if s.left == 0 {
		return nil
	}
	s.left--
	return fmt.Appendf(nil, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(s.body), s.body)
}

func (s *script) Answer(status int, body []byte) error {
	if status != http.StatusOK || string(body) != s.want {
		return errBody
	}
	return nil
}

// echo answers in pieces where the body asks for that.
func echo(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		if strings.HasPrefix(string(body), "pieces") {
			_, _ = w.Write(body[:3]) // a client that is gone is the test's to see
			w.(http.Flusher).Flush()
			_, _ = w.Write(body[3:])
			return
		}
		_, _ = w.Write(body)
	}))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

func TestRunCountsAnswersOfBothKinds(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"whole", "pieces of " + strings.Repeat("a long body ", 2000)} {
		addr := echo(t)
		group, err := load.Open(t.Context(), addr, 4, func(int) load.Script { return &script{left: 1 << 20, body: body, want: body} })
		require.NoError(t, err)
		result, err := group.Run(t.Context(), 20*time.Millisecond)
		require.NoError(t, err)
		require.GreaterOrEqual(t, result.Requests, 4)
		require.Len(t, result.Latencies, result.Requests)
		require.LessOrEqual(t, load.Quantile(result.FirstBytes, 0.5), load.Quantile(result.Latencies, 0.99))
		require.Positive(t, result.PerSecond())
		group.Close()
	}
}

func TestRunFailsOnAnyAnswerThatIsNotWanted(t *testing.T) {
	t.Parallel()
	_, err := load.Open(t.Context(), echo(t), 2, func(i int) load.Script { return &script{left: 1, body: "a", want: []string{"a", "b"}[i]} })
	require.ErrorIs(t, err, errBody)
	group, err := load.Open(t.Context(), echo(t), 1, func(int) load.Script { return &script{left: 1, body: "a", want: "a"} })
	require.NoError(t, err)
	defer group.Close()
	_, err = group.Run(t.Context(), time.Millisecond)
	require.ErrorContains(t, err, "no request left")
}
