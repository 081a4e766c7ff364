package tenancy_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/tenancytest"
)

type usageEvent struct {
	TenantID   string
	ID         string
	At         time.Time
	ResponseBy int64 `gorm:"column:response_bytes"`
}

func (usageEvent) TableName() string { return "usage_events" }

// eventValues are those of a usage event's row, in the order of the statement.
func eventValues(args []any, tenant string, n int) []any {
	return append(args, tenant, fmt.Sprintf("evt_%04d", n), tenancytest.Start.Add(time.Duration(n)*time.Millisecond).In(time.FixedZone("", n%5*3600)), "req", int64(1), "ups", "cli", "sub", "fam",
		"POST", "ping", "", "2025-11-25", int64(200), "success", "", false, true, int64(1), int64(2), int64(3), int64(4), int64(n))
}

func TestInsertBulkInsertsEveryRowOnce(t *testing.T) {
	t.Parallel()
	env := tenancytest.SQLite(t)
	a := tenancytest.Tenant(t, env, "alpha")
	for _, n := range []int{0, 1, 9, 10, 11, 37} {
		for range 2 { // the second time finds them there
			require.NoError(t, env.DB.System(t.Context(), tenancy.ReasonUsage, func(tx *tenancy.Tx) error {
				return tx.InsertBulk(tenancy.BulkUsageEvents, n, func(i int, args []any) []any { return eventValues(args, a.Tenant(), i) })
			}))
		}
		var rows []usageEvent
		require.NoError(t, env.DB.Read(t.Context(), a, func(tx *tenancy.Tx) error { return tx.DB().Order("id").Find(&rows).Error }))
		require.Len(t, rows, n)
		for i, row := range rows {
			row.At = row.At.UTC()
			require.Equal(t, usageEvent{a.Tenant(), fmt.Sprintf("evt_%04d", i), tenancytest.Start.Add(time.Duration(i) * time.Millisecond), int64(i)}, row)
		}
	}
	require.Error(t, env.DB.System(t.Context(), tenancy.ReasonUsage, func(tx *tenancy.Tx) error {
		return tx.InsertBulk(tenancy.BulkUsageEvents, 12, func(i int, args []any) []any {
			return eventValues(args, []string{a.Tenant(), "tnt_nobody"}[i/11], 100+i)
		})
	}))
	var rows []usageEvent
	require.NoError(t, env.DB.Read(t.Context(), a, func(tx *tenancy.Tx) error { return tx.DB().Find(&rows).Error }))
	require.Len(t, rows, 37, "all or nothing")
}

// TestInsertBulkAfterRollback: the first transaction makes what the later ones use,
// and its end may take that away again.
func TestInsertBulkAfterRollback(t *testing.T) {
	t.Parallel()
	env := tenancytest.SQLite(t)
	a := tenancytest.Tenant(t, env, "alpha")
	undo := errors.New("undo")
	for n, end := range []error{undo, undo, nil, undo, nil} {
		require.ErrorIs(t, env.DB.System(t.Context(), tenancy.ReasonUsage, func(tx *tenancy.Tx) error {
			require.NoError(t, tx.InsertBulk(tenancy.BulkUsageEvents, 3, func(i int, args []any) []any { return eventValues(args, a.Tenant(), 10*n+i) }))
			return end
		}), end)
	}
	var rows []usageEvent
	require.NoError(t, env.DB.Read(t.Context(), a, func(tx *tenancy.Tx) error { return tx.DB().Order("id").Find(&rows).Error }))
	require.Len(t, rows, 6)
	require.Equal(t, "evt_0020", rows[0].ID)
	require.Equal(t, "evt_0042", rows[5].ID)
}

// TestInsertBulkOnTwoDatabases has each statement read the rows that are its own.
func TestInsertBulkOnTwoDatabases(t *testing.T) {
	t.Parallel()
	const turns, rowsEach = 20, 50
	done := make(chan error)
	for range 2 {
		env := tenancytest.SQLite(t)
		a := tenancytest.Tenant(t, env, "alpha")
		go func() {
			var failed error
			for n := range turns {
				failed = errors.Join(failed, env.DB.System(t.Context(), tenancy.ReasonUsage, func(tx *tenancy.Tx) error {
					return tx.InsertBulk(tenancy.BulkUsageEvents, rowsEach, func(i int, args []any) []any { return eventValues(args, a.Tenant(), n*rowsEach+i) })
				}))
			}
			done <- failed
		}()
	}
	require.NoError(t, <-done) // another's tenant would be an error
	require.NoError(t, <-done)
}

func TestInsertBulkTakesWholeRowsOnly(t *testing.T) {
	t.Parallel()
	env := tenancytest.SQLite(t)
	a := tenancytest.Tenant(t, env, "alpha")
	for name, change := range map[string]func(args []any) []any{
		"has 22 values for 23 columns": func(args []any) []any { return args[:22] },
		"has 24 values for 23 columns": func(args []any) []any { return append(args, 1) },
		"int32":                        func(args []any) []any { args[13] = int32(200); return args },
		"NOT NULL":                     func(args []any) []any { args[13] = nil; return args },
	} {
		require.ErrorContains(t, env.DB.System(t.Context(), tenancy.ReasonUsage, func(tx *tenancy.Tx) error {
			return tx.InsertBulk(tenancy.BulkUsageEvents, 2, func(i int, args []any) []any { return change(eventValues(args, a.Tenant(), i)) })
		}), name)
	}
}

func TestInsertBulkIsTheSystemsOnSQLite(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		a := tenancytest.Tenant(t, env, "alpha")
		insert := func(tx *tenancy.Tx) error {
			return tx.InsertBulk(tenancy.BulkUsageEvents, 1, func(i int, args []any) []any { return eventValues(args, "tnt_other", i) })
		}
		require.ErrorContains(t, env.DB.Write(t.Context(), a, insert), "only in a system transaction")
		if env.DB.Postgres() {
			require.ErrorContains(t, env.DB.System(t.Context(), tenancy.ReasonUsage, insert), "on SQLite")
		}
	})
}
