package usage_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/internal/clock"
	"github.com/emcy/gateway/internal/dbtest"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/internal/seal"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/tenancytest"
	"github.com/emcy/gateway/usage"
	"github.com/emcy/gateway/usage/event"
)

// How long a condition may take, and how often it is looked at.
const (
	waitFor = 30 * time.Second
	tick    = 5 * time.Millisecond
)

var quick = usage.Limits{Interval: 10 * time.Millisecond, Backoff: 20 * time.Millisecond}

func recorder(t testing.TB, db *tenancy.DB, dir string, limits usage.Limits) *usage.Recorder {
	t.Helper()
	r, err := usage.New(usage.Config{DB: db, Dir: dir, Log: slog.New(slog.DiscardHandler), Limits: limits})
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), waitFor)
		defer cancel()
		require.NoError(t, r.Stop(ctx))
	})
	return r
}

func sample(tenant string, n int) event.Event {
	at := tenancytest.Start.Add(time.Duration(n) * time.Millisecond)
	return event.Event{
		TenantID: tenant, ID: ids.NewAt("evt", at), At: at, RequestID: fmt.Sprintf("req_%d", n), Generation: 3, UpstreamID: "ups_1",
		ClientID: "cli_1", Subject: "acc_1", FamilyID: "fam_1", HTTPMethod: "POST", Method: "tools/call", Name: "echo", ProtocolVersion: "2025-11-25",
		Status: 200, Outcome: event.Success, Finished: true, Gateway: 150 * time.Microsecond, Upstream: 2 * time.Millisecond,
		Total: 2150 * time.Microsecond, RequestBytes: 90, ResponseBytes: 300,
	}
}

func list(t testing.TB, db *tenancy.DB, h tenancy.Handle, q usage.Query) []event.Event {
	t.Helper()
	events, err := usage.NewLog(db).List(t.Context(), h, q)
	require.NoError(t, err)
	return events
}

func waitForEvents(t testing.TB, db *tenancy.DB, h tenancy.Handle, n int) []event.Event {
	t.Helper()
	require.Eventually(t, func() bool { return len(list(t, db, h, usage.Query{Limit: usage.MaxLimit})) >= n }, waitFor, tick)
	return list(t, db, h, usage.Query{Limit: usage.MaxLimit})
}

func spoolFiles(t testing.TB, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	return files
}

func TestEventsAreStored(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		h := tenancytest.Tenant(t, env, "acme")
		other := tenancytest.Tenant(t, env, "globex")
		heard := env.DB.Notices().Subscribe(func(topic tenancy.Topic) bool { return strings.HasPrefix(string(topic), "events:") })
		defer heard.Close()
		dir := t.TempDir()
		r := recorder(t, env.DB, dir, quick)
		require.NoError(t, r.Start())

		want := sample(h.Tenant(), 1)
		r.Record(want)
		strange := sample(h.Tenant(), 2)
		strange.Name, strange.Subject, strange.Status, strange.Generation = "a\x00b\xff", "é", 1<<40, 1<<63
		r.Record(strange)
		r.Record(sample("tnt_nobody", 3))
		r.Record(sample(other.Tenant(), 4))

		got := waitForEvents(t, env.DB, h, 2)
		require.Len(t, got, 2)
		require.Equal(t, want, got[1])
		require.Equal(t, "a?b?", got[0].Name)
		require.Equal(t, "é", got[0].Subject)
		waitForEvents(t, env.DB, other, 1)
		require.Eventually(t, func() bool { return len(spoolFiles(t, dir)) == 0 }, waitFor, tick, "a stored batch takes its file with it")
		require.Zero(t, r.Dropped())

		topics := map[tenancy.Topic]bool{}
		require.Eventually(t, func() bool {
			for _, topic := range heard.Take() {
				topics[topic] = true
			}
			return topics[tenancy.EventsTopic(h.Tenant())] && topics[tenancy.EventsTopic(other.Tenant())]
		}, waitFor, tick)
		require.NotContains(t, topics, tenancy.EventsTopic("tnt_nobody"))

		_, err := usage.NewLog(env.DB).Get(t.Context(), other, want.ID)
		require.True(t, errs.Is(err, errs.NotFound), "another tenant's event")
		one, err := usage.NewLog(env.DB).Get(t.Context(), h, want.ID)
		require.NoError(t, err)
		require.Equal(t, want, one)
	})
}

