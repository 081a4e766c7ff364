package settings_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server/settings"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/audit"
	"github.com/emcy/gateway/tenancy/tenancytest"
)

func load(t *testing.T, env tenancytest.Env, h tenancy.Handle) (out settings.Settings) {
	t.Helper()
	require.NoError(t, env.DB.Read(t.Context(), h, func(tx *tenancy.Tx) (err error) {
		out, err = settings.Load(tx)
		return err
	}))
	return out
}

func save(t *testing.T, env tenancytest.Env, h tenancy.Handle, s settings.Settings) error {
	t.Helper()
	return env.DB.Write(t.Context(), h, func(tx *tenancy.Tx) error { return settings.Save(tx, s) })
}

func TestSettings(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		h, other := tenancytest.Tenant(t, env, "acme"), tenancytest.Tenant(t, env, "beta")
		first := load(t, env, h)
		require.Equal(t, settings.Defaults(), first)
		generation := func() (n uint64) {
			require.NoError(t, env.DB.Read(t.Context(), h, func(tx *tenancy.Tx) (err error) {
				n, err = generationOf(tx)
				return err
			}))
			return n
		}
		before := generation()
		chosen := settings.Settings{
			CIMD: settings.Known, DCR: settings.Listed, DCRHosts: []string{" App.Example.com "}, Review: true,
			Access: 5 * time.Minute, RefreshIdle: time.Hour, Family: 2 * time.Hour, DPoP: settings.Required, PAR: settings.Never,
			ClientCredentials: true, Device: true, RememberConsent: true, SigningAlg: settings.RS256,
		}
		require.NoError(t, save(t, env, h, chosen))
		require.Greater(t, generation(), before, "the edge hears of it")
		chosen.DCRHosts, chosen.Version = []string{"app.example.com"}, 1
		require.Equal(t, chosen, load(t, env, h))
		require.Equal(t, settings.Defaults(), load(t, env, other), "another workspace has its own")
		require.True(t, errs.Is(save(t, env, h, first), errs.Stale), "a first one comes too late")

		env.Clock.Advance(time.Minute)
		again := chosen
		again.Review, again.Device, again.DCR, again.DCRHosts = false, false, settings.On, []string{}
		require.NoError(t, save(t, env, h, again))
		require.True(t, errs.Is(save(t, env, h, chosen), errs.Stale))
		again.Version = 2
		require.Equal(t, again, load(t, env, h), "what is false again is stored as false")
		require.NoError(t, env.DB.Read(t.Context(), h, func(tx *tenancy.Tx) error {
			entries, err := audit.Latest(tx, 10)
			require.NoError(t, err)
			require.Len(t, entries, 3, "the workspace, and two changes: what was refused left nothing")
			require.Equal(t, "auth_settings.update", entries[0].Action)
			require.Contains(t, entries[0].Before, `"review":true`)
			require.Contains(t, entries[0].After, `"review":false`)
			return nil
		}))
	})
}

func TestBounds(t *testing.T) {
	t.Parallel()
	env := tenancytest.SQLite(t)
	h := tenancytest.Tenant(t, env, "acme")
	for name, c := range map[string]struct {
		field  string
		change func(*settings.Settings)
	}{
		"access too short":  {"access", func(s *settings.Settings) { s.Access = 5*time.Minute - time.Second }},
		"access too long":   {"access", func(s *settings.Settings) { s.Access = 24*time.Hour + time.Second }},
		"idle too short":    {"refresh_idle", func(s *settings.Settings) { s.RefreshIdle = time.Hour - time.Second }},
		"idle too long":     {"refresh_idle", func(s *settings.Settings) { s.RefreshIdle, s.Family = 365*24*time.Hour+time.Second, 3650*24*time.Hour }},
		"family below idle": {"family", func(s *settings.Settings) { s.Family = s.RefreshIdle - time.Second }},
		"family too long":   {"family", func(s *settings.Settings) { s.Family = 3650*24*time.Hour + time.Second }},
		"family below access": {"family", func(s *settings.Settings) {
			s.Access, s.RefreshIdle, s.Family = 24*time.Hour, time.Hour, 2*time.Hour
		}},
		"mode":              {"cimd", func(s *settings.Settings) { s.CIMD = settings.On }},
		"registration mode": {"dcr", func(s *settings.Settings) { s.DCR = settings.Known }},
		"no hosts":          {"dcr_hosts", func(s *settings.Settings) { s.DCR = settings.Listed }},
		"many hosts":        {"dcr_hosts", func(s *settings.Settings) { s.DCRHosts = make([]string, 51) }},
		"a URL":             {"dcr_hosts", func(s *settings.Settings) { s.DCRHosts = []string{"https://a.example"} }},
		"a star":            {"dcr_hosts", func(s *settings.Settings) { s.DCRHosts = []string{"*.a.example"} }},
		"dpop":              {"dpop", func(s *settings.Settings) { s.DPoP = "on" }},
		"par":               {"par", func(s *settings.Settings) { s.PAR = "" }},
		"algorithm":         {"signing_alg", func(s *settings.Settings) { s.SigningAlg = "HS256" }},
	} {
		s := settings.Defaults()
		c.change(&s)
		err := save(t, env, h, s)
		require.True(t, errs.Is(err, errs.Invalid), name)
		require.Contains(t, errs.FieldsOf(err), c.field, name)
		require.Len(t, errs.FieldsOf(err), 1, name)
	}
	for name, change := range map[string]func(*settings.Settings){
		"shortest": func(s *settings.Settings) { s.Access, s.RefreshIdle, s.Family = 5*time.Minute, time.Hour, time.Hour },
		"longest": func(s *settings.Settings) {
			s.Access, s.RefreshIdle, s.Family = 24*time.Hour, 365*24*time.Hour, 3650*24*time.Hour
		},
	} {
		s := load(t, env, h)
		change(&s)
		require.NoError(t, save(t, env, h, s), name)
	}
}
