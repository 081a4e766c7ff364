package grants_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/grants"
	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/internal/errs"
	fake "github.com/emcy/gateway/test/fakes/provider"
)

// TestExchangesLeaveAProviderAlone: one that asks for a pause, or does not work, gets it
// from exchanges as from refreshes, whoever they are for.
func TestExchangesLeaveAProviderAlone(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		p := b.newProfile(t, b.a, "Exchange", func(in *profiles.Input) {
			in.Kind = profiles.KindExchange
			in.Exchange = profiles.ExchangeRule{SubjectToken: profiles.SubjectAssertion, Audience: "https://api.example.com"}
		})
		n := 0
		ask := func() error {
			n++ // another person each time: nothing is remembered
			_, err := b.source.Get(t.Context(), b.a.Tenant(), grants.Query{ProfileID: p.ID, Subject: fmt.Sprintf("acc_%02d", n)})
			return err
		}
		b.provider.Fail("token", fake.Limited(90*time.Second), 1)
		for range 5 {
			requireKind(t, ask(), errs.Unavailable)
		}
		require.Equal(t, 1, b.exchanges(), "it said when to come again")
		b.pass(t, 91*time.Second)

		b.provider.Fail("token", fake.Status(http.StatusServiceUnavailable), -1)
		for range 12 {
			requireKind(t, ask(), errs.Unavailable)
		}
		require.Equal(t, 1+5, b.exchanges(), "it does not work")
		b.pass(t, 31*time.Second)
		requireKind(t, ask(), errs.Unavailable)
		requireKind(t, ask(), errs.Unavailable)
		require.Equal(t, 1+5+1, b.exchanges(), "one call tries it")
		b.provider.Heal()
		b.provider.Fail("token", fake.Refuse(http.StatusBadRequest, "invalid_request", "No"), -1)
		b.pass(t, 10*time.Minute)
		for range 3 {
			requireKind(t, ask(), errs.UpstreamFailed)
		}
		require.Equal(t, 1+5+1+3, b.exchanges(), "it works again, whatever it says of these")
	})
}