func TestFinishedReplacesUnfinishedAndNeverTheReverse(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		h := tenancytest.Tenant(t, env, "acme")
		for n, order := range []string{"opened finished", "finished opened", "opened|finished", "finished|opened", "finished|finished"} {
			finished := sample(h.Tenant(), n)
			finished.Stream = true
			opened := finished
			opened.Outcome, opened.Finished, opened.ResponseBytes = event.Streaming, false, 0
			for batch := range strings.SplitSeq(order, "|") {
				r, err := usage.New(usage.Config{DB: env.DB, Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
				require.NoError(t, err)
				for which := range strings.FieldsSeq(batch) {
					r.Record(map[string]event.Event{"opened": opened, "finished": finished}[which])
				}
				require.NoError(t, r.Start())
				require.NoError(t, r.Stop(t.Context()), "stop stores what is there")
			}
			got, err := usage.NewLog(env.DB).Get(t.Context(), h, finished.ID)
			require.NoError(t, err)
			require.Equal(t, finished, got, order)
		}
	})
}

// TestSettle: a stream whose process was killed does not stay open in the log for
// ever, and one that may be open still is left alone.
func TestSettle(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		h := tenancytest.Tenant(t, env, "acme")
		open := sample(h.Tenant(), 1)
		open.Outcome, open.Finished, open.Stream = event.Streaming, false, true
		r := recorder(t, env.DB, t.TempDir(), quick)
		r.Record(open)
		r.Record(sample(h.Tenant(), 2))
		require.NoError(t, r.Start())
		before := waitForEvents(t, env.DB, h, 2)

		log := usage.NewLog(env.DB)
		env.Clock.Advance(2 * time.Hour)
		require.NoError(t, log.Settle(t.Context()))
		require.Equal(t, before, list(t, env.DB, h, usage.Query{}))

		env.Clock.Advance(2 * time.Hour)
		require.NoError(t, log.Settle(t.Context()))
		after := list(t, env.DB, h, usage.Query{})
		require.Equal(t, before[0], after[0], "a finished event stays as it is")
		require.Equal(t, event.Failure, after[1].Outcome)
		require.Equal(t, "gateway_stopped", after[1].Reason)
		require.True(t, after[1].Finished)
	})
}

func TestLogPages(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		h := tenancytest.Tenant(t, env, "acme")
		foreign := tenancytest.Tenant(t, env, "globex")
		r := recorder(t, env.DB, t.TempDir(), quick)
		log := usage.NewLog(env.DB)
		status, err := log.ConnectStatus(t.Context(), h, "ups_1")
		require.NoError(t, err)
		require.Equal(t, usage.ConnectStatus{}, status)

		var events []event.Event
		for n := range 1203 { // more than a batch, and than one statement's rows
			e := sample(h.Tenant(), n)
			switch n {
			case 0: // a probe without a token is no connection
				e.ClientID, e.Subject, e.Outcome, e.Status = "", "", event.Denied, 401
			case 1:
				e.Outcome, e.Status = event.Denied, 403
			case 5:
				e.UpstreamID = "ups_2"
			case 1202:
				e.ClientID, e.Subject = "cli_2", "acc_2"
			}
			events = append(events, e)
			r.Record(e)
			if n%100 == 0 {
				r.Record(sample(foreign.Tenant(), n))
			}
		}
		require.NoError(t, r.Start())
		require.NoError(t, r.Stop(t.Context()))

		var got []event.Event
		for before := ""; ; before = got[len(got)-1].ID {
			page := list(t, env.DB, h, usage.Query{Before: before, Limit: 200})
			if len(page) == 0 {
				break
			}
			got = append(got, page...)
		}
		require.Len(t, got, len(events))
		for i := range events {
			require.Equal(t, events[len(events)-1-i], got[i])
		}
		require.Len(t, list(t, env.DB, h, usage.Query{}), usage.DefaultLimit)
		require.Len(t, list(t, env.DB, h, usage.Query{Limit: 1 << 30}), usage.MaxLimit)
		require.Equal(t, []event.Event{events[5]}, list(t, env.DB, h, usage.Query{UpstreamID: "ups_2"}))

		status, err = log.ConnectStatus(t.Context(), h, "ups_1")
		require.NoError(t, err)
		require.Equal(t, usage.ConnectStatus{Connected: true, First: events[2].At, Last: events[1202].At, ClientID: "cli_2", Subject: "acc_2", Calls: 1000, More: true}, status)
		status, err = log.ConnectStatus(t.Context(), h, "ups_2")
		require.NoError(t, err)
		require.Equal(t, 1, status.Calls)
		status, err = log.ConnectStatus(t.Context(), foreign, "ups_2")
		require.NoError(t, err)
		require.False(t, status.Connected)
	})
}

