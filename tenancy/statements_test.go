package tenancy_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/tenancytest"
)

type refreshToken struct {
	TenantID   string
	Hash       string
	FamilyID   string
	Generation int64
	CreatedAt  time.Time
	ExpiresAt  time.Time
	UsedAt     *time.Time
}

func (refreshToken) TableName() string { return "refresh_tokens" }

type tokenFamily struct {
	TenantID, ID, ClientID, Subject, UpstreamID, Resource, Scope string
	CreatedAt, ExpiresAt                                         time.Time
}

func (tokenFamily) TableName() string { return "token_families" }

type upstream struct {
	SecretHeader, State           string
	WorkerSecret                  []byte
	TenantID, ID, Slug, Name, URL string
	CreatedAt, UpdatedAt          time.Time
}

func (upstream) TableName() string { return "upstreams" }

// line stores a tenant's refresh token with what it stands on, under ids that two tenants share.
func line(t *testing.T, env tenancytest.Env, h tenancy.Handle) {
	t.Helper()
	require.NoError(t, env.DB.Write(t.Context(), h, func(tx *tenancy.Tx) error {
		now := tx.Now()
		c := newClient(tx, "cli_1", "app")
		require.NoError(t, tx.DB().Create(&c).Error)
		require.NoError(t, tx.DB().Create(&upstream{TenantID: tx.Tenant(), ID: "ups_1", Slug: "tickets", Name: "Tickets", URL: "http://127.0.0.1", State: "ready", WorkerSecret: []byte{1}, CreatedAt: now, UpdatedAt: now}).Error)
		require.NoError(t, tx.DB().Create(&tokenFamily{
			TenantID: tx.Tenant(), ID: "fam_1", ClientID: "cli_1", Subject: "acc_1", UpstreamID: "ups_1", Resource: "r", Scope: "mcp", CreatedAt: now, ExpiresAt: now.Add(time.Hour),
		}).Error)
		return tx.DB().Create(&refreshToken{TenantID: tx.Tenant(), Hash: "h1", FamilyID: "fam_1", Generation: 1, CreatedAt: now, ExpiresAt: now.Add(time.Hour)}).Error
	}))
}

// TestStatementsStayInTheirTenant runs each as a tenant whose rows are another's
// twins, down to their ids, and as one that has none.
func TestStatementsStayInTheirTenant(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		a, b, none := tenancytest.Tenant(t, env, "alpha"), tenancytest.Tenant(t, env, "beta"), tenancytest.Tenant(t, env, "gamma")
		line(t, env, a)
		line(t, env, b)
		hashes := []string{"h1"}
		read := func(h tenancy.Handle) (n int) {
			require.NoError(t, env.DB.Write(t.Context(), h, func(tx *tenancy.Tx) error {
				return tx.Select(tenancy.RotationRead, func(func(...any) error) error { n++; return nil }, hashes)
			}))
			return n
		}
		rotate := func(h tenancy.Handle) (changed int64) {
			require.NoError(t, env.DB.Write(t.Context(), h, func(tx *tenancy.Tx) (err error) {
				end := tx.Now().Add(time.Hour)
				if changed, err = tx.Exec(tenancy.RotationUse, hashes, tx.Now()); err != nil || changed == 0 {
					return err
				}
				_, err = tx.Exec(tenancy.RotationStore, "h2", "fam_1", int64(2), tx.Now(), end)
				return err
			}))
			return changed
		}
		stored := func(h tenancy.Handle) (unused []string) {
			require.NoError(t, env.DB.Read(t.Context(), h, func(tx *tenancy.Tx) error {
				return tx.DB().Model(&refreshToken{}).Where("used_at IS NULL").Order("hash").Pluck("hash", &unused).Error
			}))
			return unused
		}
		require.Equal(t, 1, read(b))
		require.Zero(t, read(none))
		require.Zero(t, rotate(none))
		require.EqualValues(t, 1, rotate(b))
		require.Equal(t, []string{"h2"}, stored(b))
		require.Equal(t, []string{"h1"}, stored(a), "the twin's")
		require.Zero(t, rotate(b), "used already: nothing is stored")
		require.Zero(t, read(b))
		require.Equal(t, 1, read(a))
		require.Error(t, env.DB.System(t.Context(), tenancy.ReasonSweep, func(tx *tenancy.Tx) error {
			_, err := tx.Exec(tenancy.RotationUse, hashes, tx.Now())
			return err
		}), "the system has no tenant")
	})
}

// TestOnceIsFenced: a statement in a round trip of its own sees its tenant's rows alone,
// and leaves neither role nor tenant behind on the connection.
func TestOnceIsFenced(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		a, b, none := tenancytest.Tenant(t, env, "alpha"), tenancytest.Tenant(t, env, "beta"), tenancytest.Tenant(t, env, "gamma")
		line(t, env, a)
		line(t, env, b)
		read := func(h tenancy.Handle, hashes ...string) (n int, err error) {
			err = env.DB.Once(t.Context(), h, tenancy.RotationRead, func(func(...any) error) error { n++; return nil }, hashes)
			return n, err
		}
		pool, _ := env.DB.Native()
		if pool == nil {
			_, err := read(a, "h1")
			require.ErrorIs(t, err, tenancy.ErrTransaction)
			return
		}
		for h, want := range map[tenancy.Handle]int{a: 1, b: 1, none: 0} {
			n, err := read(h, "h1")
			require.NoError(t, err)
			require.Equal(t, want, n)
		}
		_, err := read(tenancy.Handle{}, "h1")
		require.Error(t, err, "nobody's")
		boom := errors.New("boom")
		require.ErrorIs(t, env.DB.Once(t.Context(), a, tenancy.RotationRead, func(func(...any) error) error { return boom }, []string{"h1"}), boom)
		_, err = read(a, "bad \xff text")
		require.Error(t, err)
		for range 50 { // whichever connection the pool gives
			var role, tenant string
			require.NoError(t, pool.QueryRow(t.Context(), "select current_user, coalesce(current_setting('app.tenant_id', true), '')").Scan(&role, &tenant))
			require.NotEqual(t, "emcy_app", role)
			require.Empty(t, tenant)
		}
		mac, err := env.DB.MAC(t.Context(), a, "label", "part")
		require.NoError(t, err)
		require.NoError(t, env.DB.Read(t.Context(), a, func(tx *tenancy.Tx) error {
			want, err := tx.MAC("label", "part")
			require.Equal(t, want, mac)
			return err
		}))
	})
}

type renamed struct {
	TenantID, ID, Name string
	UpdatedAt          time.Time
}

func (renamed) TableName() string { return "upstreams" }

// TestTheTimesThatGORMFillsInAreTheGates: a row's time is not the machine's where the
// gate has another clock.
func TestTheTimesThatGORMFillsInAreTheGates(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		a := tenancytest.Tenant(t, env, "alpha")
		line(t, env, a)
		env.Clock.Advance(time.Hour)
		require.NoError(t, env.DB.Write(t.Context(), a, func(tx *tenancy.Tx) error {
			if err := tx.DB().Model(&renamed{}).Where("id = ?", "ups_1").Updates(&renamed{Name: "Renamed"}).Error; err != nil {
				return err
			}
			var row renamed
			err := tx.DB().Where("id = ?", "ups_1").First(&row).Error
			require.WithinDuration(t, tx.Now(), row.UpdatedAt, time.Millisecond)
			return err
		}))
	})
}
