package upstreams_test

import (
	"context"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/upstreams"
)

// TestEveryMethodAsAAsBThenA is the fifth fence: each act works as A, fails as B
// with A's own names and ids, and A's rows are as they were before B tried. The
// list is complete, because the registry itself is asked for its methods.
func TestEveryMethodAsAAsBThenA(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		ctx := t.Context()
		up := runtime(t)
		var id string
		var run upstreams.ProbeRun
		version := int64(1)
		acts := map[string]func(ctx context.Context, h tenancy.Handle) (any, error){
			"Get": func(ctx context.Context, h tenancy.Handle) (any, error) { return b.registry.Get(ctx, h, "files") },
			"Setup": func(ctx context.Context, h tenancy.Handle) (any, error) {
				u, _, err := b.registry.Setup(ctx, h, "files")
				return u, err
			},
			"Probe":     func(ctx context.Context, h tenancy.Handle) (any, error) { return b.registry.Probe(ctx, h, "files") },
			"ProbeByID": func(ctx context.Context, h tenancy.Handle) (any, error) { return b.registry.ProbeByID(ctx, h, id) },
			"BeginProbe": func(ctx context.Context, h tenancy.Handle) (any, error) {
				return b.registry.BeginProbe(ctx, h, "files", true)
			},
			"RunProbe":  func(ctx context.Context, h tenancy.Handle) (any, error) { return b.registry.RunProbe(ctx, h, run) },
			"Progress":  func(ctx context.Context, h tenancy.Handle) (any, error) { return b.registry.Progress(ctx, h, id) },
			"SyncTools": func(ctx context.Context, h tenancy.Handle) (any, error) { return b.registry.SyncTools(ctx, h, "files") },
			"Tools":     func(ctx context.Context, h tenancy.Handle) (any, error) { return b.registry.Tools(ctx, h, "files") },
			"Tool": func(ctx context.Context, h tenancy.Handle) (any, error) {
				return b.registry.Tool(ctx, h, "files", upstreams.ToolID("echo"))
			},
			"SetContract": func(ctx context.Context, h tenancy.Handle) (any, error) {
				return b.registry.SetContract(ctx, h, "files", upstreams.Contract{Bearer: true}, version)
			},
			"Verify": func(ctx context.Context, h tenancy.Handle) (any, error) { return b.registry.Verify(ctx, h, "files") },
			"RotateSecret": func(ctx context.Context, h tenancy.Handle) (any, error) {
				return nil, b.registry.RotateSecret(ctx, h, "files")
			},
			"HideSecret": func(ctx context.Context, h tenancy.Handle) (any, error) {
				return nil, b.registry.HideSecret(ctx, h, "files")
			},
			"Remove": func(ctx context.Context, h tenancy.Handle) (any, error) {
				return nil, b.registry.Remove(ctx, h, "files")
			},
			"Update": func(ctx context.Context, h tenancy.Handle) (any, error) {
				u, _, err := b.registry.Update(ctx, h, "files", input("", up.URL(), "X-Key", ""), version)
				return u, err
			},
		}
		// These find nothing where there is nothing, which is not an error; the last two are nobody's acts.
		others := map[string]bool{"Create": true, "List": true, "ProbeDue": true, "UseAssertions": true}
		kind := reflect.TypeOf(b.registry)
		for i := range kind.NumMethod() {
			name := kind.Method(i).Name
			require.True(t, acts[name] != nil || others[name], "%s has no entry here", name)
		}

		for _, name := range []string{"Get", "Setup", "Probe", "ProbeByID", "BeginProbe", "RunProbe", "Progress", "SyncTools", "Tools", "Tool", "Update", "SetContract", "Verify", "RotateSecret", "HideSecret", "Remove"} {
			u := b.create(t, b.a, input("files", up.URL(), "X-Key", "canary-a"))
			id, version = u.ID, u.Version
			_, err := b.registry.Probe(ctx, b.a, "files")
			require.NoError(t, err)
			u = b.get(t, b.a, "files")
			tools := b.tools(t, b.a, "files")
			worker, sent := b.secret(t, b.a, "files"), b.sent(t, b.a)
			run, err = b.registry.BeginProbe(ctx, b.a, "files", true)
			require.NoError(t, err)
			asked, audited := len(up.Requests()), len(b.audit(t, b.a))

			got, err := acts[name](ctx, b.b)
			requireKind(t, err, errs.NotFound)
			if got != nil {
				require.Zero(t, got, name)
			}
			require.NotContains(t, err.Error(), "canary", name)
			require.Equal(t, u, b.get(t, b.a, "files"), name)
			require.Equal(t, worker, b.secret(t, b.a, "files"), name)
			require.Equal(t, sent, b.sent(t, b.a), name)
			require.Equal(t, tools, b.tools(t, b.a, "files"), name)
			require.Len(t, up.Requests(), asked, "%s as B reached A's runtime", name)
			require.Len(t, b.audit(t, b.a), audited, name)
			require.Len(t, b.audit(t, b.b), 1, "%s as B", name)

			_, err = acts[name](ctx, b.a)
			require.NoError(t, err, name)
			if name != "Remove" {
				require.NoError(t, b.registry.Remove(ctx, b.a, "files"))
			}
		}
	})
}

// TestTwoTenantsWithTheSamePaths: the same words, and nothing shared.
func TestTwoTenantsWithTheSamePaths(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		ua := b.create(t, b.a, input("files", somewhere, "X-Key", "canary-a"))
		ub := b.create(t, b.b, input("files", somewhere, "X-Key", "canary-b"))
		require.NotEqual(t, ua.ID, ub.ID)
		require.NotEqual(t, b.secret(t, b.a, "files"), b.secret(t, b.b, "files"))
		_, _, err := b.registry.Update(t.Context(), b.b, "files", input("", somewhere, "X-Key", ""), 1)
		require.NoError(t, err)
		require.NoError(t, b.registry.RotateSecret(t.Context(), b.b, "files"))
		require.Equal(t, ua, b.get(t, b.a, "files"))
		for h, own := range map[tenancy.Handle]string{b.a: "canary-a", b.b: "canary-b"} {
			sent := b.sent(t, h)
			require.Len(t, sent, 1)
			require.Equal(t, own, sent[0].Headers[0].Value.Reveal())
			list, err := b.registry.List(t.Context(), h)
			require.NoError(t, err)
			require.Len(t, list, 1)
		}
		b.read(t, b.b, func(tx *tenancy.Tx) error {
			all, err := upstreams.Names(tx)
			require.NoError(t, err)
			require.Equal(t, []upstreams.Name{{ID: ub.ID, Slug: "files", Name: "Runtime"}}, all)
			_, err = upstreams.NameOf(tx, ua.ID)
			require.Error(t, err)
			return nil
		})
		require.NoError(t, b.registry.Remove(t.Context(), b.b, "files"))
		require.Equal(t, ua, b.get(t, b.a, "files"))
	})
}
