package idp_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server/idp"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/outbound"
)

// TestC4ClosedAddresses: an issuer, or an endpoint that its metadata names, at an
// address that is closed is refused without a connection.
func TestC4ClosedAddresses(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		strict := b.node(outbound.Config{Timeout: 100 * time.Millisecond})
		for _, issuer := range []string{
			b.fake.Issuer, "https" + b.fake.Issuer[4:], "https://localhost", "https://169.254.169.254", "https://[::1]", "https://[::ffff:127.0.0.1]", "https://10.0.0.1",
			"https://0x7f000001", "https://2130706433", "https://127.1", "https://metadata", "ftp://example.com", "https://a:b@example.com", "https://example.com/?x", "https://example.com/#x", "", "x",
			"https://login.example.com/.well-known/openid-configuration",
		} {
			_, err := strict.Create(b.Context(), b.h, idp.NewID(), b.input(func(in *idp.Input) { in.Issuer = issuer }))
			require.NotEmpty(b, errs.FieldsOf(err)["issuer"], issuer)
		}
		require.Equal(b, 0, b.fake.Asked("/.well-known/openid-configuration"))

		for _, name := range []string{"token_endpoint", "jwks_uri", "authorization_endpoint"} {
			for _, at := range []string{"http://169.254.169.254/token", "ftp://x/", "", "http://a:b@127.0.0.1/", "javascript:alert(1)"} {
				b.fake.Metadata = func(m map[string]any) { m[name] = at }
				_, err := b.providers.Create(b.Context(), b.h, idp.NewID(), b.input())
				require.Contains(b, errs.FieldsOf(err)["issuer"], "lacks an endpoint", "%s %s", name, at)
				b.env.Clock.Advance(time.Minute)
			}
		}
		// Userinfo is asked last, and its address is checked when it is.
		b.fake.Metadata = func(m map[string]any) { m["userinfo_endpoint"] = "http://169.254.169.254/me" }
		b.fake.Claims = func(c map[string]any) { delete(c, "email") }
		_, err := b.signIn(b.create())
		requireRefused(b, err, "userinfo")
	})
}

// TestC9OneTextOneTime: nothing that does not answer is told apart from anything else
// that does not, by words or by time.
func TestC9OneTextOneTime(t *testing.T) {
	t.Parallel()
	b := newBundle(t, sqlite(t))
	const timeout = 400 * time.Millisecond
	node := b.node(outbound.Config{AllowPrivate: true, Timeout: timeout})

	refused, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, refused.Close())
	done := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-done }))
	t.Cleanup(func() { close(done); slow.Close() })
	cut := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	t.Cleanup(cut.Close)
	untrusted := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(untrusted.Close)
	for what, issuer := range map[string]string{
		"refused": "http://" + refused.Addr().String(), "slow": slow.URL, "cut": cut.URL, "not trusted": untrusted.URL, "no such host": "https://nothing.invalid",
	} {
		start := time.Now()
		_, err := node.Create(t.Context(), b.h, idp.NewID(), b.input(func(in *idp.Input) { in.Issuer = issuer }))
		require.Equal(t, "The provider could not be reached from the gateway. Check the address, and that it is public and served over https with a valid certificate.", errs.FieldsOf(err)["issuer"], what)
		require.GreaterOrEqual(t, time.Since(start), timeout-5*time.Millisecond, what)
	}
}

// TestSlowProvider: one that stops answering in the middle costs its people a page, and
// nobody else anything.
func TestSlowProvider(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		node := b.node(outbound.Config{AllowPrivate: true, Timeout: 400 * time.Millisecond})
		b.providers = node
		p := b.create()
		done := make(chan struct{})
		defer close(done)
		b.fake.Before = func(_ http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == "/token" {
				<-done
			}
			return r.URL.Path == "/token"
		}
		_, err := b.signIn(p)
		requireRefused(b, err, "provider_unreachable")
	})
}
