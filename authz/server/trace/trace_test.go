package trace_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server/trace"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
)

func TestOneAttemptIsOneTrace(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		b.discover(client)
		b.register(client, "cli_1")
		id := b.authorize(person, "cli_1")
		require.NotEmpty(t, id)
		b.serve(b.recorder, person, "POST /sign-in", "email=ana@example.com&password=hunter2", within(id, redirect("/consent?attempt=att_1")))
		require.Equal(t, trace.Consenting, b.one().State)
		b.serve(b.recorder, person, "POST /consent", "decision=allow", within(id, redirect("http://localhost:1234/callback?code=emc_ac_x&state=y")))
		got := b.one()
		require.Equal(t, id, got.ID)
		require.Equal(t, trace.Authorized, got.State)
		require.Equal(t, "cli_1", got.ClientID)
		require.Equal(t, "Claude Code", got.ClientName)
		require.Equal(t, []string{"challenge", "resource_metadata", "server_metadata", "register", "authorize", "sign_in", "consent", "code"}, b.steps(id))
	})
}

func TestAttemptsOfOthersStayApart(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		other := side{"203.0.113.8", "cursor/3"} // the same network, another program
		far := side{"198.51.100.1", agent}       // another network, the same program
		for _, s := range []side{client, other, far} {
			b.discover(s)
		}
		require.Len(t, b.all(), 3)
		b.register(client, "cli_1")
		b.register(other, "cli_2")
		b.register(far, "cli_3")
		require.Len(t, b.all(), 3)
		ids := map[string]bool{}
		for _, id := range []string{"cli_1", "cli_2", "cli_3"} {
			ids[b.authorize(person, id)] = true
		}
		require.Len(t, ids, 3)
		require.Len(t, b.all(), 3)
	})
}

// TestHostedClientsRegistrations: of two people behind one hosted client, each goes on
// in a trace of their own as soon as that can be seen.
func TestHostedClientsRegistrations(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		hosted := side{"160.79.104.10", "python-httpx/0.27"}
		b.discover(hosted)
		b.register(hosted, "cli_ana")
		b.register(hosted, "cli_ben")
		require.Len(t, b.all(), 1, "nothing tells them apart yet")
		ana := b.authorize(person, "cli_ana")
		ben := b.authorize(side{"192.0.2.77", browser}, "cli_ben")
		require.NotEqual(t, ana, ben)
		require.Equal(t, []string{"challenge", "resource_metadata", "server_metadata", "register", "authorize"}, b.steps(ana))
		require.Equal(t, []string{"register", "authorize"}, b.steps(ben))
		require.Equal(t, ana, b.authorize(person, "cli_ana"), "the person tries again")
	})
}

// TestSecondUserAgent: a client whose OAuth requests come from another library.
func TestSecondUserAgent(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		mcp, oauth := side{"160.79.104.10", "Claude-User"}, side{"160.79.104.99", "python-httpx/0.27"}
		b.passed(b.recorder, mcp, "challenge", "")
		b.passed(b.recorder, oauth, "resource_metadata", "")
		b.serve(b.recorder, oauth, "GET /.well-known/oauth-authorization-server", "", answer(200, "{}"))
		b.register(oauth, "cli_1")
		require.Equal(t, []string{"challenge", "resource_metadata", "server_metadata", "register"}, b.steps(b.one().ID))
		// Two that have just begun: which of them it is nobody can know.
		b.passed(b.recorder, side{"160.79.104.10", "A"}, "challenge", "")
		b.passed(b.recorder, side{"160.79.104.10", "B"}, "challenge", "")
		b.passed(b.recorder, side{"160.79.104.10", "C"}, "resource_metadata", "")
		require.Len(t, b.all(), 4)
	})
}

func TestClientsWithADocument(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		const document = "https://claude.ai/oauth/claude-code-client-metadata"
		b.discover(client)
		id := b.authorize(person, document)
		require.Equal(t, b.one().ID, id)
		require.Equal(t, []string{"challenge", "resource_metadata", "server_metadata", "client_document", "authorize"}, b.steps(id))
		// The same app of another person, from elsewhere: an attempt of its own.
		b.discover(side{"198.51.100.1", agent})
		other := b.authorize(side{"198.51.100.2", browser}, document)
		require.NotEqual(t, id, other)
		require.Len(t, b.all(), 2)
		// A hosted client asks from elsewhere than the browser; it is the only one under way.
		b.discover(side{"160.79.104.10", "python-httpx"})
		third := b.authorize(side{"192.0.2.9", browser}, "https://claude.ai/oauth/mcp-oauth-client-metadata")
		require.Len(t, b.all(), 3)
		require.Contains(t, b.steps(third), "challenge")
	})
}