// TestOverflowIsReadBackFromTheSpool gives memory room for three events only.
func TestOverflowIsReadBackFromTheSpool(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		h := tenancytest.Tenant(t, env, "acme")
		dir := t.TempDir()
		r := recorder(t, env.DB, dir, usage.Limits{Queue: 3, Batch: 7})
		for n := range 50 {
			r.Record(sample(h.Tenant(), n))
		}
		require.NoError(t, r.Start())
		require.NoError(t, r.Stop(t.Context()))
		require.Len(t, list(t, env.DB, h, usage.Query{}), 50)
		require.Zero(t, r.Dropped())
		require.Empty(t, spoolFiles(t, dir))
	})
}

func TestSpoolIsBounded(t *testing.T) {
	t.Parallel()
	env := tenancytest.SQLite(t)
	h := tenancytest.Tenant(t, env, "acme")
	r := recorder(t, env.DB, t.TempDir(), usage.Limits{Queue: 5, Spool: 1000})
	for n := range 20 {
		r.Record(sample(h.Tenant(), n))
	}
	require.NoError(t, r.Start())
	require.NoError(t, r.Stop(t.Context()))
	stored := len(list(t, env.DB, h, usage.Query{}))
	require.Positive(t, stored)
	require.Equal(t, uint64(20-stored), r.Dropped(), "every lost event is counted")
}

func TestEventsSurviveInMemoryWithoutAFolder(t *testing.T) {
	t.Parallel()
	env := tenancytest.SQLite(t)
	h := tenancytest.Tenant(t, env, "acme")
	dir := filepath.Join(t.TempDir(), "spool")
	r := recorder(t, env.DB, dir, usage.Limits{Queue: 5})
	require.NoError(t, os.RemoveAll(dir))
	for n := range 7 {
		r.Record(sample(h.Tenant(), n))
	}
	require.NoError(t, r.Start())
	require.NoError(t, r.Stop(t.Context()))
	require.Len(t, list(t, env.DB, h, usage.Query{}), 5)
	require.Equal(t, uint64(2), r.Dropped())
}

// TestSegmentsOfTheLivingAreLeftAlone has two recorders on one folder, as two
// processes on one machine may have.
func TestSegmentsOfTheLivingAreLeftAlone(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		h := tenancytest.Tenant(t, env, "acme")
		dir := t.TempDir()
		living := recorder(t, env.DB, dir, quick)
		living.Record(sample(h.Tenant(), 1))
		watchful := quick
		watchful.Adopt = tick
		second := recorder(t, env.DB, dir, watchful)
		require.NoError(t, second.Start())
		second.Record(sample(h.Tenant(), 2))
		require.Equal(t, "req_2", waitForEvents(t, env.DB, h, 1)[0].RequestID)
		require.Len(t, list(t, env.DB, h, usage.Query{}), 1)

		damaged, err := os.OpenFile(spoolFiles(t, dir)[0], os.O_APPEND|os.O_WRONLY, 0)
		require.NoError(t, err)
		_, err = damaged.WriteString("{\"TenantID\":\"half a li")
		require.NoError(t, err)
		require.NoError(t, damaged.Close())
		require.NoError(t, living.Stop(t.Context())) // it never started, so it leaves its file behind, and the other one finds it
		waitForEvents(t, env.DB, h, 2)
		require.Eventually(t, func() bool { return len(spoolFiles(t, dir)) == 0 }, waitFor, tick)
	})
}

// TestDatabaseOutage takes the table away for a while.
func TestDatabaseOutage(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		h := tenancytest.Tenant(t, env, "acme")
		dir := t.TempDir()
		r := recorder(t, env.DB, dir, quick)
		require.NoError(t, r.Start())
		rawSQL(t, env, "alter table usage_events rename to away")
		for n := range 3 {
			r.Record(sample(h.Tenant(), n))
		}
		require.Eventually(t, func() bool { return r.Failures() >= 3 }, waitFor, tick)
		r.Record(sample(h.Tenant(), 3))
		require.NotEmpty(t, spoolFiles(t, dir))
		rawSQL(t, env, "alter table away rename to usage_events")
		waitForEvents(t, env.DB, h, 4)
		require.Zero(t, r.Dropped())

		// A stop during an outage leaves the events to the next start.
		rawSQL(t, env, "alter table usage_events rename to away")
		r.Record(sample(h.Tenant(), 4))
		require.NoError(t, r.Stop(t.Context()))
		require.NotEmpty(t, spoolFiles(t, dir))
		rawSQL(t, env, "alter table away rename to usage_events")
		next := recorder(t, env.DB, dir, quick)
		require.NoError(t, next.Start())
		waitForEvents(t, env.DB, h, 5)
	})
}

