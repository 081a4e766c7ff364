package tenancy_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/internal/seal"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/tenancytest"
)

// client is a tenant's row to try the fences with.
type client struct {
	TenantID        string `gorm:"primaryKey"`
	ID              string `gorm:"primaryKey"`
	Kind            string
	Name            string
	RedirectURIs    string `gorm:"column:redirect_uris"`
	ApplicationType string
	CreatedAt       time.Time
}

func (client) TableName() string { return "clients" }

type account struct {
	ID   string
	Name string
}

func (account) TableName() string { return "accounts" }

func newClient(tx *tenancy.Tx, id, name string) client {
	return client{TenantID: tx.Tenant(), ID: id, Kind: "dcr", Name: name, RedirectURIs: "[]", ApplicationType: "native", CreatedAt: tx.Now()}
}

// TestFences does as A, tries as B, and checks A: by every shape of statement that
// is known to slip past a filter in an ORM.
func TestFences(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		a, b := tenancytest.Tenant(t, env, "alpha"), tenancytest.Tenant(t, env, "beta")
		ctx := t.Context()
		require.NoError(t, env.DB.Write(ctx, a, func(tx *tenancy.Tx) error {
			row := newClient(tx, "cli_1", "canary-a")
			return tx.DB().Create(&row).Error
		}))
		read := func(h tenancy.Handle, query func(*gorm.DB) *gorm.DB) []client {
			var out []client
			require.NoError(t, env.DB.Read(ctx, h, func(tx *tenancy.Tx) error { return query(tx.DB()).Find(&out).Error }))
			return out
		}
		for name, query := range map[string]func(*gorm.DB) *gorm.DB{
			"all":       func(db *gorm.DB) *gorm.DB { return db },
			"by id":     func(db *gorm.DB) *gorm.DB { return db.Where("id = ?", "cli_1") },
			"or inside": func(db *gorm.DB) *gorm.DB { return db.Where("id = ? OR 1 = 1", "x") },
			"or method": func(db *gorm.DB) *gorm.DB { return db.Where("id = ?", "x").Or("1 = 1") },
			"not":       func(db *gorm.DB) *gorm.DB { return db.Not("id = ?", "x") },
			"unscoped":  func(db *gorm.DB) *gorm.DB { return db.Unscoped() },
			"tenant":    func(db *gorm.DB) *gorm.DB { return db.Where("tenant_id = ?", a.Tenant()) },
			"primary":   func(db *gorm.DB) *gorm.DB { return db.Where(&client{TenantID: a.Tenant(), ID: "cli_1"}) },
		} {
			require.Empty(t, read(b, query), name)
			require.NotEmpty(t, read(a, query), name)
		}

		write := func(h tenancy.Handle, change func(*gorm.DB) *gorm.DB) (int64, error) {
			var n int64
			err := env.DB.Write(ctx, h, func(tx *tenancy.Tx) error {
				res := change(tx.DB())
				n = res.RowsAffected
				return res.Error
			})
			return n, err
		}
		for name, change := range map[string]func(*gorm.DB) *gorm.DB{
			"update": func(db *gorm.DB) *gorm.DB {
				return db.Model(&client{}).Where("id = ?", "cli_1").Update("name", "taken")
			},
			"update or": func(db *gorm.DB) *gorm.DB {
				return db.Model(&client{}).Where("id = ?", "x").Or("1 = 1").Update("name", "taken")
			},
			"update by row": func(db *gorm.DB) *gorm.DB {
				return db.Model(&client{}).Where("id = ? AND tenant_id = ?", "cli_1", a.Tenant()).Updates(map[string]any{"name": "taken"})
			},
			"delete":    func(db *gorm.DB) *gorm.DB { return db.Where("id = ?", "cli_1").Delete(&client{}) },
			"delete or": func(db *gorm.DB) *gorm.DB { return db.Where("id = ?", "x").Or("1 = 1").Delete(&client{}) },
		} {
			n, err := write(b, change)
			require.NoError(t, err, name)
			require.Zero(t, n, name)
		}
		for name, change := range map[string]func(*gorm.DB) *gorm.DB{
			"create for another": func(db *gorm.DB) *gorm.DB {
				return db.Create(&client{TenantID: a.Tenant(), ID: "cli_2", Kind: "dcr", RedirectURIs: "[]", ApplicationType: "web"})
			},
			"create one of many for another": func(db *gorm.DB) *gorm.DB {
				return db.Create([]client{{TenantID: b.Tenant(), ID: "cli_3", Kind: "dcr"}, {TenantID: a.Tenant(), ID: "cli_4", Kind: "dcr"}})
			},
			"take over by upsert": func(db *gorm.DB) *gorm.DB {
				return db.Clauses(clause.OnConflict{UpdateAll: true}).Create(&client{TenantID: a.Tenant(), ID: "cli_1", Kind: "dcr", Name: "taken", RedirectURIs: "[]"})
			},
			"save": func(db *gorm.DB) *gorm.DB {
				return db.Save(&client{TenantID: a.Tenant(), ID: "cli_1", Kind: "dcr", Name: "taken"})
			},
			"move": func(db *gorm.DB) *gorm.DB {
				return db.Model(&client{}).Where("id = ?", "cli_1").Updates(map[string]any{"tenant_id": b.Tenant()})
			},
			"raw":             func(db *gorm.DB) *gorm.DB { return db.Exec("update clients set name = 'taken'") },
			"raw read":        func(db *gorm.DB) *gorm.DB { var n int; return db.Raw("select count(*) from clients").Scan(&n) },
			"table only":      func(db *gorm.DB) *gorm.DB { return db.Table("clients").Where("1 = 1").Update("name", "taken") },
			"no filter":       func(db *gorm.DB) *gorm.DB { return db.Model(&client{}).Update("name", "taken") },
			"another's table": func(db *gorm.DB) *gorm.DB { return db.Find(&[]account{}) },
		} {
			_, err := write(b, change)
			require.Error(t, err, name)
		}
		got := read(a, func(db *gorm.DB) *gorm.DB { return db })
		require.Len(t, got, 1)
		require.Equal(t, "canary-a", got[0].Name)
	})
}

