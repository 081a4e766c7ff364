package server_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/tenancy/tenancytest"
)

// TestPortsShareCookies: on one machine two workspaces are two ports of localhost,
// and a browser gives the cookies of one to the other.
func TestPortsShareCookies(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		b := setup(t, env)
		first, second := b.local("first"), b.local("second")
		first.upstream("tickets")
		second.upstream("tickets")
		here := first.browser()
		there := &browser{tn: second, client: here.client} // one browser

		a, c := first.app(), second.app()
		one := a.consentPage(here)
		two := c.consentPage(there)
		require.Equal(t, 303, here.decide(one, "allow").status, "the other workspace's cookies replaced none")
		require.Equal(t, 303, there.decide(two, "allow").status)
		u, err := url.Parse(first.issuer)
		require.NoError(t, err)
		cookies := here.client.Jar.Cookies(u)
		require.Len(t, cookies, 4)

		// Under the other's name a session is none.
		thief := second.browser()
		for _, cookie := range cookies {
			if strings.HasPrefix(cookie.Name, "emcy_session") && strings.HasSuffix(cookie.Name, u.Port()) {
				v, err := url.Parse(second.issuer)
				require.NoError(t, err)
				thief.client.Jar.SetCookies(v, []*http.Cookie{{Name: "emcy_session_" + v.Port(), Value: cookie.Value, Path: "/"}})
			}
		}
		require.Equal(t, 200, thief.get(c.authorize(thief).location).status, "asked to sign in")
	})
}