// TestTwoNodes: discovery and registration arrive at two nodes in any order.
func TestTwoNodes(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		second := b.another()
		b.passed(b.recorder, client, "challenge", "")
		b.passed(second, client, "resource_metadata", "")
		b.serve(second, client, "POST /register", `{}`, answer(201, `{"client_id":"cli_1"}`))
		var both sync.WaitGroup
		for _, r := range []*trace.Recorder{b.recorder, second} {
			both.Go(func() { r.Flush(t.Context()) })
		}
		both.Wait()
		require.Equal(t, []string{"challenge", "resource_metadata", "register"}, b.steps(b.one().ID))
	})
}

func TestAnOldAttemptIsOver(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		b.discover(client)
		require.Equal(t, trace.Discovering, b.one().State)
		b.Clock.Advance(11 * time.Minute)
		require.Equal(t, trace.Stalled, b.one().State)
		b.discover(client)
		require.Len(t, b.all(), 2)
	})
}

func TestErrorsCarryTheTrace(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		b.discover(client)
		id := b.one().ID
		res := b.serve(b.recorder, client, "POST /register", `{"redirect_uris":["javascript:1"]}`,
			answer(400, `{"error":"invalid_redirect_uri","error_description":"No."}`))
		var got map[string]string
		require.NoError(t, json.Unmarshal([]byte(text(t, res)), &got))
		require.Equal(t, map[string]string{"error": "invalid_redirect_uri", "error_description": "No. (Trace " + id + ")"}, got)
		require.Equal(t, trace.Failed, b.one().State)
		require.Equal(t, "invalid_redirect_uri", b.one().FailedCode)

		b.register(client, "cli_1")
		require.Equal(t, trace.Registered, b.one().State, "a second try makes it good")
		require.Equal(t, id, b.authorize(person, "cli_1"))
		res = b.serve(b.recorder, person, "POST /consent", "decision=deny", within(id, redirect("http://localhost:1/cb?keep=%2f&error=access_denied&error_description=No.&state=a%20b&iss=x")))
		require.Equal(t, "http://localhost:1/cb?keep=%2f&error=access_denied&error_description="+url.QueryEscape("No. (Trace "+id+")")+"&state=a%20b&iss=x", res.Header.Get("Location"))
		last := b.one()
		require.Equal(t, trace.Failed, last.State)
		require.Equal(t, trace.Consent, last.FailedStep)
		require.Equal(t, "access_denied", last.FailedCode)

		res = b.serve(b.recorder, client, "POST /token", "grant_type=authorization_code&client_id=cli_9&code=nothing", form(answer(400, `{"error":"invalid_grant"}`)))
		require.Contains(t, text(t, res), "Trace tra_")
		res = b.serve(b.recorder, client, "POST /token", "grant_type=authorization_code&client_id=cli_9&code=nothing", form(answer(500, `gone`)))
		require.Equal(t, "gone", text(t, res))
	})
}

func TestPagesNameTheTrace(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		var shown string
		b.serve(b.recorder, person, "GET /authorize?client_id=gone", "", func(w http.ResponseWriter, r *http.Request) {
			shown = trace.Refuse(r.Context(), "invalid_client")
			w.WriteHeader(http.StatusBadRequest)
		})
		got := b.one()
		require.Equal(t, shown, got.ID)
		require.Equal(t, []string{"authorize!invalid_client"}, b.steps(shown))
		require.Empty(t, trace.Refuse(t.Context(), "x"), "outside of a request")
	})
}

