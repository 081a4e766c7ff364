package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/emcy/gateway/grants"
	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/internal/clock"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/internal/secret"
	"github.com/emcy/gateway/jobs"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/accounts"
	"github.com/emcy/gateway/tenancy/tenancytest"
	fake "github.com/emcy/gateway/test/fakes/provider"
)

// drillBench is a database with grants that a real provider gave out.
type drillBench struct {
	environ  []string
	provider *fake.Provider
	dir      string
}

// eachDatabase runs the test on SQLite and on PostgreSQL, with the database closed
// after prepare, as the command wants it.
func eachDatabase(t *testing.T, test func(t *testing.T, b *drillBench)) {
	t.Helper()
	for _, kind := range []string{"sqlite", "postgres"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			key := filepath.Join(dir, "kek")
			raw := bytes.Repeat([]byte("k"), 32)
			raw[0] = 'K' // tenancytest's
			require.NoError(t, os.WriteFile(key, []byte(base64.StdEncoding.EncodeToString(raw)), 0o600))
			b := &drillBench{dir: dir, provider: fake.New(t), environ: []string{"EMCY_DATA_DIR=" + filepath.Join(dir, "data"), "EMCY_KEY_FILE=" + key, "EMCY_PUBLIC_URL=http://localhost:8080"}}
			if kind == "postgres" {
				b.environ = append(b.environ, "EMCY_DATABASE_URL="+tenancytest.Postgres(t).URL)
			}
			test(t, b)
		})
	}
}

// with opens the database as the command does.
func (b *drillBench) with(t *testing.T, act func(g *gateway)) {
	t.Helper()
	cfg, err := readConfig(b.environ)
	require.NoError(t, err)
	log := slog.New(slog.DiscardHandler)
	db, err := openDatabase(t.Context(), cfg, log)
	require.NoError(t, err)
	g := &gateway{cfg: cfg, log: log, quiet: log, db: db}
	g.onStop(func(context.Context) error { return db.Close() })
	queue, err := jobs.New(db, log)
	require.NoError(t, err)
	out := outbound.Config{AllowPrivate: true}
	alerts, err := g.newNotify(accounts.New(db, accounts.DefaultCost), out)
	require.NoError(t, err)
	g.grants, g.provider, err = g.newGrants(queue, alerts, outbound.New(out))
	require.NoError(t, err)
	act(g)
	require.NoError(t, g.stop())
}

// fill makes a workspace with a profile and so many people who connected it.
func (b *drillBench) fill(t *testing.T, g *gateway, slug string, people int) (tenancy.Handle, profiles.Profile) {
	t.Helper()
	h := tenancytest.Tenant(t, tenancytest.Env{DB: g.db, Clock: clock.NewManual(g.db.Clock().Now())}, slug)
	in := profiles.Input{
		Name: "Todo", Kind: profiles.KindOAuth, Preset: "generic", Issuer: b.provider.Issuer,
		Client: profiles.ClientInput{Kind: profiles.Preregistered, ID: b.provider.ClientID, AuthMethod: profiles.AuthBasic, Secret: secret.New(b.provider.ClientSecret)},
	}
	in.Discovery, in.Scopes = profiles.Manual, []string{"read"}
	in.Endpoints = provider.Endpoints{Issuer: b.provider.Issuer, Authorization: b.provider.Authorization, Token: b.provider.Token, Revocation: b.provider.Revocation}
	in.Style.Identity = provider.Identity{From: "none"}
	origin := "https://" + slug + ".mcp.test"
	made, err := profiles.New(profiles.Options{
		DB: g.db, Provider: g.provider, Outbound: outbound.New(outbound.Config{AllowPrivate: true}), Origin: func(*tenancy.Tx) (string, error) { return origin, nil },
	}).Create(t.Context(), h, profiles.NewID(), in)
	require.NoErrorf(t, err, "%v", errs.FieldsOf(err))
	var config provider.Config
	require.NoError(t, g.db.Read(t.Context(), h, func(tx *tenancy.Tx) (err error) {
		config, err = profiles.Config(tx, made.ID, 0, origin)
		return err
	}))
	for i := range people {
		verifier := oauth2.GenerateVerifier()
		address, err := g.provider.AuthorizeURL(config, []string{"read"}, "state", "nonce", verifier)
		require.NoError(t, err)
		tokens, err := g.provider.Exchange(t.Context(), config, b.provider.Approve(t, address).Get("code"), verifier)
		require.NoError(t, err)
		require.NoError(t, g.db.Write(t.Context(), h, func(tx *tenancy.Tx) error {
			_, err := g.grants.Save(tx, grants.Connected{
				ProfileID: made.ID, Subject: fmt.Sprintf("eu_%s%d", slug, i), Tokens: tokens, Account: provider.Account{ID: fmt.Sprint(i)}, ClientGeneration: made.Generation, Scopes: []string{"read"},
			})
			return err
		}))
	}
	return h, made
}

func (b *drillBench) emcy(t *testing.T, args ...string) (code int, out string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), append([]string{"grants", "revoke"}, args...), b.environ, &stdout, &stderr)
	require.NotContains(t, stdout.String()+stderr.String(), "canary_", "no token is told")
	return code, stdout.String() + stderr.String()
}

func (b *drillBench) report(t *testing.T) (r drillReport) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(b.dir, "report.json"))
	require.NoError(t, err)
	require.NotContains(t, string(text), "canary_")
	require.NoError(t, json.Unmarshal(text, &r))
	return r
}

// living counts the grants of a workspace that are not revoked.
func living(t *testing.T, g *gateway, h tenancy.Handle) (n int) {
	t.Helper()
	require.NoError(t, g.db.Read(t.Context(), h, func(tx *tenancy.Tx) error {
		counts, err := grants.CountProfiles(tx)
		for _, of := range counts {
			n += of
		}
		return err
	}))
	return n
}

