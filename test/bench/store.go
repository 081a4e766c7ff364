package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/emcy/gateway/internal/clock"
	"github.com/emcy/gateway/internal/dbtest"
	"github.com/emcy/gateway/internal/seal"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/accounts"
	"github.com/emcy/gateway/tenancy/workspaces"
)

const databaseSQLite = "sqlite"

// store is a migrated database with one tenant.
type store struct {
	db     *tenancy.DB
	tenant string
	handle tenancy.Handle
}

func openStore(ctx context.Context, database, dir string) (_ *store, err error) {
	kek, err := seal.NewKEK(bytes.Repeat([]byte("bench key"), 4)[:32])
	if err != nil {
		return nil, err
	}
	if database == databaseSQLite {
		database = ""
	}
	db, err := tenancy.Open(ctx, tenancy.Config{
		DatabaseURL: database, SQLitePath: filepath.Join(dir, "emcy.db"), KEK: kek, Clock: clock.System{}, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, db.Close())
		}
	}()
	if err := db.Migrate(ctx); err != nil {
		return nil, err
	}
	person, err := accounts.New(db, accounts.DefaultCost).SignUp(ctx, "Ada Lovelace", "ada@example.com", "correct horse "+rand.Text(), "127.0.0.1")
	if err != nil {
		return nil, err
	}
	ws := workspaces.New(db, workspaces.Placement{Pattern: "https://{tenant}.bench.test"}, func(*tenancy.Tx) error { return nil })
	made, err := ws.Create(ctx, person.ID, "Bench", "bench")
	if err != nil {
		return nil, err
	}
	handle, err := db.ForJob(ctx, made.ID, "bench")
	return &store{db: db, tenant: made.ID, handle: handle}, err
}

// postgres makes a database for one measurement.
func (b *bench) postgres(ctx context.Context) (address string, drop func() error, err error) {
	server := os.Getenv(dbtest.Env)
	if server == "" {
		return "", nil, fmt.Errorf("%s names no server: run make bench, or eval \"$(scripts/postgres start)\" before", dbtest.Env)
	}
	u, err := url.Parse(server)
	if err != nil {
		return "", nil, fmt.Errorf("%s: %w", dbtest.Env, err)
	}
	name := "emcy_t_bench_" + strings.ToLower(rand.Text())[:12]
	do := func(ctx context.Context, statement string) error {
		conn, err := pgx.Connect(ctx, server)
		if err != nil {
			return err
		}
		_, err = conn.Exec(ctx, statement)
		return errors.Join(err, conn.Close(ctx))
	}
	if err := do(ctx, "create database "+name); err != nil {
		return "", nil, err
	}
	u.Path = "/" + name
	return u.String(), func() error { return do(context.WithoutCancel(ctx), "drop database "+name+" with (force)") }, nil
}
