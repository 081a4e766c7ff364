package server_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server/flow"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/tenancytest"
)

// BenchmarkRefresh is the token endpoint against a bare handler that only signs
// ES256: refreshes with rotation, each connection a client with a line of its own.
func BenchmarkRefresh(b *testing.B) {
	for _, connections := range []int{16, 64} {
		b.Run("sign/"+strconv.Itoa(connections), func(b *testing.B) { benchSign(b, connections) })
		b.Run("sqlite/"+strconv.Itoa(connections), func(b *testing.B) { benchRefresh(b, tenancytest.SQLite(b), connections) })
		b.Run("postgres/"+strconv.Itoa(connections), func(b *testing.B) { benchRefresh(b, tenancytest.Postgres(b), connections) })
	}
}

func benchSign(b *testing.B, connections int) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(b, err)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "k"}}, (&jose.SignerOptions{}).WithType("at+jwt"))
	require.NoError(b, err)
	listener := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		token, err := jwt.Signed(signer).Claims(map[string]any{"iss": "https://acme.mcp.test", "sub": "acc", "aud": "https://acme.mcp.test/tickets/mcp", "client_id": r.PostForm.Get("client_id"), "exp": 1}).Serialize()
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"access_token": token, "refresh_token": r.PostForm.Get("refresh_token")})
	}))
	b.Cleanup(listener.Close)
	chains := make([]url.Values, connections)
	for i := range chains {
		chains[i] = url.Values{"grant_type": {"refresh_token"}, "client_id": {"cli"}, "refresh_token": {"emc_rt_" + strings.Repeat("x", 49)}}
	}
	drive(b, listener.URL+"/token", chains)
}

func benchRefresh(b *testing.B, env tenancytest.Env, connections int) {
	t := &testBundle{t: b, env: env, log: &lockedBuffer{}}
	t.wire()
	tn := t.local("acme")
	tn.upstream("tickets")
	chains := make([]url.Values, connections)
	var upstream upstreamRow
	tn.write(func(tx *tenancy.Tx) error { return tx.DB().Where("slug = ?", "tickets").First(&upstream).Error })
	for i := range chains {
		a := tn.app()
		var code string
		tn.write(func(tx *tenancy.Tx) (err error) {
			code, err = t.server.IssueCode(tx, flow.Approved{
				ClientID: a.id, Subject: tn.owner.ID, UpstreamID: upstream.ID, Resource: tn.mcp("tickets"), Scope: "mcp", RedirectURI: callback, CodeChallenge: challenge(a.verifier), Until: tx.Now().Add(time.Hour),
			})
			return err
		})
		got := a.redeem(code)
		require.Equal(b, 200, got.status, got.body)
		chains[i] = url.Values{"grant_type": {"refresh_token"}, "client_id": {a.id}, "refresh_token": {got.Refresh}}
	}
	drive(b, tn.issuer+"/token", chains)
}

// drive refreshes on one connection per chain.
func drive(b *testing.B, address string, chains []url.Values) {
	tr := &http.Transport{MaxIdleConnsPerHost: len(chains), MaxConnsPerHost: len(chains)}
	defer tr.CloseIdleConnections()
	client := &http.Client{Transport: tr}
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ResetTimer()
	var wg sync.WaitGroup
	for _, form := range chains {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				res, err := client.PostForm(address, form)
				if err != nil {
					b.Error(err)
					return
				}
				body, err := io.ReadAll(res.Body)
				_ = res.Body.Close()
				var got struct {
					Refresh string `json:"refresh_token"`
				}
				if err != nil || res.StatusCode != http.StatusOK || json.Unmarshal(body, &got) != nil {
					b.Errorf("%d %s", res.StatusCode, body)
					return
				}
				form.Set("refresh_token", got.Refresh)
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "refreshes/s")
}