func TestBreachDrill(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, b *drillBench) {
		var acme, other tenancy.Handle
		var profile profiles.Profile
		b.with(t, func(g *gateway) {
			acme, profile = b.fill(t, g, "acme", 5)
			other, _ = b.fill(t, g, "other", 2)
		})
		code, out := b.emcy(t, "--workspace", "acme", "--reason", "drill")
		require.Zero(t, code, out)
		require.Contains(t, out, "5 grants in 1 workspaces would be revoked. Nothing is done yet")
		code, out = b.emcy(t, "--workspace", "acme", "--profile", "prf_0", "--reason", "drill", "--yes")
		require.Equal(t, exitFailure, code)
		require.Contains(t, out, "no profile prf_0")
		code, out = b.emcy(t, "--workspace", "nobody", "--reason", "drill", "--yes")
		require.Equal(t, exitFailure, code)
		require.Contains(t, out, `there is no workspace "nobody"`)
		require.Zero(t, b.provider.Revocations())

		code, out = b.emcy(t, "--workspace", "acme", "--profile", profile.ID, "--reason", "stolen laptop", "--report", filepath.Join(b.dir, "report.json"), "--yes")
		require.Zero(t, code, out)
		require.Contains(t, out, "acme: revoked 5 grants here")
		require.Contains(t, out, "5 took them back, 0 cannot, 0 failed, 0 to do")
		require.Equal(t, 5, b.provider.Revocations())
		r := b.report(t)
		require.True(t, r.Complete)
		require.Len(t, r.Batches, 1)
		require.Equal(t, "stolen laptop", r.Batches[0].Reason)
		require.Equal(t, 5, r.Batches[0].Revoked)
		require.Equal(t, []drillProfile{{ID: profile.ID, Name: "Todo", Total: 5, Done: 5}}, r.Batches[0].Profiles)
		b.with(t, func(g *gateway) {
			require.Zero(t, living(t, g, acme))
			require.Equal(t, 2, living(t, g, other), "the other workspace is untouched")
		})

		code, out = b.emcy(t, "--all", "--reason", "drill", "--yes")
		require.Zero(t, code, out)
		require.Contains(t, out, "other: revoked 2 grants here")
		require.NotContains(t, out, "acme: revoked")
		require.Equal(t, 7, b.provider.Revocations())
		code, out = b.emcy(t, "--all", "--reason", "drill", "--yes")
		require.Zero(t, code, out)
		require.Contains(t, out, "Nothing is left to revoke.")
	})
}

// TestABreachDrillThatWasCutShortGoesOn: whoever runs it again gets all of it done, and
// in one report.
func TestABreachDrillThatWasCutShortGoesOn(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, b *drillBench) {
		var acme tenancy.Handle
		b.with(t, func(g *gateway) { acme, _ = b.fill(t, g, "acme", 4) })
		b.provider.Fail("revoke", fake.Status(http.StatusServiceUnavailable), -1)
		d := drill{workspace: "acme", reason: "first", yes: true, report: filepath.Join(b.dir, "report.json"), still: 0, look: time.Millisecond}
		cfg, err := readConfig(b.environ)
		require.NoError(t, err)
		var out bytes.Buffer
		err = d.run(t.Context(), cfg, &out, &out)
		require.ErrorContains(t, err, "run this again")
		r := b.report(t)
		require.False(t, r.Complete)
		require.Equal(t, 4, r.Batches[0].Profiles[0].Pending)
		require.Len(t, r.Batches[0].Problems, 4)
		b.with(t, func(g *gateway) {
			require.Zero(t, living(t, g, acme), "they are gone here, whatever the provider says")
		})

		b.provider.Heal()
		b.with(t, func(g *gateway) { // as if the wait after the failure were over
			require.NoError(t, g.db.Write(t.Context(), acme, func(tx *tenancy.Tx) error {
				return tx.DB().Model(&revocationRow{}).Where("state = ?", "pending").Update("next_at", tx.Now()).Error
			}))
		})
		code, said := b.emcy(t, "--workspace", "acme", "--reason", "second", "--report", filepath.Join(b.dir, "report.json"), "--yes")
		require.Zero(t, code, said)
		require.Contains(t, said, "acme: goes on with rvb_")
		r = b.report(t)
		require.True(t, r.Complete)
		require.Len(t, r.Batches, 1, "it is the first run's batch")
		require.Equal(t, "first", r.Batches[0].Reason)
		require.Equal(t, 4, r.Batches[0].Profiles[0].Done)
	})
}

type revocationRow struct {
	TenantID, ID string
	NextAt       time.Time
}

func (revocationRow) TableName() string { return "grant_revocations" }

func TestBreachDrillArguments(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{},
		{"give"},
		{"revoke"},
		{"revoke", "--all"},
		{"revoke", "--all", "--workspace", "acme", "--reason", "x"},
		{"revoke", "--all", "--profile", "prf_1", "--reason", "x"},
		{"revoke", "--workspace", "acme", "--reason", " "},
		{"revoke", "--all", "--reason", "x", "more"},
		{"revoke", "--odd"},
	} {
		var stdout, stderr bytes.Buffer
		require.Equal(t, exitUsage, run(t.Context(), append([]string{"grants"}, args...), nil, &stdout, &stderr), args)
		require.NotEmpty(t, stderr.String())
	}
	var help bytes.Buffer
	require.Zero(t, run(t.Context(), []string{"help"}, nil, &help, &help))
	require.True(t, slices.ContainsFunc(strings.Split(help.String(), "\n"), func(line string) bool { return strings.HasPrefix(line, "  grants ") }))
}
