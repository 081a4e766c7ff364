package tenancy_test

import (
	"crypto"
	"crypto/ecdsa"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server/keys"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/jobs"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/accounts"
	"github.com/emcy/gateway/tenancy/tenancytest"
	"github.com/emcy/gateway/tenancy/workspaces"
	"github.com/emcy/gateway/upstreams"
)

type noTokens struct{}

func (noTokens) RevokeUpstream(*tenancy.Tx, string, string) error { return nil }

// TestNoSecretIsInTheDatabase puts every kind of secret in through the use cases
// and looks for each in every column of every table and in the files, the job
// arguments and the audit log included. What it could not find would prove
// nothing, so a leak is planted in each kind of place first.
func TestNoSecretIsInTheDatabase(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		ctx := t.Context()
		secrets := map[string]string{}
		queue, err := jobs.New(env.DB, slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		registry := upstreams.New(env.DB, outbound.New(outbound.Config{AllowPrivate: true}), nil, noTokens{}, queue)

		people := accounts.New(env.DB, accounts.Cost{MemoryKiB: 64, Passes: 1})
		secrets["password"] = "canary-password-4711"
		ada, err := people.SignUp(ctx, "Ada", "ada@example.com", secrets["password"], "192.0.2.1")
		require.NoError(t, err)
		secrets["session"], err = people.StartSession(ctx, ada.ID, "http://localhost:8080", "")
		require.NoError(t, err)
		secrets["a wrong password"] = "canary-wrong-password-4711"
		_, err = people.SignIn(ctx, "ada@example.com", secrets["a wrong password"], "192.0.2.1")
		require.Error(t, err)

		ws := workspaces.New(env.DB, workspaces.Placement{Pattern: "https://{tenant}.mcp.test"}, keys.Create)
		_, err = ws.Create(ctx, ada.ID, "Acme", "acme")
		require.NoError(t, err)
		h, _, err := env.DB.ForMember(ctx, ada.ID, "acme")
		require.NoError(t, err)
		require.NoError(t, env.DB.Read(ctx, h, func(tx *tenancy.Tx) error {
			set, err := keys.LoadAll(tx)
			if err != nil {
				return err
			}
			secrets["signing key"] = string(privateBytes(t, set.Active.Key))
			return nil
		}))

		read := func(name string) {
			_, s, err := registry.Setup(ctx, h, "files")
			require.NoError(t, err)
			secrets[name] = s.Reveal()
		}
		secrets["static header"] = "Bearer canary-static-header-4711"
		u, err := registry.Create(ctx, h, upstreams.Input{
			Name: "Files", Slug: "files", URL: "http://127.0.0.1:9/mcp", HeaderNames: []string{"Authorization"}, HeaderValues: []string{secrets["static header"]},
		})
		require.NoError(t, err)
		read("worker secret")
		require.NoError(t, registry.RotateSecret(ctx, h, "files"))
		read("next worker secret")
		secrets["next static header"] = "Bearer canary-next-header-4711"
		_, _, err = registry.Update(ctx, h, "files", upstreams.Input{
			Name: "Files", URL: "http://localhost:9/mcp", HeaderNames: []string{"Authorization"}, HeaderValues: []string{secrets["next static header"]},
		}, u.Version+1)
		require.NoError(t, err)
		read("worker secret of the new host")
		require.NoError(t, registry.HideSecret(ctx, h, "files"))
		require.NoError(t, registry.Remove(ctx, h, "files"))
		_, err = registry.Create(ctx, h, upstreams.Input{Name: "Again", Slug: "files", URL: "http://127.0.0.1:9/mcp"})
		require.NoError(t, err)
		read("worker secret of its successor")
		require.Len(t, secrets, 10)

		for place, leak := range map[string]func(value string) error{
			"clients.name": func(v string) error { return plantRow(t, env, h, v, v) },
			"river_job.args": func(v string) error {
				return env.DB.Write(ctx, h, func(tx *tenancy.Tx) error {
					return queue.EnqueueProbe(tx, upstreams.ProbeArgs{TenantID: tx.Tenant(), UpstreamID: "ups_" + v})
				})
			},
			"upstreams.worker_secret": func(v string) error { return plantBytes(t, env, h, v) },
		} {
			value := "planted-canary-in-" + place
			require.Empty(t, tenancytest.Find(t, env, value))
			require.NoError(t, leak(value))
			require.Contains(t, tenancytest.Find(t, env, value), place)
		}
		for name, value := range secrets {
			require.NotEmpty(t, value, name)
			require.Empty(t, tenancytest.Find(t, env, value), name)
		}
	})
}

func privateBytes(t *testing.T, key crypto.Signer) []byte {
	t.Helper()
	private, ok := key.(*ecdsa.PrivateKey)
	require.True(t, ok)
	raw, err := private.Bytes()
	require.NoError(t, err)
	return raw
}

func plantRow(t *testing.T, env tenancytest.Env, h tenancy.Handle, id, name string) error {
	t.Helper()
	return env.DB.Write(t.Context(), h, func(tx *tenancy.Tx) error {
		row := newClient(tx, id, name)
		return tx.DB().Create(&row).Error
	})
}

type sealed struct {
	TenantID, ID string
	WorkerSecret []byte
}

func (sealed) TableName() string { return "upstreams" }

// plantBytes is the mistake of storing what should have been sealed.
func plantBytes(t *testing.T, env tenancytest.Env, h tenancy.Handle, value string) error {
	t.Helper()
	return env.DB.Write(t.Context(), h, func(tx *tenancy.Tx) error {
		return tx.DB().Model(&sealed{}).Where("id <> ''").Update("worker_secret", []byte(value)).Error
	})
}
