package dbtest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Env names the variable that holds the address of the test server. Its user
// has to be a superuser: templates create roles.
const Env = "EMCY_TEST_POSTGRES"

const (
	// templateLock is the advisory lock under which templates are filled. One
	// lock serves all of them, because roles belong to the whole server and two
	// prepares that create the same role at once would fail.
	templateLock = 0x656d6379 // "emcy"

	prepareTimeout = 2 * time.Minute
	cloneTimeout   = time.Minute
)

var (
	templatesMu sync.Mutex
	templates   = map[string]*templateOnce{}
)

type templateOnce struct {
	once sync.Once
	err  error
}

// Postgres returns the URL of a fresh database for this test alone, dropped
// when the test ends. Its content is a copy of the template, which prepare
// fills the first time that any process on this server asks for it.
//
// The template argument is a name and a version of what prepare does, such as
// "schema-" + dbtest.Digest(files): a different string is a different template.
// The test fails when no server is named by EMCY_TEST_POSTGRES.
func Postgres(t testing.TB, template string, prepare func(ctx context.Context, url string) error) string {
	t.Helper()

	server := os.Getenv(Env)
	if server == "" {
		t.Fatalf("%s is not set: run `make test`, or `eval \"$(scripts/postgres start)\"` before go test", Env)
	}
	source, err := templateFor(server, template, prepare)
	if err != nil {
		t.Fatalf("dbtest: template %q: %v", template, err)
	}

	name := "emcy_t_" + strings.ToLower(rand.Text())[:16]
	ctx, cancel := context.WithTimeout(context.Background(), cloneTimeout)
	defer cancel()
	if err := exec(ctx, server, "create database "+ident(name)+" template "+ident(source)); err != nil {
		t.Fatalf("dbtest: clone %q: %v", template, err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), cloneTimeout)
		defer cancel()
		if err := exec(ctx, server, "drop database "+ident(name)+" with (force)"); err != nil {
			t.Errorf("dbtest: drop: %v", err)
		}
	})
	clone, err := withDatabase(server, name)
	if err != nil {
		t.Fatalf("dbtest: %v", err)
	}
	return clone
}

// SQLite returns the path of a database file for this test alone. The file does
// not exist yet; its folder is removed when the test ends.
func SQLite(t testing.TB) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "emcy.db")
}

// Digest returns a short digest of every file in files, names included, for a
// template's name: changed migrations make a new template.
func Digest(files fs.FS) (string, error) {
	h := sha256.New()
	err := fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		f, err := files.Open(path)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }() // read only: nothing is lost
		info, err := f.Stat()
		if err != nil {
			return err
		}
		// The length ends the name and begins the content unambiguously.
		if _, err := fmt.Fprintf(h, "%s\x00%d\x00", path, info.Size()); err != nil {
			return err
		}
		_, err = io.Copy(h, f)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("digest files: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil))[:16], nil
}

// templateFor returns the name of the filled template database.
func templateFor(server, template string, prepare func(context.Context, string) error) (string, error) {
	name := templateName(template)

	templatesMu.Lock()
	key := server + "\x00" + name
	once, ok := templates[key]
	if !ok {
		once = &templateOnce{}
		templates[key] = once
	}
	templatesMu.Unlock()

	once.once.Do(func() { once.err = fillTemplate(server, name, prepare) })
	return name, once.err
}

func templateName(template string) string {
	sum := sha256.Sum256([]byte(template))
	return "emcy_template_" + hex.EncodeToString(sum[:8])
}

func fillTemplate(server, name string, prepare func(context.Context, string) error) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), prepareTimeout)
	defer cancel()

	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return fmt.Errorf("connect to the server in %s: %w", Env, err)
	}
	// Closing the session also releases the lock.
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()

	if _, err := conn.Exec(ctx, "select pg_advisory_lock($1)", templateLock); err != nil {
		return fmt.Errorf("lock templates: %w", err)
	}
	var exists bool
	if err := conn.QueryRow(ctx, "select exists (select from pg_database where datname = $1)", name).Scan(&exists); err != nil {
		return fmt.Errorf("look up template: %w", err)
	}
	if exists {
		return nil
	}

	// The final name appears only by the rename, so that a run killed halfway
	// never leaves a half-filled template under it.
	draft := name + "_draft"
	for _, q := range []string{
		"drop database if exists " + ident(draft) + " with (force)",
		"create database " + ident(draft) + " template template0 encoding 'UTF8'",
	} {
		if _, err := conn.Exec(ctx, q); err != nil {
			return fmt.Errorf("create draft: %w", err)
		}
	}
	draftURL, err := withDatabase(server, draft)
	if err != nil {
		return err
	}
	if err := prepare(ctx, draftURL); err != nil {
		_, dropErr := conn.Exec(ctx, "drop database "+ident(draft)+" with (force)")
		return errors.Join(fmt.Errorf("prepare: %w", err), dropErr)
	}
	// A pool may still be closing its connections; a template must have none.
	for _, q := range []string{
		"alter database " + ident(draft) + " with allow_connections false",
		"select pg_terminate_backend(pid, 10000) from pg_stat_activity where datname = '" + draft + "'",
		"alter database " + ident(draft) + " rename to " + ident(name),
	} {
		if _, err := conn.Exec(ctx, q); err != nil {
			return fmt.Errorf("seal template: %w", err)
		}
	}
	return nil
}

// exec runs one statement in a session of its own on the server's own database.
func exec(ctx context.Context, server, query string) (err error) {
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return fmt.Errorf("connect to the server in %s: %w", Env, err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	_, err = conn.PgConn().Exec(ctx, query).ReadAll()
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) && pgErr.Detail != "" {
		return fmt.Errorf("%w (%s)", err, pgErr.Detail)
	}
	return err
}

func withDatabase(server, name string) (string, error) {
	u, err := url.Parse(server)
	if err != nil || u.Host == "" || (u.Scheme != "postgres" && u.Scheme != "postgresql") {
		return "", fmt.Errorf("%s must look like postgres://user@host:port/database", Env)
	}
	u.Path = "/" + name
	return u.String(), nil
}

func ident(name string) string { return pgx.Identifier{name}.Sanitize() }
