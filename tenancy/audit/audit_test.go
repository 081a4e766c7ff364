package audit_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/audit"
	"github.com/emcy/gateway/tenancy/tenancytest"
)

func latest(t *testing.T, env tenancytest.Env, h tenancy.Handle, limit int) []audit.Recorded {
	t.Helper()
	var out []audit.Recorded
	require.NoError(t, env.DB.Read(t.Context(), h, func(tx *tenancy.Tx) (err error) {
		out, err = audit.Latest(tx, limit)
		return err
	}))
	return out
}

func TestEntriesLiveAndDieWithTheirChange(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		a, b := tenancytest.Tenant(t, env, "alpha"), tenancytest.Tenant(t, env, "beta")
		record := func(h tenancy.Handle, e audit.Entry, end error) error {
			env.Clock.Advance(time.Second)
			return env.DB.Write(t.Context(), h, func(tx *tenancy.Tx) error { return errors.Join(audit.Record(tx, e), end) })
		}
		boom := errors.New("boom")
		require.NoError(t, record(a, audit.Entry{Action: "thing.make", TargetKind: "thing", TargetID: "thi_1", After: map[string]string{"name": "<canary-a>"}}, nil))
		at := env.Clock.Now()
		require.ErrorIs(t, record(a, audit.Entry{Action: "thing.lose", TargetKind: "thing", TargetID: "thi_1"}, boom), boom)
		require.Error(t, record(a, audit.Entry{Action: "thing.odd", TargetKind: "thing", TargetID: "thi_1", After: func() {}}, nil), "what cannot be written stops the change")
		require.NoError(t, record(a.As("end_user", "sub_1"), audit.Entry{Action: "thing.use", TargetKind: "thing", TargetID: "thi_1", Before: 1}, nil))

		entries := latest(t, env, a, 10)
		require.Len(t, entries, 3)
		require.Equal(t, audit.Recorded{At: at, ActorKind: "member", ActorID: a.Actor().ID, Action: "thing.make", TargetID: "thi_1", After: `{"name":"\u003ccanary-a\u003e"}`}, entries[1])
		require.Equal(t, "sub_1", entries[0].ActorID, "the newest is the first")
		require.Equal(t, "1", entries[0].Before)
		require.Equal(t, "workspace.create", entries[2].Action)
		require.Len(t, latest(t, env, a, 1), 1)
		require.Len(t, latest(t, env, b, 10), 1, "each tenant has its own")
	})
}

// event is the stored row, to try and change it.
type event struct{ TenantID, ID, Action string }

func (event) TableName() string { return "audit_events" }

func TestEntriesOnlyGrow(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		a := tenancytest.Tenant(t, env, "alpha")
		for name, change := range map[string]func(*tenancy.Tx) error{
			"update": func(tx *tenancy.Tx) error {
				return tx.DB().Model(&event{}).Where("id <> ''").Update("action", "forged").Error
			},
			"delete": func(tx *tenancy.Tx) error { return tx.DB().Where("id <> ''").Delete(&event{}).Error },
		} {
			require.Error(t, env.DB.Write(t.Context(), a, change), name)
			require.Error(t, env.DB.System(t.Context(), tenancy.ReasonSweep, change), name)
		}
		require.Equal(t, "workspace.create", latest(t, env, a, 10)[0].Action)
		require.Error(t, env.DB.System(t.Context(), tenancy.ReasonSweep, func(tx *tenancy.Tx) error {
			return audit.Record(tx, audit.Entry{Action: "x", TargetKind: "y", TargetID: "z"})
		}), "an entry has a tenant")
	})
}