// rawSQL changes the database behind the gate's back.
func rawSQL(t *testing.T, env tenancytest.Env, query string) {
	t.Helper()
	require.NoError(t, execSQL(t, env, query))
}

func execSQL(t *testing.T, env tenancytest.Env, query string) error {
	t.Helper()
	if env.URL != "" {
		conn, err := pgx.Connect(t.Context(), env.URL)
		require.NoError(t, err)
		_, err = conn.Exec(t.Context(), query)
		return errors.Join(err, conn.Close(t.Context()))
	}
	db, err := sql.Open("sqlite", "file:"+env.Path+"?_pragma=busy_timeout(10000)&_pragma=foreign_keys(1)")
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), query)
	return errors.Join(err, db.Close())
}

// A row that the database refuses for itself is left out, alone.
func TestRefusedRowDoesNotTakeTheBatchDown(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		h := tenancytest.Tenant(t, env, "acme")
		if env.URL != "" {
			rawSQL(t, env, "alter table usage_events add check (name <> 'refuse me')")
		} else {
			rawSQL(t, env, "create unique index one_refusal on usage_events (name) where name = 'refuse me'")
			first := sample(h.Tenant(), 100)
			first.Name = "refuse me"
			r := recorder(t, env.DB, t.TempDir(), quick)
			r.Record(first)
			require.NoError(t, r.Start())
			require.NoError(t, r.Stop(t.Context()))
		}
		before := len(list(t, env.DB, h, usage.Query{}))
		r := recorder(t, env.DB, t.TempDir(), quick)
		for n := range 9 {
			e := sample(h.Tenant(), n)
			if n == 4 {
				e.Name = "refuse me"
			}
			r.Record(e)
		}
		require.NoError(t, r.Start())
		require.NoError(t, r.Stop(t.Context()))
		require.Len(t, list(t, env.DB, h, usage.Query{}), before+8)
		require.Equal(t, uint64(1), r.Dropped())
	})
}

// TestTenantStaysWhileItHasEvents: on PostgreSQL no foreign key says so.
func TestTenantStaysWhileItHasEvents(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		rawSQL(t, env, "insert into tenants (id, slug, name, created_at) values ('tnt_bare', 'bare', 'Bare', '2026-11-22 12:00:00+00:00')")
		r := recorder(t, env.DB, t.TempDir(), quick)
		r.Record(sample("tnt_bare", 1))
		require.NoError(t, r.Start())
		require.NoError(t, r.Stop(t.Context()))
		require.ErrorContains(t, execSQL(t, env, "delete from tenants where id = 'tnt_bare'"), map[bool]string{true: "tenant tnt_bare has usage events", false: "FOREIGN KEY"}[env.URL != ""])
		rawSQL(t, env, "delete from usage_events where tenant_id = 'tnt_bare'")
		rawSQL(t, env, "delete from tenants where id = 'tnt_bare'")
	})
}

const (
	childEnv    = "USAGE_TEST_CHILD" // "dir|database URL or empty|SQLite path|tenant"
	childEvents = 2000
)

func TestMain(m *testing.M) {
	if spec := os.Getenv(childEnv); spec != "" {
		child(strings.Split(spec, "|"))
		return
	}
	os.Exit(m.Run())
}

// child records until it is killed, and says what Record has returned for.
func child(spec []string) {
	fail := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	kek, err := seal.NewKEK([]byte("a key with which nothing is open")) // of 32 bytes
	fail(err)
	db, err := tenancy.Open(context.Background(), tenancy.Config{
		DatabaseURL: spec[1], SQLitePath: spec[2], KEK: kek, Clock: clock.System{}, Log: slog.New(slog.DiscardHandler),
	})
	fail(err)
	r, err := usage.New(usage.Config{DB: db, Dir: spec[0], Log: slog.New(slog.DiscardHandler), Limits: usage.Limits{Interval: time.Millisecond, Batch: 20}})
	fail(err)
	fail(r.Start())
	for n := range childEvents {
		e := sample(spec[3], n)
		if n%3 == 0 {
			opened := e
			opened.Outcome, opened.Finished = event.Streaming, false
			r.Record(opened)
		}
		r.Record(e)
		_, err := fmt.Fprintln(os.Stdout, e.ID)
		fail(err)
	}
	select {} // everything is recorded; wait for the kill
}

