package upstreams_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/upstreams"
)

// asserter stands for the tenant's signing keys.
type asserter struct{ good, foreign string }

func (a asserter) Assertion(_ *tenancy.Tx, audience string) (good, foreign string, err error) {
	return a.good + "+" + audience, a.foreign + "+" + audience, nil
}

func TestContract(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		ctx := t.Context()
		b.registry.UseAssertions(asserter{})
		u := b.create(t, b.a, input("files", somewhere, "X-Key", "canary"))
		require.Equal(t, upstreams.Contract{}, u.Contract)
		require.Equal(t, upstreams.HeaderToken, u.Contract.Name(upstreams.HeaderToken))

		wanted := upstreams.Contract{
			Headers: map[string]string{upstreams.HeaderSecret: " x-shared-secret ", upstreams.HeaderSubject: "X-User", upstreams.HeaderClient: upstreams.HeaderClient, upstreams.HeaderTenant: ""},
			Bearer:  true, AssertionOnly: true,
		}
		settled := upstreams.Contract{
			Headers: map[string]string{upstreams.HeaderSecret: "X-Shared-Secret", upstreams.HeaderSubject: "X-User"}, Bearer: true, AssertionOnly: true,
		}
		b.Clock.Advance(time.Second) // so that the audit log has an order
		now, err := b.registry.SetContract(ctx, b.a, "files", wanted, u.Version)
		require.NoError(t, err)
		require.Equal(t, settled, now.Contract)
		require.Equal(t, "X-Shared-Secret", now.SecretHeader)
		require.Equal(t, u.Version+1, now.Version)
		require.Equal(t, now, b.get(t, b.a, "files"))
		require.Equal(t, settled, b.sent(t, b.a)[0].Contract)
		require.Equal(t, "X-User", now.Contract.Name(upstreams.HeaderSubject))
		entry := b.audit(t, b.a)[0]
		require.Equal(t, "upstream.contract", entry.Action)
		require.Contains(t, entry.After, "X-Shared-Secret")

		_, err = b.registry.SetContract(ctx, b.a, "files", upstreams.Contract{}, u.Version)
		requireKind(t, err, errs.Stale)
		require.Equal(t, now, b.get(t, b.a, "files"))

		_, _, err = b.registry.Update(ctx, b.a, "files", input("", somewhere, "Authorization", "Basic x"), now.Version)
		require.Equal(t, map[string]string{"header_name.0": "The runtime's contract uses this header."}, errs.FieldsOf(err))
		_, _, err = b.registry.Update(ctx, b.a, "files", input("", somewhere, "X-Key", "", "x-user", "me"), now.Version)
		require.Equal(t, map[string]string{"header_name.1": "The runtime's contract uses this header."}, errs.FieldsOf(err))

		back, err := b.registry.SetContract(ctx, b.a, "files", upstreams.Contract{}, now.Version)
		require.NoError(t, err)
		require.Equal(t, upstreams.Contract{}, back.Contract)
		require.Equal(t, upstreams.DefaultSecretHeader, back.SecretHeader)
	})
}

// TestContractNames: no name that is somebody else's, and none twice.
func TestContractNames(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		ctx := t.Context()
		u := b.create(t, b.a, input("files", somewhere, "X-Key", "canary", "Authorization", "Basic canary"))
		const about = upstreams.HeaderSubject
		refused := func(c upstreams.Contract) map[string]string {
			_, err := b.registry.SetContract(ctx, b.a, "files", c, u.Version)
			requireKind(t, err, errs.Invalid)
			require.NotContains(t, err.Error(), "canary")
			return errs.FieldsOf(err)
		}
		for _, name := range []string{
			"Connection", "keep-alive", "Proxy-Connection", "Proxy-Authorization", "TE", "Trailer", "Transfer-Encoding", "Upgrade", "Host", "Content-Length", "Content-Type",
			"Accept", "Cookie", "Origin", "Forwarded", "X-Forwarded-For", "Sec-Fetch-Site", "Last-Event-Id", "Mcp-Session-Id", "Mcp-Name", "User-Agent", "Via", "Traceparent",
			"authorization", "X-Emcy-Tenant", "X-Emcy-Other", "X_User", "X User", "X-Üser", "X-User\r\nX-Evil", ":authority", strings.Repeat("x", 65),
		} {
			require.Len(t, refused(upstreams.Contract{Headers: map[string]string{about: name}}), 1, name)
		}
		require.Equal(t, map[string]string{"header." + about: "Another header has this name."}, refused(upstreams.Contract{Headers: map[string]string{about: "x-key"}}), "a static header")
		require.Equal(t, map[string]string{"header." + upstreams.HeaderTenant: "Another header has this name."},
			refused(upstreams.Contract{Headers: map[string]string{about: "X-Who", upstreams.HeaderTenant: "x-who"}}), "one another")
		require.Equal(t, map[string]string{"header.X-Other": "The contract has no such header."}, refused(upstreams.Contract{Headers: map[string]string{"X-Other": "X-Mine"}}))
		require.Contains(t, refused(upstreams.Contract{Bearer: true}), "bearer", "there is a static Authorization")
		require.Contains(t, refused(upstreams.Contract{AssertionOnly: true}), "assertion_only", "nobody signs")
		require.Equal(t, u, b.get(t, b.a, "files"))
	})
}

var errSigning = errors.New("no key")

type broken struct{}

func (broken) Assertion(*tenancy.Tx, string) (good, foreign string, err error) {
	return "", "", errSigning
}
