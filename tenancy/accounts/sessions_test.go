package accounts

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/tenancy"
)

const console = "http://localhost:8080"

func (b bundle) start(t *testing.T, account, previous string) string {
	t.Helper()
	cookie, err := b.accounts.StartSession(t.Context(), account, console, previous)
	require.NoError(t, err)
	return cookie
}

func (b bundle) dead(t *testing.T, cookie, origin string) {
	t.Helper()
	_, err := b.accounts.Session(t.Context(), cookie, origin)
	requireKind(t, err, errs.Unauthenticated)
}

func TestSessionIsAHashInTheDatabase(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b bundle) {
		a := b.signUp(t, "ada@example.com")
		cookie := b.start(t, a.ID, "")
		require.True(t, ids.ValidSecret(sessionPrefix, cookie))
		rows := b.sessions(t)
		require.Len(t, rows, 1)
		require.Equal(t, ids.Hash(cookie), rows[0].IDHash)
		require.NotContains(t, fmt.Sprintf("%+v", rows[0]), cookie)

		s, err := b.accounts.Session(t.Context(), cookie, console)
		require.NoError(t, err)
		require.Equal(t, a, s.Account)
		require.Equal(t, rows[0].CSRF, s.CSRF)
		require.NotContains(t, s.CSRF, cookie)

		for _, origin := range []string{"", "http://localhost:8081", "https://localhost:8080", "http://127.0.0.1:8080", console + "/"} {
			b.dead(t, cookie, origin)
		}
		for _, other := range []string{"", "x", cookie[:len(cookie)-1], cookie + "x", ids.Hash(cookie), ids.Secret(sessionPrefix), "' OR 1=1 --", "\x00"} {
			b.dead(t, other, console)
		}
	})
}

func TestSessionsEndByTheClock(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b bundle) {
		a := b.signUp(t, "ada@example.com")
		idle := b.start(t, a.ID, "")
		b.Clock.Advance(SessionIdle)
		_, err := b.accounts.Session(t.Context(), idle, console)
		require.NoError(t, err)
		b.Clock.Advance(SessionIdle + time.Microsecond)
		b.dead(t, idle, console)

		busy := b.start(t, a.ID, "")
		began := b.Clock.Now()
		for b.Clock.Now().Sub(began) <= SessionLife-SessionIdle {
			b.Clock.Advance(SessionIdle)
			_, err := b.accounts.Session(t.Context(), busy, console)
			require.NoError(t, err)
		}
		b.Clock.Advance(SessionLife - b.Clock.Now().Sub(began))
		_, err = b.accounts.Session(t.Context(), busy, console)
		require.NoError(t, err)
		b.Clock.Advance(time.Microsecond)
		b.dead(t, busy, console)
	})
}

// TestSeenIsNotWrittenOnEachRequest: within touchEvery a session costs no write.
func TestSeenIsNotWrittenOnEachRequest(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b bundle) {
		cookie := b.start(t, b.signUp(t, "ada@example.com").ID, "")
		first := b.sessions(t)[0].SeenAt
		for _, step := range []struct {
			after time.Duration
			moved bool
		}{{touchEvery, false}, {time.Second, true}} {
			b.Clock.Advance(step.after)
			_, err := b.accounts.Session(t.Context(), cookie, console)
			require.NoError(t, err)
			require.Equal(t, step.moved, b.sessions(t)[0].SeenAt.After(first))
		}
	})
}