// TestKillLosesNothing kills a process in the middle of its work, several times on
// the same folder, and finds every event for which Record had returned.
func TestKillLosesNothing(t *testing.T) {
	t.Parallel()
	for name, postgres := range map[string]bool{"sqlite": false, "postgres": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var env tenancytest.Env
			if postgres {
				env = tenancytest.Postgres(t)
			} else {
				env = tenancytest.Env{Path: dbtest.SQLite(t), Clock: clock.NewManual(tenancytest.Start)}
				env.DB = openSQLite(t, env)
				require.NoError(t, env.DB.Migrate(t.Context()))
			}
			tenant := tenancytest.Tenant(t, env, "acme").Tenant()
			if !postgres {
				require.NoError(t, env.DB.Close()) // only one process opens the file
			}
			dir := t.TempDir()
			recorded := map[string]bool{}
			for _, killAfter := range []int{1, 35, 700} {
				cmd := exec.CommandContext(t.Context(), os.Args[0]) //nolint:gosec // this very test binary
				cmd.Env = append(os.Environ(), childEnv+"="+strings.Join([]string{dir, env.URL, env.Path, tenant}, "|"))
				cmd.Stderr = os.Stderr
				out, err := cmd.StdoutPipe()
				require.NoError(t, err)
				require.NoError(t, cmd.Start())
				lines := bufio.NewScanner(out)
				for n := 0; lines.Scan(); n++ {
					recorded[lines.Text()] = true
					if n == killAfter {
						require.NoError(t, cmd.Process.Kill())
					}
				}
				require.Error(t, cmd.Wait(), "killed")
			}
			require.Greater(t, len(recorded), 700)

			if !postgres {
				env.DB = openSQLite(t, env)
				t.Cleanup(func() { require.NoError(t, env.DB.Close()) })
			}
			h := tenancy.HandleForTest(t, tenant, "acme")
			r := recorder(t, env.DB, dir, quick)
			require.NoError(t, r.Start())
			require.Eventually(t, func() bool { return len(spoolFiles(t, dir)) == 0 }, waitFor, tick)
			stored := map[string]bool{}
			for before := ""; ; {
				page := list(t, env.DB, h, usage.Query{Before: before, Limit: usage.MaxLimit})
				if len(page) == 0 {
					break
				}
				for _, e := range page {
					stored[e.ID] = true
					require.True(t, e.Finished || !recorded[e.ID], "a finished event went back to unfinished")
				}
				before = page[len(page)-1].ID
			}
			for id := range recorded {
				require.Contains(t, stored, id)
			}
		})
	}
}

func openSQLite(t *testing.T, env tenancytest.Env) *tenancy.DB {
	t.Helper()
	db, err := tenancy.Open(t.Context(), tenancy.Config{SQLitePath: env.Path, KEK: tenancytest.KEK(t), Clock: env.Clock, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	return db
}

func BenchmarkRecord(b *testing.B) {
	env := tenancytest.SQLite(b)
	h := tenancytest.Tenant(b, env, "acme")
	r := recorder(b, env.DB, b.TempDir(), usage.Limits{Queue: 1, Spool: 1 << 40})
	e := sample(h.Tenant(), 1)
	b.ReportAllocs()
	for b.Loop() {
		r.Record(e)
	}
}

func BenchmarkStore(b *testing.B) {
	for name, open := range map[string]func(testing.TB) tenancytest.Env{"sqlite": tenancytest.SQLite, "postgres": tenancytest.Postgres} {
		b.Run(name, func(b *testing.B) {
			env := open(b)
			h := tenancytest.Tenant(b, env, "acme")
			n := 0
			for b.Loop() {
				r := recorder(b, env.DB, b.TempDir(), usage.Limits{})
				for range 10_000 {
					r.Record(sample(h.Tenant(), n))
					n++
				}
				require.NoError(b, r.Start())
				require.NoError(b, r.Stop(b.Context()))
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
