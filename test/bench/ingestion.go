package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/usage"
	"github.com/emcy/gateway/usage/event"
)

// ingested is how many events are stored in one round, from how many goroutines.
const (
	ingested  = 60_000
	recorders = 8
)

// ingestion measures how fast recorded events get into the database.
func (b *bench) ingestion(ctx context.Context) (err error) {
	address, drop, err := b.postgres(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, drop()) }()
	var stores []*store
	for _, database := range []string{databaseSQLite, address} {
		dir, err := os.MkdirTemp(b.dir, "ingest-")
		if err != nil {
			return err
		}
		s, err := openStore(ctx, database, dir)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.db.Close()) }()
		stores = append(stores, s)
	}
	rates := make([][]float64, len(stores))
	taken := make([][]float64, len(stores))
	for range b.rounds {
		for i, s := range stores {
			recorded, stored, err := b.ingest(ctx, s)
			if err != nil {
				return err
			}
			rates[i] = append(rates[i], ingested/stored.Seconds())
			taken[i] = append(taken[i], ingested/recorded.Seconds())
		}
	}
	b.report.atLeast("events a second, recorded and stored, SQLite", median(rates[0]), 60_000, "%.0f")
	b.report.atLeast("events a second, recorded and stored, PostgreSQL", median(rates[1]), 150_000, "%.0f")
	b.report.figure("events a second into the spool, whatever stores them", "%.0f", median(append(taken[0], taken[1]...)))
	return nil
}

// ingest measures until the recorder has taken the events, and until all of them
// are in the database.
func (b *bench) ingest(ctx context.Context, s *store) (recorded, stored time.Duration, err error) {
	dir, err := os.MkdirTemp(b.dir, "spool-")
	if err != nil {
		return 0, 0, err
	}
	r, err := usage.New(usage.Config{DB: s.db, Dir: dir, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return 0, 0, err
	}
	events := sampleEvents(s.tenant)
	begun := time.Now()
	if err := r.Start(); err != nil {
		return 0, 0, err
	}
	var wg sync.WaitGroup
	for w := range recorders {
		wg.Go(func() {
			for i := w; i < len(events); i += recorders {
				r.Record(events[i])
			}
		})
	}
	wg.Wait()
	recorded = time.Since(begun)
	err = r.Stop(ctx)
	stored = time.Since(begun)
	left, errGlob := filepath.Glob(filepath.Join(dir, "*"))
	if err := errors.Join(err, errGlob); err != nil {
		return 0, 0, err
	}
	newest, err := usage.NewLog(s.db).List(ctx, s.handle, usage.Query{Limit: 1})
	switch {
	case err != nil:
		return 0, 0, err
	case len(left) > 0 || r.Dropped() > 0 || r.Failures() > 0:
		return 0, 0, fmt.Errorf("%d spool files left, %d events dropped, %d failures", len(left), r.Dropped(), r.Failures())
	case len(newest) == 0 || newest[0].ID < events[len(events)-1].ID:
		return 0, 0, errors.New("the last event is not in the log")
	}
	return recorded, stored, nil
}

// sampleEvents are calls of some people and clients, as the edge records them.
func sampleEvents(tenant string) []event.Event {
	now := time.Now().UTC()
	out := make([]event.Event, ingested)
	var subjects, clients [100]string
	for i := range subjects {
		subjects[i], clients[i] = ids.New("acc"), ids.New("cli")
	}
	for i := range out {
		at := now.Add(time.Duration(i) * 10 * time.Microsecond)
		id := ids.NewAt("evt", at)
		out[i] = event.Event{
			TenantID: tenant, ID: id, At: at, RequestID: "req" + id[3:], Generation: 3, UpstreamID: "ups_0123456789abcdefghjkmnpqrs",
			ClientID: clients[i%100], Subject: subjects[i%100], FamilyID: "fam_0123456789abcdefghjkmnpqrs", HTTPMethod: "POST", Method: "tools/call",
			Name: "search_documents", ProtocolVersion: "2025-11-25", Status: 200, Outcome: event.Success, Finished: true,
			Gateway: 150 * time.Microsecond, Upstream: 2 * time.Millisecond, Total: 2150 * time.Microsecond, RequestBytes: 900, ResponseBytes: 3000,
		}
	}
	return out
}
