package integration_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server/trace"
	"github.com/emcy/gateway/test/e2e/httpflow"
)

// traced is a client that begins after everything before it is over.
func (b *bundle) traced(t *testing.T) (client *httpflow.Client, begun func() []trace.Trace) {
	t.Helper()
	for _, n := range b.nodes {
		b.until(t, n, "", http.StatusUnauthorized)
		n.traces.Flush(t.Context())
	}
	b.env.Clock.Advance(11 * time.Minute)
	log := trace.NewLog(b.env.DB)
	old, err := log.List(t.Context(), b.handle, trace.Query{})
	require.NoError(t, err)
	return httpflow.NewClient(b.mcp(), b.transport(nil)), func() []trace.Trace {
		for _, n := range b.nodes {
			n.traces.Flush(t.Context())
		}
		all, err := log.List(t.Context(), b.handle, trace.Query{})
		require.NoError(t, err)
		return all[:len(all)-len(old)]
	}
}

func (b *bundle) steps(t *testing.T, id string) (steps []string) {
	t.Helper()
	_, entries, err := trace.NewLog(b.env.DB).Get(t.Context(), b.handle, id)
	require.NoError(t, err)
	for _, e := range entries {
		step := string(e.Step)
		if !e.OK {
			step += "!" + e.Code
		}
		if len(steps) == 0 || steps[len(steps)-1] != step {
			steps = append(steps, step)
		}
	}
	return steps
}

// TestTraceOfAJourney: from the first 401 to the first call, over all nodes, one trace.
func TestTraceOfAJourney(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		client, begun := b.traced(t)
		ctx := t.Context()
		require.NoError(t, client.Discover(ctx))
		require.NoError(t, client.Register(ctx))
		back, err := b.person.Allow(ctx, client.AuthorizeURL(), client.RedirectURI)
		require.NoError(t, err)
		require.NoError(t, client.Redeem(ctx, back))
		issued := begun()
		require.Len(t, issued, 1)
		require.Equal(t, trace.TokenIssued, issued[0].State)
		b.env.Clock.Advance(61 * time.Second)
		require.Equal(t, trace.Silent, begun()[0].State)
		require.NoError(t, client.Initialize(ctx))
		_, err = client.Tools(ctx)
		require.NoError(t, err)
		_, err = client.CallTool(ctx, "echo", map[string]any{"text": "canary-argument"})
		require.NoError(t, err)

		all := begun()
		require.Len(t, all, 1)
		got := all[0]
		require.Equal(t, trace.Connected, got.State)
		require.Equal(t, issued[0].ID, got.ID)
		require.Equal(t, client.ClientID, got.ClientID)
		require.Equal(t, "Scripted client", got.ClientName)
		require.NotEmpty(t, got.FamilyID)
		require.NotEmpty(t, got.Subject)
		require.NotEmpty(t, got.UpstreamID)
		require.NotNil(t, got.FirstCallAt)
		require.Equal(t, []string{
			"challenge", "resource_metadata", "server_metadata", "register", "authorize", "sign_in", "consent", "code", "token", "first_request", "tools_list", "first_call",
		}, b.steps(t, got.ID))

		require.NoError(t, client.Refresh(ctx))
		_, err = client.Tools(ctx)
		require.NoError(t, err)
		require.Len(t, begun(), 1, "what follows is no new connection")
	})
}

// TestTraceOfFailures: what goes wrong at the authorization server names the trace
// that it stands in, to the client and to the person.
func TestTraceOfFailures(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		client, begun := b.traced(t)
		ctx := t.Context()
		require.NoError(t, client.Discover(ctx))
		client.RedirectURI = "javascript:alert(1)"
		require.ErrorContains(t, client.Register(ctx), begun()[0].ID)
		client.RedirectURI = "http://127.0.0.1:33418/callback"
		require.NoError(t, client.Register(ctx))

		begin, err := url.Parse(client.AuthorizeURL())
		require.NoError(t, err)
		q := begin.Query()
		q.Del("code_challenge")
		begin.RawQuery = q.Encode()
		page, err := b.person.Browser.Get(ctx, begin.String())
		require.NoError(t, err)
		require.Contains(t, page.Location().Query().Get("error_description"), begun()[0].ID)

		q.Set("redirect_uri", "https://evil.example/cb")
		begin.RawQuery = q.Encode()
		page, err = b.person.Browser.Get(ctx, begin.String())
		require.NoError(t, err)
		require.Contains(t, string(page.Body), begun()[0].ID)

		back, err := b.person.Deny(ctx, client.AuthorizeURL(), client.RedirectURI)
		require.NoError(t, err)
		require.Contains(t, back.Query().Get("error_description"), begun()[0].ID)
		require.Len(t, begun(), 1)
		require.Equal(t, "access_denied", begun()[0].FailedCode)

		_, err = client.Token(ctx, url.Values{
			"grant_type": {"authorization_code"}, "client_id": {client.ClientID}, "code": {"emc_ac_wrong"}, "redirect_uri": {client.RedirectURI}, "code_verifier": {"x"},
		})
		require.Len(t, begun(), 1)
		require.ErrorContains(t, err, "Trace "+begun()[0].ID)
		require.Equal(t, trace.Token, begun()[0].FailedStep)
	})
}