// TestASessionNeedsNoWrite: while another transaction holds the lock, pages are
// served and the session is not marked as seen.
func TestASessionNeedsNoWrite(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b bundle) {
		cookie := b.start(t, b.signUp(t, "ada@example.com").ID, "")
		first := b.sessions(t)[0].SeenAt
		b.Clock.Advance(touchEvery + time.Second)
		held, release, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
		go func() {
			done <- b.DB.System(t.Context(), tenancy.ReasonAccounts, func(tx *tenancy.Tx) error {
				err := tx.DB().Model(&sessionRow{}).Where("id_hash = ?", ids.Hash(cookie)).Update("flash", "x").Error
				close(held)
				<-release
				return err
			})
		}()
		<-held
		_, err := b.accounts.Session(t.Context(), cookie, console)
		close(release)
		require.NoError(t, err)
		require.NoError(t, <-done)
		require.Equal(t, first, b.sessions(t)[0].SeenAt)
		_, err = b.accounts.Session(t.Context(), cookie, console)
		require.NoError(t, err)
		require.True(t, b.sessions(t)[0].SeenAt.After(first), "the next request tries again")
	})
}

func TestANewSessionEndsTheOneBefore(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b bundle) {
		a, e := b.signUp(t, "ada@example.com"), b.signUp(t, "eve@example.com")
		planted := b.start(t, e.ID, "")
		elsewhere := b.start(t, a.ID, "")
		cookie := b.start(t, a.ID, planted)
		require.NotEqual(t, planted, cookie)
		b.dead(t, planted, console)
		for _, alive := range []string{elsewhere, cookie} {
			s, err := b.accounts.Session(t.Context(), alive, console)
			require.NoError(t, err)
			require.Equal(t, a, s.Account)
		}
		b.start(t, a.ID, "what a browser made up")
		_, err := b.accounts.StartSession(t.Context(), "acc_none", console, cookie)
		require.Error(t, err)
		_, err = b.accounts.Session(t.Context(), cookie, console)
		require.NoError(t, err, "a session that could not start ends no other")

		s, err := b.accounts.Session(t.Context(), cookie, console)
		require.NoError(t, err)
		require.NoError(t, b.accounts.EndSession(t.Context(), s))
		require.NoError(t, b.accounts.EndSession(t.Context(), s), "signing out twice is signing out")
		b.dead(t, cookie, console)
		_, err = b.accounts.Session(t.Context(), elsewhere, console)
		require.NoError(t, err)
	})
}

func TestFlash(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b bundle) {
		a := b.signUp(t, "ada@example.com")
		cookie, other := b.start(t, a.ID, ""), b.start(t, a.ID, "")
		read := func(cookie string) Session {
			s, err := b.accounts.Session(t.Context(), cookie, console)
			require.NoError(t, err)
			return s
		}
		require.Empty(t, read(cookie).Flash)
		require.NoError(t, b.accounts.SetFlash(t.Context(), read(cookie), "Saved <b>it</b>."))
		require.Equal(t, "Saved <b>it</b>.", read(cookie).Flash)
		require.Equal(t, "Saved <b>it</b>.", read(cookie).Flash, "reading does not clear it")
		require.Empty(t, read(other).Flash)
		require.NoError(t, b.accounts.SetFlash(t.Context(), read(cookie), ""))
		require.Empty(t, read(cookie).Flash)
	})
}

func TestSweepDeletesWhatHasEnded(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b bundle) {
		a := b.signUp(t, "ada@example.com")
		b.start(t, a.ID, "") // will be idle
		old := b.start(t, a.ID, "")
		began := b.Clock.Now()
		for b.Clock.Now().Sub(began) < SessionLife {
			b.Clock.Advance(SessionIdle)
			_, err := b.accounts.Session(t.Context(), old, console)
			require.NoError(t, err)
			require.NoError(t, b.accounts.Sweep(t.Context()))
			require.Contains(t, hashes(b.sessions(t)), ids.Hash(old), "nothing that lives is swept")
		}
		fresh := b.start(t, a.ID, "")
		b.Clock.Advance(time.Second) // old is over its life now, though seen just before
		require.NoError(t, b.accounts.Sweep(t.Context()))
		require.Equal(t, []string{ids.Hash(fresh)}, hashes(b.sessions(t)))
	})
}

func hashes(rows []sessionRow) []string {
	out := make([]string, len(rows))
	for i, r := range rows {
		out[i] = r.IDHash
	}
	return out
}
