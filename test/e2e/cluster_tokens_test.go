//go:build e2e

package e2e

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/test/e2e/httpflow"
	"github.com/emcy/gateway/test/fakes/upstream"
)

// TestA5A7OverTwoProcesses: 200 redemptions of one code and 30 refreshes of one token
// at once, half of them at each process, give one success, and one successor.
func TestA5A7OverTwoProcesses(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	_, client := c.runtime(t, "tickets", upstream.Config{Stateless: true})
	both := []*httpflow.Client{client, twin(client, c.atB)}
	atOnce := func(n int, form url.Values) (won []*httpflow.Tokens) {
		var mu sync.Mutex
		var all sync.WaitGroup
		start := make(chan struct{})
		for i := range n {
			all.Go(func() {
				<-start
				got, err := both[i%2].Token(t.Context(), form)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					won = append(won, got)
					return
				}
				if answer, ok := errors.AsType[*httpflow.Answer](err); !ok || answer.Status != http.StatusBadRequest {
					t.Errorf("no clean refusal: %v", err)
				}
			})
		}
		close(start)
		all.Wait()
		return won
	}
	refresh := func(token string) url.Values {
		return url.Values{"grant_type": {"refresh_token"}, "client_id": {client.ClientID}, "refresh_token": {token}}
	}
	renewed := atOnce(30, refresh(client.Tokens.RefreshToken))
	require.Len(t, renewed, 30, "one use and 29 within the grace")
	for _, one := range renewed {
		require.Equal(t, renewed[0].RefreshToken, one.RefreshToken, "the same successor for all")
	}

	verifier := rand.Text() + rand.Text()
	sum := sha256.Sum256([]byte(verifier))
	begin, err := url.Parse(client.AuthorizeURL())
	require.NoError(t, err)
	q := begin.Query()
	q.Set("code_challenge", base64.RawURLEncoding.EncodeToString(sum[:]))
	begin.RawQuery = q.Encode()
	back, err := c.ada.Allow(t.Context(), begin.String(), client.RedirectURI)
	require.NoError(t, err)
	won := atOnce(200, url.Values{
		"grant_type": {"authorization_code"}, "client_id": {client.ClientID}, "code": {back.Query().Get("code")}, "redirect_uri": {client.RedirectURI}, "code_verifier": {verifier},
	})
	require.Len(t, won, 1)
	for i, edge := range both {
		edge.Tokens = *won[0]
		require.Eventually(t, func() bool { return edge.Initialize(t.Context()) != nil }, time.Second, 5*time.Millisecond, "the replay ends what the code gave, at edge %d", i)
	}
	require.Empty(t, atOnce(2, refresh(won[0].RefreshToken)))
}
