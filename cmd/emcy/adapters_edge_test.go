package main

import (
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server/keys"
	"github.com/emcy/gateway/edge"
	"github.com/emcy/gateway/grants"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/tenancytest"
	"github.com/emcy/gateway/tenancy/workspaces"
)

// TestNeedsConnect: what the person can mend is told from what is a fault.
func TestNeedsConnect(t *testing.T) {
	t.Parallel()
	missing := func(kind errs.Kind, m *grants.Missing) error {
		m.Profile = "Todo"
		return fmt.Errorf("resolve grant: %w", errs.E(kind, "Words.", m))
	}
	for name, c := range map[string]struct {
		err  error
		want *edge.NeedsConnect // nil for a fault
	}{
		"nothing there":        {missing(errs.NeedsConsent, &grants.Missing{State: grants.StateNone, Need: []string{"a"}}), &edge.NeedsConnect{Profile: "Todo", Reason: edge.NotConnected}},
		"taken back":           {missing(errs.NeedsConsent, &grants.Missing{State: grants.StateRevoked, Need: []string{"a"}}), &edge.NeedsConnect{Profile: "Todo", Reason: edge.NotConnected}},
		"too little":           {missing(errs.NeedsConsent, &grants.Missing{State: grants.StateConnected, Have: []string{"a"}, Need: []string{"a", "b"}}), &edge.NeedsConnect{Profile: "Todo", Reason: edge.MoreScopes, Scopes: []string{"b"}}},
		"dead":                 {missing(errs.DownstreamRejected, &grants.Missing{State: grants.StateNeedsReconnect, Need: []string{"a"}}), &edge.NeedsConnect{Profile: "Todo", Reason: edge.Ended}},
		"without particulars":  {errs.E(errs.NeedsConsent, "Words.", nil), &edge.NeedsConnect{Reason: edge.NotConnected}},
		"refused without them": {errs.E(errs.DownstreamRejected, "Words.", nil), &edge.NeedsConnect{Reason: edge.Ended}},
		"away":                 {errs.E(errs.Unavailable, "Words.", nil), nil},
		"another fault":        {errors.New("canary"), nil},
	} {
		got := needsConnect(c.err)
		var connect *edge.NeedsConnect
		if c.want == nil {
			require.Equal(t, c.err, got, name)
			require.NotErrorAs(t, got, &connect, name)
			continue
		}
		require.ErrorAs(t, got, &connect, name)
		require.Equal(t, c.want, connect, name)
	}
}

// TestWorkerAssertions: the good one verifies with the published key, the foreign one claims to and does not.
func TestWorkerAssertions(t *testing.T) {
	t.Parallel()
	env := tenancytest.SQLite(t)
	owner := tenancytest.Account(t, env, "ada@example.com")
	_, err := workspaces.New(env.DB, workspaces.Placement{Pattern: "https://{tenant}.mcp.test"}, keys.Create).Create(t.Context(), owner, "Acme", "acme")
	require.NoError(t, err)
	h, _, err := env.DB.ForMember(t.Context(), owner, "acme")
	require.NoError(t, err)
	require.NoError(t, env.DB.Read(t.Context(), h, func(tx *tenancy.Tx) error {
		good, foreign, err := workerAssertions{}.Assertion(tx, "https://runtime.test/mcp")
		require.NoError(t, err)
		set, err := keys.LoadAll(tx)
		require.NoError(t, err)
		for text, ours := range map[string]bool{good: true, foreign: false} {
			parsed, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{jose.ES256})
			require.NoError(t, err)
			key, known := set.Find(parsed.Signatures[0].Header.KeyID)
			require.True(t, known)
			payload, err := parsed.Verify(key.Key.(*ecdsa.PublicKey))
			require.Equal(t, ours, err == nil)
			if !ours {
				continue
			}
			var claims map[string]any
			require.NoError(t, json.Unmarshal(payload, &claims))
			require.NotEmpty(t, claims["jti"])
			delete(claims, "jti")
			now := float64(tx.Now().Unix())
			require.Equal(t, map[string]any{
				"iss": "https://acme.mcp.test", "aud": "https://runtime.test/mcp", "sub": "emcy-gateway-check", "client_id": "emcy-gateway-check", "scope": "mcp", "iat": now, "exp": now + 60,
			}, claims)
		}
		return nil
	}))
}