func TestReadCannotWrite(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		a := tenancytest.Tenant(t, env, "alpha")
		require.Error(t, env.DB.Read(t.Context(), a, func(tx *tenancy.Tx) error {
			row := newClient(tx, "cli_1", "x")
			return tx.DB().Create(&row).Error
		}))
	})
}

func TestFailedWriteLeavesNothing(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		a := tenancytest.Tenant(t, env, "alpha")
		// A topic that nothing else here speaks of: the tenant's own creation may still be on its way.
		topic := tenancy.EventsTopic(a.Tenant())
		sub := env.DB.Notices().Subscribe(func(tp tenancy.Topic) bool { return tp == topic })
		defer sub.Close()
		boom := errors.New("boom")
		write := func(end error) error {
			return env.DB.Write(t.Context(), a, func(tx *tenancy.Tx) error {
				row := newClient(tx, "cli_1", "x")
				tx.Notify(topic)
				return errors.Join(tx.DB().Create(&row).Error, end)
			})
		}
		require.ErrorIs(t, write(boom), boom)
		require.NotContains(t, sub.Take(), topic, "a change that did not happen is not announced")
		require.NoError(t, write(nil))
		// A listener that has only just begun asks to read everything instead.
		require.Eventually(t, func() bool {
			heard := sub.Take()
			return slices.Contains(heard, topic) || slices.Contains(heard, tenancy.ResyncTopic)
		}, 10*time.Second, time.Millisecond)
		require.Equal(t, errs.Conflict, errs.KindOf(write(nil)), "a duplicate is a conflict on both databases")
	})
}

