package main

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// recording compares edges that differ in their recorder alone.
func (b *bench) recording(ctx context.Context) (err error) {
	upstream, err := startRole(ctx, "upstream")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, upstream.stop()) }()
	address, drop, err := b.postgres(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, drop()) }()
	names := []string{"no recorder", "SQLite", "PostgreSQL"}
	var targets []target
	for i, database := range []string{"", databaseSQLite, address} {
		dir, err := os.MkdirTemp(b.dir, "edge-")
		if err != nil {
			return err
		}
		e, err := startEdge(ctx, upstream.addr, database, dir)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, e.stop()) }()
		targets = append(targets, e.target(names[i], pathJSON))
	}
	for _, conns := range []int{16, 64} {
		found, err := b.compare(ctx, conns, targets...)
		if err != nil {
			return err
		}
		for i := 1; i < len(found); i++ {
			kept := median(ratios(found[i].perSecond, found[0].perSecond))
			b.report.atMost(fmt.Sprintf("throughput lost to recording in %s, %d connections (%%)", names[i], conns), 100*(1-kept), 10, "%.0f")
		}
		b.report.figure(fmt.Sprintf("CPU us a request: no recorder, SQLite, PostgreSQL, %d connections", conns), "%.0f, %.0f, %.0f",
			found[0].cpuPerRequest(), found[1].cpuPerRequest(), found[2].cpuPerRequest())
	}
	return nil
}
