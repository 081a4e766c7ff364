package edge_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/edge"
)

// needs are what the edge says that calls lacked.
type needs struct {
	mu  sync.Mutex
	all []string
}

func (n *needs) Needed(issuer, familyID string, scopes []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all = append(n.all, issuer+" "+familyID+" "+strings.Join(scopes, " "))
}

func TestWhatACallLackedIsTold(t *testing.T) {
	t.Parallel()
	got := &needs{}
	b := setup(t, echoPong(), func(cfg *edge.Config) { cfg.StepUps = got })
	b.claim("")
	token := "Bearer " + b.token(b.acme, func(c claims) { c["scope"], c["fid"] = "mcp read", "fam_1" })
	resp, _ := b.do(b.request("POST", calling("7", "search"), "Authorization", token))
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Empty(t, got.all)
	resp, _ = b.do(b.request("POST", calling("7", "burn"), "Authorization", token))
	require.Equal(t, http.StatusForbidden, resp.StatusCode)
	require.Equal(t, []string{b.server.URL + " fam_1 mcp danger"}, got.all)
}
