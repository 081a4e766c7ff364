package errs

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestKindOf(t *testing.T) {
	t.Parallel()
	cause := errors.New("canary cause")
	for name, c := range map[string]struct {
		err  error
		want Kind
	}{
		"nobody classified it":     {cause, Internal},
		"classified":               {E(NotFound, "Not found.", cause), NotFound},
		"wrapped":                  {fmt.Errorf("read: %w", E(Stale, "Changed.", nil)), Stale},
		"the outermost decides":    {E(Unavailable, "Busy.", E(NotFound, "Not found.", nil)), Unavailable},
		"joined":                   {errors.Join(cause, E(Conflict, "Taken.", nil)), Conflict},
		"a caller that is gone":    {fmt.Errorf("read: %w", context.Canceled), Canceled},
		"too late":                 {fmt.Errorf("read: %w", context.DeadlineExceeded), Unavailable},
		"classified over a cancel": {E(RateLimited, "Wait.", context.Canceled), RateLimited},
		"field":                    {Field("name", "Too short."), Invalid},
		"fields":                   {Fields(map[string]string{"name": "Too short."}), Invalid},
	} {
		require.Equal(t, c.want, KindOf(c.err), name)
		require.True(t, Is(c.err, c.want), name)
		require.NotContains(t, Public(c.err), "canary", name)
	}
	require.False(t, Is(nil, Internal), "no error is of no kind")
	require.NoError(t, Fields(nil), "nothing wrong is no error")
	require.NoError(t, Fields(map[string]string{}))
}

func TestPublicAndCauseAreApart(t *testing.T) {
	t.Parallel()
	cause := errors.New("canary cause")
	err := fmt.Errorf("read row: %w", E(NotFound, "Not found.", cause))
	require.Equal(t, "Not found.", Public(err))
	require.Equal(t, "read row: Not found.: canary cause", err.Error(), "the log has both")
	require.ErrorIs(t, err, cause)
	require.Equal(t, "Plain.", E(Invalid, "Plain.", nil).Error())
	const generic = "Something went wrong on our side."
	for _, err := range []error{cause, E(Internal, "canary of an internal error", nil), E(Invalid, "", cause)} {
		require.Equal(t, generic, Public(err))
	}
	require.Equal(t, map[string]string{"name": "Too short."}, FieldsOf(fmt.Errorf("create: %w", Field("name", "Too short."))))
	require.Nil(t, FieldsOf(cause))
}
