package upstreams_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/tenancytest"
	"github.com/emcy/gateway/upstreams"
)

func TestTheSecretIsShownForAWhile(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		b.create(t, b.a, input("files", somewhere))
		first := b.secret(t, b.a, "files")
		b.Clock.Advance(visible)
		require.Equal(t, first, b.secret(t, b.a, "files"), "until the end of the quarter of an hour")
		b.Clock.Advance(time.Microsecond)
		_, got, err := b.registry.Setup(t.Context(), b.a, "files")
		requireKind(t, err, errs.NotFound)
		require.True(t, got.Empty())

		require.NoError(t, b.registry.RotateSecret(t.Context(), b.a, "files"))
		second := b.secret(t, b.a, "files")
		require.NotEqual(t, first, second)
		require.Equal(t, "upstream.rotate_secret", b.audit(t, b.a)[0].Action)
		require.NoError(t, b.registry.HideSecret(t.Context(), b.a, "files"))
		_, _, err = b.registry.Setup(t.Context(), b.a, "files")
		requireKind(t, err, errs.NotFound)
		require.NoError(t, b.registry.HideSecret(t.Context(), b.a, "files"), "the button can be pressed twice")

		_, _, err = b.registry.Setup(t.Context(), b.a, "none")
		requireKind(t, err, errs.NotFound)
		requireKind(t, b.registry.HideSecret(t.Context(), b.a, "none"), errs.NotFound)
		requireKind(t, b.registry.RotateSecret(t.Context(), b.a, "none"), errs.NotFound)
	})
}

// TestSecretsAreSealed looks for every secret in every column and in the files.
func TestSecretsAreSealed(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		u := b.create(t, b.a, input("files", somewhere, "X-Key", "canary-static-header-value"))
		secrets := []string{"canary-static-header-value", b.secret(t, b.a, "files")}
		require.NoError(t, b.registry.RotateSecret(t.Context(), b.a, "files"))
		secrets = append(secrets, b.secret(t, b.a, "files"))
		_, _, err := b.registry.Update(t.Context(), b.a, "files", input("", "http://localhost:9/mcp", "X-Key", "canary-second-header-value"), u.Version+1)
		require.NoError(t, err)
		secrets = append(secrets, "canary-second-header-value", b.secret(t, b.a, "files"))
		planted := input("planted", "http://localhost:9/canary-planted-in-a-url")
		b.create(t, b.a, planted)
		require.NotEmpty(t, tenancytest.Find(t, b.Env, "canary-planted-in-a-url"), "the search finds what is there")
		for _, s := range secrets {
			require.Empty(t, tenancytest.Find(t, b.Env, s))
		}
	})
}

func TestRotation(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		up := runtime(t, "not known yet")
		b.create(t, b.a, input("files", up.URL()))
		old := b.secret(t, b.a, "files")
		up.SetSecrets(old)
		sub := b.DB.Notices().Subscribe(func(tp tenancy.Topic) bool { return tp == tenancy.ConfigTopic(b.a.Tenant()) })
		defer sub.Close()
		sending := func() string { return b.sent(t, b.a)[0].WorkerSecret.Reveal() }
		probed := func() upstreams.Upstream {
			_, err := b.registry.Probe(t.Context(), b.a, "files")
			require.NoError(t, err)
			return b.get(t, b.a, "files")
		}
		require.Equal(t, upstreams.Ready, probed().State)

		require.NoError(t, b.registry.RotateSecret(t.Context(), b.a, "files"))
		skipped := b.secret(t, b.a, "files")
		require.NoError(t, b.registry.RotateSecret(t.Context(), b.a, "files"))
		next := b.secret(t, b.a, "files")
		require.Equal(t, old, sending(), "also after a second rotation: nobody has seen the first one's secret accepted")

		// The runtime knows the old one only: it is ready, by the old one.
		u := probed()
		require.Equal(t, upstreams.Ready, u.State)
		require.True(t, u.Rotating)
		require.Equal(t, old, sending())

		// A secret that was replaced before anybody used it is nothing to the runtime.
		up.SetSecrets(skipped)
		u = probed()
		require.Equal(t, upstreams.Waiting, u.State)
		require.True(t, u.Rotating)

		up.SetSecrets(old, next)
		sub.Take()
		u = probed()
		require.Equal(t, upstreams.Ready, u.State)
		require.False(t, u.Rotating)
		require.Equal(t, next, sending())
		require.Eventually(t, func() bool { return len(sub.Take()) > 0 }, 10*time.Second, time.Millisecond, "the edge is told")

		up.SetSecrets(next)
		require.Equal(t, upstreams.Ready, probed().State)
		for _, r := range up.Requests() {
			require.NotContains(t, r.Header, "Authorization")
		}
	})
}

// TestRotationEndsByTheClock: an old secret does not live for ever because nobody
// told the runtime the new one, and the state then says that calls fail.
func TestRotationEndsByTheClock(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		up := runtime(t, "not known yet")
		b.create(t, b.a, input("files", up.URL()))
		old := b.secret(t, b.a, "files")
		up.SetSecrets(old)
		require.NoError(t, b.registry.RotateSecret(t.Context(), b.a, "files"))
		next := b.secret(t, b.a, "files")
		b.Clock.Advance(24*time.Hour - time.Microsecond)
		require.Equal(t, old, b.sent(t, b.a)[0].WorkerSecret.Reveal())
		require.True(t, b.get(t, b.a, "files").Rotating)
		b.Clock.Advance(time.Microsecond)
		require.Equal(t, next, b.sent(t, b.a)[0].WorkerSecret.Reveal())
		require.False(t, b.get(t, b.a, "files").Rotating)

		seen := len(up.Requests())
		_, err := b.registry.Probe(t.Context(), b.a, "files")
		require.NoError(t, err)
		require.Equal(t, upstreams.Waiting, b.get(t, b.a, "files").State)
		for _, r := range up.Requests()[seen:] {
			require.NotEqual(t, old, r.Header.Get("X-Emcy-Worker-Secret"))
		}
		var row struct{ PreviousSecret []byte }
		b.read(t, b.a, func(tx *tenancy.Tx) error {
			return tx.DB().Model(&stored{}).Select("previous_secret").Where("slug = ?", "files").Take(&row).Error
		})
		require.Empty(t, row.PreviousSecret, "and the next probe forgets it")
	})
}

type stored struct{ TenantID, ID, Slug string }

func (stored) TableName() string { return "upstreams" }