func TestGates(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		a, b := tenancytest.Tenant(t, env, "alpha"), tenancytest.Tenant(t, env, "beta")
		ctx := t.Context()
		h, err := env.DB.ForOrigin(ctx, "https://alpha.mcp.test")
		require.NoError(t, err)
		require.Equal(t, a.Tenant(), h.Tenant())
		for _, origin := range []string{"http://alpha.mcp.test", "https://alpha.mcp.test:444", "https://gamma.mcp.test", ""} {
			_, err = env.DB.ForOrigin(ctx, origin)
			require.True(t, errs.Is(err, errs.NotFound), origin)
		}
		_, _, err = env.DB.ForMember(ctx, b.Actor().ID, "alpha")
		require.True(t, errs.Is(err, errs.NotFound), "a workspace of others looks like none")
		for _, slug := range []string{"", "alpha\x00", "\xff", "al\xc3pha"} {
			_, _, err = env.DB.ForMember(ctx, a.Actor().ID, slug)
			require.True(t, errs.Is(err, errs.NotFound), "%q", slug)
		}
		_, err = env.DB.ForJob(ctx, "tnt_none", "x")
		require.True(t, errs.Is(err, errs.NotFound))
		require.Error(t, env.DB.Read(ctx, tenancy.Handle{}, func(*tenancy.Tx) error { return nil }))
		require.Error(t, env.DB.Write(ctx, tenancy.Handle{}, func(*tenancy.Tx) error { return nil }))
		role, err := env.DB.Role(ctx, a, a.Actor().ID)
		require.NoError(t, err)
		require.Equal(t, "owner", string(role))
		_, err = env.DB.Role(ctx, a, b.Actor().ID)
		require.True(t, errs.Is(err, errs.NotFound))
		require.NoError(t, env.DB.Read(ctx, a, func(tx *tenancy.Tx) error {
			members, err := tx.MembersAmong([]string{a.Actor().ID, b.Actor().ID, "acc_unknown", a.Actor().ID})
			require.Equal(t, []string{a.Actor().ID}, members)
			return err
		}))
	})
}

func TestSealedFieldsStayWithTheirTenantAndRow(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		a, b := tenancytest.Tenant(t, env, "alpha"), tenancytest.Tenant(t, env, "beta")
		var sealed []byte
		in := func(h tenancy.Handle, fn func(*tenancy.Tx) error) error { return env.DB.Read(t.Context(), h, fn) }
		require.NoError(t, in(a, func(tx *tenancy.Tx) (err error) {
			sealed, err = tx.Seal("upstreams", "worker_secret", "ups_1", []byte("canary"))
			return err
		}))
		open := func(h tenancy.Handle, table, column, row string) (string, error) {
			var plain []byte
			err := in(h, func(tx *tenancy.Tx) (err error) { plain, err = tx.Open(table, column, row, sealed); return err })
			return string(plain), err
		}
		plain, err := open(a, "upstreams", "worker_secret", "ups_1")
		require.NoError(t, err)
		require.Equal(t, "canary", plain)
		for _, place := range [][3]string{{"upstreams", "worker_secret", "ups_2"}, {"upstreams", "headers", "ups_1"}, {"clients", "worker_secret", "ups_1"}} {
			_, err = open(a, place[0], place[1], place[2])
			require.ErrorIs(t, err, seal.ErrOpen)
		}
		_, err = open(b, "upstreams", "worker_secret", "ups_1")
		require.ErrorIs(t, err, seal.ErrOpen)
	})
}

func TestNoOutboundCallInATransaction(t *testing.T) {
	t.Parallel()
	env := tenancytest.SQLite(t)
	a := tenancytest.Tenant(t, env, "alpha")
	client := outbound.New(outbound.Config{AllowPrivate: true})
	require.NoError(t, env.DB.Read(t.Context(), a, func(tx *tenancy.Tx) error {
		_, err := client.GetJSON(tx.Context(), "http://127.0.0.1:1/", 10, &struct{}{})
		var oe *outbound.Error
		require.ErrorAs(t, err, &oe)
		require.Equal(t, outbound.KindInternal, oe.Kind)
		return nil
	}))
}