func TestTokenWithoutACall(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		b.serve(b.recorder, client, "POST /token", "grant_type=client_credentials&client_id=svc_1", form(answer(200, `{"access_token":"e30.eyJmaWQiOiJmYW1fMSIsInN1YiI6ImNsaWVudDpzdmNfMSJ9.e30"}`)))
		got := b.one()
		require.Equal(t, trace.TokenIssued, got.State)
		require.Equal(t, "fam_1", got.FamilyID)
		require.Equal(t, "client:svc_1", got.Subject)
		b.Clock.Advance(61 * time.Second)
		require.Equal(t, trace.Silent, b.one().State)
		b.serve(b.recorder, client, "POST /token", "grant_type=refresh_token&client_id=svc_1&refresh_token=r", form(answer(200, `{"access_token":"e30.eyJmaWQiOiJmYW1fMSJ9.e30"}`)))
		require.Equal(t, []string{"token"}, b.steps(b.one().ID), "a refresh is no part of connecting")
	})
}

// TestNothingSecretIsKept: every place of a request that may hold a secret holds one.
func TestNothingSecretIsKept(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		const canary = "canary7f3a"
		secret := func(i int) string { return canary + strings.Repeat("z", i%3+10) }
		names := []string{
			"state", "nonce", "code", "code_verifier", "code_challenge", "refresh_token", "client_secret", "client_assertion", "assertion", "request", "request_uri",
			"device_code", "password", "token", "subject_token", "login_hint", "id_token_hint", canary + "_name",
		}
		values := url.Values{"grant_type": {"authorization_code"}, "client_id": {"https://ana:" + secret(1) + "@client.test/doc?key=" + secret(2) + "#" + secret(3)}}
		for i, name := range names {
			values.Set(name, secret(i))
		}
		values.Set("redirect_uri", "https://u:"+secret(1)+"@app.test/cb?token="+secret(2)+"#"+secret(3))
		values.Set("resource", "https://acme.mcp.test/tickets/mcp?k="+secret(4))
		query := values.Encode()
		b.discover(client)
		id := ""
		b.serve(b.recorder, person, "GET /authorize?"+query, "", func(w http.ResponseWriter, r *http.Request) {
			id = trace.ID(r.Context())
			redirect("https://app.test/cb?error=invalid_scope&error_description="+secret(1)+"&state="+secret(2))(w, r)
		})
		require.NotEmpty(t, id)
		b.serve(b.recorder, client, "POST /register?x="+secret(1), `{"client_name":"ok","redirect_uris":["https://app.test/cb?`+secret(1)+`"],"jwks":"`+secret(2)+`","software_statement":"`+secret(3)+`"}`,
			answer(201, `{"client_id":"cli_1","client_secret":"`+secret(1)+`","registration_access_token":"`+secret(2)+`"}`))
		b.serve(b.recorder, person, "POST /sign-in?attempt="+secret(3), query+"&email="+canary+"@example.com", within(id, redirect("/consent?attempt="+secret(1))))
		b.serve(b.recorder, person, "POST /consent", query+"&csrf="+secret(1), within(id, redirect("https://app.test/cb?code="+secret(1)+"&state="+secret(2)+"&iss=https%3A%2F%2Facme.mcp.test")))
		for _, status := range []int{200, 400} {
			b.serve(b.recorder, client, "POST /token", query, form(answer(status, `{"access_token":"`+secret(1)+`.x.y","refresh_token":"`+secret(2)+`","id_token":"`+secret(3)+`","error_description":"`+secret(1)+`"}`)))
		}
		b.recorder.Flush(t.Context())
		require.NotContains(t, dump(t, b.DB, b.handle), canary)
		require.Contains(t, dump(t, b.DB, b.handle), "https://app.test/cb?…", "what may be kept is kept")
	})
}

// dump is every text of the trace tables.
func dump(t *testing.T, db *tenancy.DB, h tenancy.Handle) string {
	t.Helper()
	var out strings.Builder
	require.NoError(t, db.Read(t.Context(), h, func(tx *tenancy.Tx) error {
		for _, table := range []any{&anyTrace{}, &anyStep{}} {
			var rows []map[string]any
			if err := tx.DB().Model(table).Find(&rows).Error; err != nil {
				return err
			}
			for _, row := range rows {
				fmt.Fprintln(&out, row)
			}
		}
		return nil
	}))
	require.Contains(t, out.String(), "trace_id")
	return out.String()
}

type (
	anyTrace struct{ TenantID, ID string }
	anyStep  struct{ TenantID, TraceID, ID string }
)

func (anyTrace) TableName() string { return "traces" }
func (anyStep) TableName() string  { return "trace_steps" }

