package server_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server"
	"github.com/emcy/gateway/authz/server/trace"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/test/fakes/oidc"
	"github.com/emcy/gateway/ui/assets"
)

// traced makes the server record connection attempts, and gives how to read them.
func (tn *tenant) traced() func() map[string][]string {
	b := tn.b
	b.t.Helper()
	recorder, err := trace.New(trace.Config{DB: b.env.DB, Log: slog.New(slog.DiscardHandler)})
	require.NoError(b.t, err)
	b.server = server.New(server.Config{
		DB: b.env.DB, People: people{b.people}, Resources: resources{&b.resourcesFail}, Calls: calls{b}, Outbound: outbound.New(outbound.Config{AllowPrivate: true}), SignIn: outbound.Config{AllowPrivate: true},
		Assets: assets.Handler(), AssetsPrefix: assets.Prefix, ClientIP: b.clientIP, Log: slog.New(slog.NewJSONHandler(b.log, nil)), Trace: recorder,
	})
	b.nodes = []*server.Server{b.server}
	log := trace.NewLog(b.env.DB)
	return func() map[string][]string {
		b.t.Helper()
		recorder.Flush(b.t.Context())
		list, err := log.List(b.t.Context(), tn.handle, trace.Query{Limit: 100})
		require.NoError(b.t, err)
		out := map[string][]string{}
		for _, one := range list {
			_, entries, err := log.Get(b.t.Context(), tn.handle, one.ID)
			require.NoError(b.t, err)
			steps := []string{string(one.State)}
			for _, e := range entries {
				text := string(e.Step) + " " + e.Asked.Line
				if !e.OK {
					text += " !" + e.Code
				}
				steps = append(steps, text)
			}
			out[one.ID] = steps
		}
		return out
	}
}

// only is the one attempt that there is.
func only(t testing.TB, all map[string][]string) (steps []string) {
	t.Helper()
	require.Len(t, all, 1, "%v", all)
	for _, steps = range all {
	}
	return steps
}

func TestTraceOfADevice(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		a := tn.headless()
		b.env.Clock.Advance(time.Hour) // its registration is no part of this
		traces := tn.traced()
		d := a.startDevice()
		a.poll(d.DeviceCode)
		b.env.Clock.Advance(time.Second) // steps of one moment have no order
		tn.browser().decideDevice(d, "allow")
		b.env.Clock.Advance(5 * time.Second)
		got := a.poll(d.DeviceCode)
		require.Equal(b.t, 200, got.status, got.body)
		first := only(b.t, traces())
		require.Equal(b.t, []string{
			"token_issued", "authorize POST /device_authorization", "authorize POST /device", "sign_in POST /sign-in", "consent POST /consent", "token POST /token",
		}, first)
		require.EqualValues(b.t, 1, tn.count("token_families", "trace_id <> '' AND origin = 'device'"))

		// The same app at the same place: another attempt, and its refusal is its own.
		refused, waits := a.startDevice(), a.startDevice()
		require.Equal(b.t, 200, waits.status)
		b.env.Clock.Advance(time.Second)
		tn.browser().decideDevice(refused, "deny")
		b.env.Clock.Advance(5 * time.Second)
		require.Equal(b.t, "access_denied", a.poll(refused.DeviceCode).Error)
		all := traces()
		require.Len(b.t, all, 3)
		var denied []string
		for _, steps := range all {
			if steps[0] == "failed" {
				denied = steps
			}
		}
		require.Equal(b.t, []string{
			"failed", "authorize POST /device_authorization", "authorize POST /device", "sign_in POST /sign-in", "consent POST /consent !access_denied", "token POST /token !access_denied",
		}, denied)
	})
}

func TestTraceOfASignInAtAProvider(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		traces := tn.traced()
		fake := oidc.New(b.t)
		p := tn.provider(fake)
		a, br := tn.app(), tn.browser()
		callback := br.leave(fake, p, a.authorize(br).location)
		require.Equal(b.t, "signing_in", only(b.t, traces())[0], "who left has not signed in")
		page := br.get(callback)
		page = br.get(page.location)
		require.Equal(b.t, 200, a.redeem(br.decide(page, "allow").answer(b.t).Get("code")).status)
		require.Equal(b.t, []string{
			"token_issued", "register POST /register", "authorize GET /authorize", "sign_in GET /callback/" + p.ID, "consent POST /consent", "code POST /consent", "token POST /token",
		}, only(b.t, traces()))
	})
}

// TestTraceOfARefusalAtAProvider: the reason stands in the trace of the attempt that
// the browser left.
func TestTraceOfARefusalAtAProvider(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		traces := tn.traced()
		fake := oidc.New(b.t)
		p := tn.provider(fake)
		a, br := tn.app(), tn.browser()
		callback := br.leave(fake, p, a.authorize(br).location)
		require.NoError(b.t, b.server.Providers().SetEnabled(b.t.Context(), tn.handle, p.ID, false, 1))
		require.NotEqual(b.t, 303, br.get(callback).status)
		steps := only(b.t, traces())
		require.Equal(b.t, "failed", steps[0])
		require.Contains(b.t, steps[len(steps)-1], "sign_in GET /callback/"+p.ID+" !")
	})
}
