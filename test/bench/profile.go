package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/emcy/gateway/test/bench/load"
)

// profiled is how long the edge is looked at.
const profiled = 15 * time.Second

// profile writes a processor profile of the edge under load, for go build -pgo.
func (b *bench) profile(ctx context.Context, path string) (err error) {
	upstream, err := startRole(ctx, "upstream")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, upstream.stop()) }()
	e, err := startEdge(ctx, upstream.addr, databaseSQLite, b.dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.stop()) }()
	loaded := make(chan error, 2)
	for _, one := range []struct {
		path  string
		conns int
	}{{pathJSON, 48}, {pathSSE, 16}} {
		t := e.target("edge", one.path)
		g, err := load.Open(ctx, t.addr, one.conns, t.script)
		if err != nil {
			return err
		}
		defer g.Close()
		go func() {
			_, err := g.Run(ctx, profiled+2*time.Second)
			loaded <- err
		}()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s/profile?seconds=%d", e.control, int(profiled.Seconds())), http.NoBody)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	written, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, <-loaded, <-loaded); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%w: %d %.300s", errUnexpected, resp.StatusCode, written)
	}
	return os.WriteFile(path, written, 0o644) //nolint:gosec // it is committed with the sources
}