func (b *bundle) count(table any) (n int64) {
	b.t.Helper()
	require.NoError(b.t, b.DB.Read(b.t.Context(), b.handle, func(tx *tenancy.Tx) error { return tx.DB().Model(table).Count(&n).Error }))
	return n
}

// TestFlood: a scanner with many networks cannot fill the tables, not even in time.
func TestFlood(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		b.register(client, "cli_1") // an attempt that got further stays
		for i := range 10_000 {
			if i%500 == 0 {
				b.Clock.Advance(4 * time.Second) // the tenant's rate gives some back
				b.recorder.Flush(t.Context())
			}
			b.passed(b.recorder, side{netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 1}).String(), fmt.Sprint("scan/", i)}, "challenge", "")
		}
		b.recorder.Flush(t.Context())
		require.Greater(t, b.recorder.Dropped(), uint64(5000))
		n := b.count(&anyTrace{})
		require.LessOrEqual(t, n, int64(1051))
		require.Greater(t, n, int64(900), "what there is room for is kept")
		require.LessOrEqual(t, b.count(&anyStep{}), int64(1052))
		list, err := b.log.List(t.Context(), b.handle, trace.Query{Limit: 200, UpstreamID: "other"})
		require.NoError(t, err)
		require.NotEmpty(t, list)
		require.Equal(t, int64(1), b.registered())

		// One that repeats itself fills no trace.
		for range 200 {
			b.Clock.Advance(time.Second)
			b.passed(b.recorder, client, "challenge", "")
		}
		b.recorder.Flush(t.Context())
		require.Less(t, b.count(&anyStep{}), int64(1060))
	})
}

func (b *bundle) registered() (n int64) {
	b.t.Helper()
	require.NoError(b.t, b.DB.Read(b.t.Context(), b.handle, func(tx *tenancy.Tx) error {
		return tx.DB().Model(&anyTrace{}).Where("state = ?", "registered").Count(&n).Error
	}))
	return n
}

func TestSweep(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		b.register(client, "cli_1")
		old := b.one().ID
		b.Clock.Advance(trace.Retention - time.Hour)
		b.register(client, "cli_2")
		b.Clock.Advance(2 * time.Hour)
		require.NoError(t, b.recorder.Sweep(t.Context()))
		require.NotEqual(t, old, b.one().ID)
		require.Equal(t, int64(1), b.count(&anyStep{}), "the steps go with their trace")
		_, _, err := b.log.Get(t.Context(), b.handle, old)
		require.True(t, errs.Is(err, errs.NotFound))
	})
}

func TestRecorderOfTheBackground(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		b.recorder.Start()
		b.passed(b.recorder, client, "challenge", "")
		require.Eventually(t, func() bool { return b.count(&anyTrace{}) == 1 }, 10*time.Second, 10*time.Millisecond)
		b.passed(b.recorder, client, "resource_metadata", "")
		require.NoError(t, b.recorder.Stop(t.Context()))
		require.NoError(t, b.recorder.Stop(t.Context()))
		require.Equal(t, int64(2), b.count(&anyStep{}), "stopping stores what is there")
	})
}

func TestNoRecorder(t *testing.T) {
	t.Parallel()
	var none *trace.Recorder
	w := httptest.NewRecorder()
	none.Serve(w, httptest.NewRequestWithContext(t.Context(), "POST", "/token", nil), trace.Visit{}, answer(418, "{}"))
	require.Equal(t, 418, w.Code)
	none.Record("x", trace.Origin{}, trace.Event{})
}

func TestNetworkOf(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{
		"203.0.113.77": "203.0.113.0/24", "::ffff:203.0.113.77": "203.0.113.0/24", "2001:db8:1:2::3": "2001:db8:1::/48", "127.0.0.2": "loopback", "::1": "loopback", "fe80::1%eth0": "fe80::/48",
	} {
		require.Equal(t, want, trace.NetworkOf(netip.MustParseAddr(addr)), addr)
	}
	require.Equal(t, "unknown", trace.NetworkOf(netip.Addr{}))
}

func TestClean(t *testing.T) {
	t.Parallel()
	require.Equal(t, "evildoc", trace.Clean("\x1bevil\u202edoc\n\xff\u200b", 60))
	require.Equal(t, "ééé…", trace.Clean(strings.Repeat("é", 40), 7))
}
