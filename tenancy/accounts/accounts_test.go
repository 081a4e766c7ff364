package accounts

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/internal/errs"
)

func TestSignUpSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b bundle) {
		for name, c := range map[string]struct {
			name, email, password string
			wrong                 []string
		}{
			"nothing":                     {"", "", "", []string{"name", "email", "password"}},
			"an invisible name":           {"\u200b\u202e", "ada@example.com", goodPassword, []string{"name"}},
			"a long name":                 {strings.Repeat("ä", 81), "ada@example.com", goodPassword, []string{"name"}},
			"no address":                  {"Ada", "ada", goodPassword, []string{"email"}},
			"a short password":            {"Ada", "ada@example.com", "1234567", []string{"password"}},
			"short once composed":         {"Ada", "ada@example.com", "1234\u0065\u0301\u0065\u0301", []string{"password"}},
			"a long password":             {"Ada", "ada@example.com", strings.Repeat("ab", 65), []string{"password"}},
			"the address as the password": {"Ada", "ada@example.com", "ADA@example.com", []string{"password"}},
			"one character":               {"Ada", "ada@example.com", "ééééééééé", []string{"password"}},
		} {
			_, err := b.accounts.SignUp(t.Context(), c.name, c.email, c.password, "192.0.2.1")
			requireKind(t, err, errs.Invalid)
			fields := errs.FieldsOf(err)
			require.Len(t, fields, len(c.wrong), name)
			for _, field := range c.wrong {
				require.NotEmpty(t, fields[field], "%s: %s", name, field)
			}
			require.NotContains(t, err.Error(), "canary", name)
		}
		require.Zero(t, b.hashed.Load(), "what is refused costs no hash")

		a, err := b.accounts.SignUp(t.Context(), "  Ada\x00 \u202eLovelace ", " Ada@Example.com ", strings.Repeat("äb", 64), "192.0.2.1")
		require.NoError(t, err)
		require.Equal(t, Account{ID: a.ID, Email: "Ada@Example.com", Name: "Ada Lovelace"}, a)
		found, err := b.accounts.ByIDs(t.Context(), []string{a.ID, "acc_none"})
		require.NoError(t, err)
		require.Equal(t, map[string]Account{a.ID: a}, found)
		found, err = b.accounts.ByIDs(t.Context(), nil)
		require.NoError(t, err)
		require.Empty(t, found)
	})
}

func TestOneAddressIsOneAccount(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b bundle) {
		for _, same := range [][]string{
			{"ada@example.com", "ADA@EXAMPLE.COM", " ada@Example.Com\n", "ａｄａ@example.com"},
			{"zoë@bücher.example", "zoe\u0308@xn--bcher-kva.example", "ZOË@BÜCHER.EXAMPLE"},
			{"\u212aelvin@example.com", "kelvin@example.com"},
		} {
			first := b.signUp(t, same[0])
			for _, other := range same {
				_, err := b.accounts.SignUp(t.Context(), "Eve", other, goodPassword, "192.0.2.1")
				requireKind(t, err, errs.Conflict)
				require.NotContains(t, errs.Public(err), first.ID)
				got, err := b.accounts.SignIn(t.Context(), other, goodPassword, address)
				require.NoError(t, err, other)
				require.Equal(t, first, got, other)
			}
		}
	})
}

func TestParallelSignUpsOfOneAddress(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b bundle) {
		const n = 10
		results := make(chan error, n)
		for range n {
			go func() {
				_, err := b.accounts.SignUp(t.Context(), "Ada", "ada@example.com", goodPassword, "192.0.2.1")
				results <- err
			}()
		}
		made := 0
		for range n {
			if err := <-results; err == nil {
				made++
			} else {
				requireKind(t, err, errs.Conflict)
			}
		}
		require.Equal(t, 1, made)
	})
}

// TestKnownAndUnknownAreOne counts the work instead of timing it: the same number
// of hashes at the same price, and the very same error.
func TestKnownAndUnknownAreOne(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b bundle) {
		b.signUp(t, "ada@example.com")
		for name, try := range map[string]struct{ email, password string }{
			"known":                         {"ada@example.com", "wrong password"},
			"unknown":                       {"eve@example.com", "wrong password"},
			"unknown, the dummy's secret":   {"eve@example.com", "no account has this password"},
			"no address":                    {"eve", "wrong password"},
			"nothing":                       {"", ""},
			"a long password":               {"ada@example.com", strings.Repeat("x", 4096)},
			"a long password of a stranger": {"eve@example.com", strings.Repeat("x", 4096)},
		} {
			hashes, work := b.hashed.Load(), b.worked.Load()
			_, err := b.accounts.SignIn(t.Context(), try.email, try.password, address)
			require.Same(t, ErrWrongSignIn, err, name)
			require.EqualValues(t, 1, b.hashed.Load()-hashes, name)
			require.EqualValues(t, cheap.MemoryKiB*cheap.Passes, b.worked.Load()-work, name)
		}
	})
}

