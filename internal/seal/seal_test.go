package seal_test

import (
	"bytes"
	"encoding/base64"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/internal/seal"
)

func newKEK(t *testing.T, b byte) *seal.KEK {
	t.Helper()
	raw := bytes.Repeat([]byte{b}, 32)
	raw[0]++
	kek, err := seal.NewKEK(raw)
	require.NoError(t, err)
	return kek
}

func TestSealedValueOpensOnlyInItsPlace(t *testing.T) {
	t.Parallel()
	kek := newKEK(t, 7)
	key, wrapped, err := kek.WrapNew("tnt_a", 1)
	require.NoError(t, err)
	home := seal.Place{Tenant: "tnt_a", Table: "upstreams", Column: "worker_secret", Row: "ups_1"}
	sealed := key.Seal(home, []byte("hunter2"))
	require.NotContains(t, string(sealed), "hunter2")

	plain, err := key.Open(home, sealed)
	require.NoError(t, err)
	require.Equal(t, "hunter2", string(plain))

	for name, elsewhere := range map[string]seal.Place{
		"tenant": {"tnt_b", home.Table, home.Column, home.Row},
		"table":  {home.Tenant, "clients", home.Column, home.Row},
		"column": {home.Tenant, home.Table, "headers", home.Row},
		"row":    {home.Tenant, home.Table, home.Column, "ups_2"},
		"shift":  {home.Tenant, home.Table + "w", "orker_secret", home.Row},
	} {
		_, err := key.Open(elsewhere, sealed)
		require.ErrorIs(t, err, seal.ErrOpen, name)
	}
	for i := range sealed {
		damaged := bytes.Clone(sealed)
		damaged[i] ^= 1
		_, err := key.Open(home, damaged)
		require.ErrorIs(t, err, seal.ErrOpen, "byte %d", i)
		_, err = key.Open(home, sealed[:i])
		require.ErrorIs(t, err, seal.ErrOpen, "cut at %d", i)
	}

	again, err := kek.Unwrap("tnt_a", 1, wrapped)
	require.NoError(t, err)
	plain, err = again.Open(home, sealed)
	require.NoError(t, err)
	require.Equal(t, "hunter2", string(plain))
	_, err = kek.Unwrap("tnt_b", 1, wrapped)
	require.ErrorIs(t, err, seal.ErrOpen)
	_, err = newKEK(t, 8).Unwrap("tnt_a", 1, wrapped)
	require.ErrorIs(t, err, seal.ErrOpen)
}

func TestMACPartsDoNotRunTogether(t *testing.T) {
	t.Parallel()
	key, _, err := newKEK(t, 7).WrapNew("tnt_a", 1)
	require.NoError(t, err)
	require.NotEqual(t, key.MAC("l", "a", "bc"), key.MAC("l", "ab", "c"))
	require.Equal(t, key.MAC("l", "a"), key.MAC("l", "a"))
}

func TestKeyFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "key")
	_, err := seal.LoadOrCreateFile(path, false)
	require.Error(t, err)

	var wg sync.WaitGroup
	got := make([]string, 8)
	for i := range got {
		wg.Go(func() {
			kek, err := seal.LoadOrCreateFile(path, true)
			if err == nil {
				got[i] = kek.ID()
			}
		})
	}
	wg.Wait()
	for _, id := range got {
		require.Equal(t, got[0], id, "starts at once agree on one key")
		require.NotEmpty(t, id)
	}
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 1, "no temporary file stays behind")

	require.NoError(t, os.Chmod(path, 0o644))
	_, err = seal.LoadOrCreateFile(path, true)
	require.ErrorContains(t, err, "chmod 600")

	for name, content := range map[string]string{
		"short":    base64.StdEncoding.EncodeToString([]byte("short")),
		"garbage":  "not base64!",
		"empty":    "",
		"repeated": base64.StdEncoding.EncodeToString(make([]byte, 32)),
	} {
		bad := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(bad, []byte(content), 0o600))
		_, err := seal.LoadOrCreateFile(bad, true)
		require.Error(t, err, name)
	}
}
