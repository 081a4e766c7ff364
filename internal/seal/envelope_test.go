package seal_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/internal/seal"
)

func newKey(t *testing.T, version uint32, b byte) *seal.Key {
	t.Helper()
	key, err := seal.NewKey(version, bytes.Repeat([]byte{b}, 32))
	require.NoError(t, err)
	return key
}

func newEnvelope(t *testing.T, purpose string, active *seal.Key, kept ...*seal.Key) *seal.Envelope {
	t.Helper()
	e, err := seal.NewEnvelope(purpose, active, kept...)
	require.NoError(t, err)
	return e
}

func TestEnvelopeOpensOnlyAsItWasSealed(t *testing.T) {
	t.Parallel()
	key := newKey(t, 3, 'a')
	e := newEnvelope(t, "sessions", key)
	sealed := e.Seal([]byte("hunter2"), "ab", "c")
	require.Len(t, sealed, len("hunter2")+seal.EnvelopeOverhead)
	require.NotContains(t, string(sealed), "hunter2")
	require.NotEqual(t, sealed, e.Seal([]byte("hunter2"), "ab", "c"))
	plain, err := newEnvelope(t, "sessions", newKey(t, 3, 'a')).Open(sealed, "ab", "c")
	require.NoError(t, err)
	require.Equal(t, "hunter2", string(plain))

	for name, parts := range map[string][]string{"none": nil, "shift": {"a", "bc"}, "fewer": {"ab"}, "more": {"ab", "c", ""}, "joined": {"abc"}, "other": {"ab", "d"}} {
		_, err := e.Open(sealed, parts...)
		require.ErrorIs(t, err, seal.ErrOpen, name)
	}
	for name, other := range map[string]*seal.Envelope{
		"purpose": newEnvelope(t, "events", key),
		"key":     newEnvelope(t, "sessions", newKey(t, 3, 'b')),
		"version": newEnvelope(t, "sessions", newKey(t, 4, 'a')),
	} {
		_, err := other.Open(sealed, "ab", "c")
		require.ErrorIs(t, err, seal.ErrOpen, name)
	}
	for i := range sealed {
		damaged := bytes.Clone(sealed)
		damaged[i] ^= 1
		_, err := e.Open(damaged, "ab", "c")
		require.ErrorIs(t, err, seal.ErrOpen, i)
		_, err = e.Open(sealed[:i], "ab", "c")
		require.ErrorIs(t, err, seal.ErrOpen, i)
	}
	_, err = key.Open(seal.Place{}, sealed)
	require.ErrorIs(t, err, seal.ErrOpen, "and a field's key does not open it")
}

func TestEnvelopeSurvivesARotation(t *testing.T) {
	t.Parallel()
	old, next := newKey(t, 1, 'a'), newKey(t, 2, 'b')
	before := newEnvelope(t, "sessions", old).Seal([]byte("x"), "p")
	both := newEnvelope(t, "sessions", next, old)
	plain, err := both.Open(before, "p")
	require.NoError(t, err)
	require.Equal(t, "x", string(plain))
	after := both.Seal([]byte("y"), "p")
	version, err := seal.VersionOf(after)
	require.NoError(t, err)
	require.Equal(t, uint32(2), version, "sealed with the active key")
	_, err = newEnvelope(t, "sessions", next).Open(before, "p")
	require.ErrorIs(t, err, seal.ErrOpen, "a key that is gone opens nothing")
}