func TestSignInIsLimitedPerAccountAndPerAddress(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b bundle) {
		b.signUp(t, "ada@example.com")
		ctx := t.Context()
		try := func(email, password, from string) error {
			_, err := b.accounts.SignIn(ctx, email, password, from)
			return err
		}
		for range maxPerPair {
			require.Same(t, ErrWrongSignIn, try("ada@example.com", "wrong password", address))
		}
		hashes := b.hashed.Load()
		err := try("ADA@example.com", goodPassword, address)
		requireKind(t, err, errs.RateLimited)
		var limited *errs.Error
		require.ErrorAs(t, err, &limited)
		require.Equal(t, tryWindow, limited.RetryAfter)
		require.Equal(t, hashes, b.hashed.Load(), "a limited try costs no hash")
		require.Same(t, ErrWrongSignIn, try("eve@example.com", "wrong password", address), "others go on")
		require.NoError(t, try("ada@example.com", goodPassword, "192.0.2.77"), "nobody locks the owner out")

		b.Clock.Advance(tryWindow)
		require.NoError(t, try("ada@example.com", goodPassword, address))
		for range maxPerPair - 1 {
			require.Same(t, ErrWrongSignIn, try("ada@example.com", "wrong password", address))
		}
		require.NoError(t, try("ada@example.com", goodPassword, address), "the right password clears the account's count")
		require.Same(t, ErrWrongSignIn, try("ada@example.com", "wrong password", address))

		b.Clock.Advance(tryWindow)
		for i := range maxPerAddress {
			email := strings.Repeat("x", i+1) + "@example.com"
			from := []string{"2001:db8::1", "2001:db8::2", "2001:db8::/64"}[i%3]
			require.Same(t, ErrWrongSignIn, try(email, "wrong password", from))
		}
		requireKind(t, try("ada@example.com", goodPassword, "2001:db8::ffff"), errs.RateLimited)
		require.NoError(t, try("ada@example.com", goodPassword, "2001:db8:1::1"))
		b.Clock.Advance(tryWindow)
		require.NoError(t, try("ada@example.com", goodPassword, "2001:db8::1"))
		require.Empty(t, b.accounts.tries.wrong, "nothing is kept of a window that is over")
	})
}

// TestManyNetworksAreOneGuesser: the wide limit holds over all networks.
func TestManyNetworksAreOneGuesser(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b bundle) {
		b.signUp(t, "ada@example.com")
		try := func(password string, network int) error {
			_, err := b.accounts.SignIn(t.Context(), "ada@example.com", password, fmt.Sprintf("198.51.100.%d", network))
			return err
		}
		for i := range maxPerAccount {
			require.Same(t, ErrWrongSignIn, try("wrong password", i/maxPerPair))
		}
		requireKind(t, try(goodPassword, 200), errs.RateLimited)
		b.Clock.Advance(tryWindow)
		require.NoError(t, try(goodPassword, 200))
		require.Empty(t, b.accounts.tries.wrong)
	})
}

// TestABurstIsCounted holds that tries which run at the same time are limited, too.
func TestABurstIsCounted(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b bundle) {
		b.signUp(t, "ada@example.com")
		before := b.hashed.Load()
		var wg sync.WaitGroup
		for range 5 * maxPerPair {
			wg.Go(func() {
				_, err := b.accounts.SignIn(t.Context(), "ada@example.com", "wrong password", address)
				if !errors.Is(err, ErrWrongSignIn) && !errs.Is(err, errs.RateLimited) {
					t.Errorf("unexpected: %v", err)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, maxPerPair, b.hashed.Load()-before)
	})
}

func TestTriesThatFailForOurReasonsAreNotCounted(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b bundle) {
		h := b.accounts.hasher
		for range cap(h.turns) {
			h.turns <- struct{}{}
		}
		h.wait = 0
		for range maxPerPair + 1 {
			_, err := b.accounts.SignIn(t.Context(), "ada@example.com", goodPassword, address)
			requireKind(t, err, errs.RateLimited)
		}
		require.Empty(t, b.accounts.tries.wrong)
	})
}

// TestHashesAreRenewed: the parameters are in the hash, and a sign-in is the moment
// to raise them.
func TestHashesAreRenewed(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b bundle) {
		a := b.signUp(t, "ada@example.com")
		dearer := New(b.DB, Cost{MemoryKiB: 128, Passes: 2})
		_, err := dearer.SignIn(t.Context(), "ada@example.com", "wrong password", address)
		require.Same(t, ErrWrongSignIn, err)
		require.Contains(t, b.row(t, a.ID).PasswordHash, "m=64,t=1,", "only the right password renews it")
		for range 2 {
			got, err := dearer.SignIn(t.Context(), "ada@example.com", goodPassword, address)
			require.NoError(t, err)
			require.Equal(t, a, got)
			require.Contains(t, b.row(t, a.ID).PasswordHash, "$argon2id$v=19$m=128,t=2,p=1$")
		}
	})
}

// TestSignUpsFromOneAddressAreLimited: a script can neither fill the table nor ask
// for one address after the other.
func TestSignUpsFromOneAddressAreLimited(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b bundle) {
		signUp := func(i int, from string) error {
			_, err := b.accounts.SignUp(t.Context(), "Eve", fmt.Sprintf("eve%d@example.com", i%20), goodPassword, from)
			return err
		}
		for i := range maxSignUps {
			require.False(t, errs.Is(signUp(i, "198.51.100.1"), errs.RateLimited), i)
		}
		require.True(t, errs.Is(signUp(0, "198.51.100.1"), errs.RateLimited))
		require.False(t, errs.Is(signUp(0, "198.51.100.2"), errs.RateLimited), "others are not kept out")
		b.Clock.Advance(tryWindow + time.Second)
		require.False(t, errs.Is(signUp(0, "198.51.100.1"), errs.RateLimited))
	})
}
