package upstreams_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/internal/secret"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/tenancytest"
	"github.com/emcy/gateway/upstreams"
)

func TestCreate(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		in := input("Files ", "HTTP://LocalHost:80", "x-api-key", "canary-header", "", "", "Authorization", "Bearer canary")
		in.Name = " My\u202e  files\x00 "
		names := append([]string{}, in.HeaderNames...)
		u := b.create(t, b.a, in)
		require.Equal(t, names, in.HeaderNames, "the caller's form stays as it was typed")
		require.Equal(t, upstreams.Upstream{
			ID: u.ID, Slug: "files", Name: "My files", URL: "http://localhost/", SecretHeader: "X-Emcy-Worker-Secret",
			HeaderNames: []string{"Authorization", "X-Api-Key"}, State: upstreams.Waiting, Version: 1, CreatedAt: b.Clock.Now(),
		}, u)
		require.Equal(t, u, b.get(t, b.a, "files"))
		list, err := b.registry.List(t.Context(), b.a)
		require.NoError(t, err)
		require.Equal(t, []upstreams.Upstream{u}, list)

		worker := b.secret(t, b.a, "files")
		require.True(t, ids.ValidSecret("emc_ws", worker))
		require.Equal(t, []upstreams.Configured{{
			ID: u.ID, Slug: "files", Name: "My files", URL: "http://localhost/", WorkerSecret: secret.New(worker),
			Headers: []upstreams.Header{{Name: "Authorization", Value: secret.New("Bearer canary")}, {Name: "X-Api-Key", Value: secret.New("canary-header")}},
		}}, b.sent(t, b.a))

		entry := b.audit(t, b.a)[0]
		require.Equal(t, "upstream.create", entry.Action)
		require.Equal(t, u.ID, entry.TargetID)
		require.JSONEq(t, `{"slug":"files","name":"My files","url":"http://localhost/","headers":"X-Api-Key, Authorization"}`, entry.After)

		b.read(t, b.a, func(tx *tenancy.Tx) error {
			all, err := upstreams.Names(tx)
			require.NoError(t, err)
			require.Equal(t, []upstreams.Name{{ID: u.ID, Slug: "files", Name: "My files"}}, all)
			one, err := upstreams.NameOf(tx, u.ID)
			require.Equal(t, all[0], one)
			return err
		})

		for name, in := range map[string]upstreams.Input{"the same path": input("files", somewhere), "in capitals": input("FILES", somewhere)} {
			_, err = b.registry.Create(t.Context(), b.a, in)
			requireKind(t, err, errs.Invalid)
			require.NotEmpty(t, errs.FieldsOf(err)["slug"], name)
		}
	})
}

func TestInputSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		before := tenancytest.Counts(t, b.Env)
		for name, c := range map[string]struct {
			in    upstreams.Input
			wrong []string
		}{
			"nothing":               {upstreams.Input{}, []string{"name", "slug", "url"}},
			"a short name":          {upstreams.Input{Name: "x\u200b", Slug: "x", URL: somewhere}, []string{"name"}},
			"a long name":           {upstreams.Input{Name: strings.Repeat("ä", 61), Slug: "x", URL: somewhere}, []string{"name"}},
			"a value without name":  {input("x", somewhere, "", "v"), []string{"header_name.0"}},
			"a name without value":  {input("x", somewhere, "X-Key", ""), []string{"header_value.0"}},
			"fewer values":          {upstreams.Input{Name: "xx", Slug: "x", URL: somewhere, HeaderNames: []string{"X-Key"}}, []string{"header_value.0"}},
			"the same header twice": {input("x", somewhere, "X-Key", "1", "x-key", "2"), []string{"header_name.1"}},
			"not a header name":     {input("x", somewhere, "X Key", "1", "X_Key", "2", "X:Key", "3", "X-Kéy", "4"), []string{"header_name.0", "header_name.1", "header_name.2", "header_name.3"}},
			"not a header value":    {input("x", somewhere, "X-A", "1\r\nHost: evil", "X-B", "a\x00b", "X-C", strings.Repeat("x", 4097), "X-D", "ключ"), []string{"header_value.0", "header_value.1", "header_value.2", "header_value.3"}},
			"headers of ours": {
				input("x", somewhere, "x-emcy-subject", "1", "mcp-session-id", "2", "host", "3", "transfer-encoding", "4", "x-forwarded-for", "5", "cookie", "6", "content-length", "7", "te", "8"),
				[]string{"header_name.0", "header_name.1", "header_name.2", "header_name.3", "header_name.4", "header_name.5", "header_name.6", "header_name.7"},
			},
			"too many headers": {
				input("x", somewhere, "X-1", "1", "X-2", "1", "X-3", "1", "X-4", "1", "X-5", "1", "X-6", "1", "X-7", "1", "X-8", "1", "X-9", "1"),
				[]string{"header_name.8"},
			},
		} {
			_, err := b.registry.Create(t.Context(), b.a, c.in)
			requireKind(t, err, errs.Invalid)
			fields := errs.FieldsOf(err)
			require.Len(t, fields, len(c.wrong), "%s: %v", name, fields)
			for _, field := range c.wrong {
				require.NotEmpty(t, fields[field], "%s: %s", name, field)
			}
		}
		require.Equal(t, before, tenancytest.Counts(t, b.Env))
	})
}

func TestPathSlugs(t *testing.T) {
	t.Parallel()
	b := setup(t, tenancytest.SQLite(t))
	for _, slug := range []string{"a", "0", "files", "my-files-2", "a--b", strings.Repeat("a", 40), "well-known", "mcp", "tokens"} {
		b.create(t, b.a, input(slug, somewhere))
	}
	for _, slug := range []string{
		"", "-a", "a-", "-", strings.Repeat("a", 41), "a b", "a/b", "a.b", "..", ".well-known", "a%2fb", "ä", "a\x00", "a\n", "a_b", "a?b",
		"authorize", "token", "register", "revoke", "introspect", "jwks", "sign-in", "sign-out", "consent", "connect", "me", "assets", "oauth", "Authorize",
	} {
		_, err := b.registry.Create(t.Context(), b.a, input(slug, somewhere))
		requireKind(t, err, errs.Invalid)
		require.NotEmpty(t, errs.FieldsOf(err)["slug"], "%q", slug)
	}
}

// TestAddressesAreRefusedAtSave is row C8: one spelling per host, and a closed
// address stays closed unless the installation opens private ones.
func TestAddressesAreRefusedAtSave(t *testing.T) {
	t.Parallel()
	b := setup(t, tenancytest.SQLite(t))
	strict := upstreams.New(b.DB, outbound.New(outbound.Config{}), nil, b.revoker, nil)
	for name, c := range map[string]struct {
		registry *upstreams.Registry
		urls     []string
	}{
		"any installation": {b.registry, []string{
			"", "x", "ftp://example.com/mcp", "http://0x7f000001/", "http://017700000001/", "http://2130706433/", "http://127.1/", "http://localhost./", "http://[::ffff:7f00:1]/",
			"http://[fe80::1%25lo]/", "http://①②⑦.0.0.1/", "http://ok@127.0.0.1/", "http://127.0.0.1#@ok/", "http://u:canary@example.com/", "https://example.com/../x", "https://exa mple.com/",
		}},
		"a public one": {strict, []string{"http://example.com/mcp", "https://127.0.0.1/", "https://localhost/", "https://10.0.0.1/", "https://169.254.169.254/", "https://[::1]/", "https://[64:ff9b::7f00:1]/"}},
	} {
		for _, url := range c.urls {
			_, err := c.registry.Create(t.Context(), b.a, input("x", url))
			requireKind(t, err, errs.Invalid)
			said := errs.FieldsOf(err)["url"]
			require.Regexp(t, `^The URL is refused: .*[^.]\.$`, said, "%s: %s", name, url)
			require.NotContains(t, said, "outbound")
			require.NotContains(t, said, "canary")
		}
	}
}

func TestUpdate(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		u := b.create(t, b.a, input("files", somewhere, "X-Keep", "canary-keep", "X-Drop", "canary-drop", "X-Change", "canary-old"))
		worker := b.secret(t, b.a, "files")
		b.Clock.Advance(time.Minute)
		in := input("ignored", "http://127.0.0.1:9/other", "x-keep", "", "X-Change", "canary-new", "X-New", "canary-added")
		in.Name = "Renamed"
		got, moved, err := b.registry.Update(t.Context(), b.a, "files", in, u.Version)
		require.NoError(t, err)
		require.False(t, moved)
		require.Equal(t, "files", got.Slug, "the path never changes")
		require.Equal(t, "Renamed", got.Name)
		require.Equal(t, "http://127.0.0.1:9/other", got.URL)
		require.Equal(t, u.Version+1, got.Version)
		require.Equal(t, got, b.get(t, b.a, "files"))
		require.Equal(t, []upstreams.Header{
			{Name: "X-Change", Value: secret.New("canary-new")}, {Name: "X-Keep", Value: secret.New("canary-keep")}, {Name: "X-New", Value: secret.New("canary-added")},
		}, b.sent(t, b.a)[0].Headers)
		require.Equal(t, worker, b.secret(t, b.a, "files"))
		entry := b.audit(t, b.a)[0]
		require.Equal(t, "upstream.update", entry.Action)
		require.Contains(t, entry.Before, `"headers":"X-Change, X-Drop, X-Keep"`)
		require.Contains(t, entry.After, `"headers":"X-Keep, X-Change, X-New"`)
		require.NotContains(t, entry.Before+entry.After, "canary")

		_, _, err = b.registry.Update(t.Context(), b.a, "files", input("", somewhere, "X-Never-Stored", ""), got.Version)
		requireKind(t, err, errs.Invalid)
		require.NotEmpty(t, errs.FieldsOf(err)["header_value.0"])
		_, _, err = b.registry.Update(t.Context(), b.a, "files", input("", somewhere, "X-Keep", "one", "X-Keep", "two"), got.Version)
		requireKind(t, err, errs.Invalid)
		_, _, err = b.registry.Update(t.Context(), b.a, "none", input("", somewhere), 1)
		requireKind(t, err, errs.NotFound)
		got, _, err = b.registry.Update(t.Context(), b.a, "files", input("", somewhere), got.Version)
		require.NoError(t, err)
		require.Empty(t, got.HeaderNames)
		require.Empty(t, b.sent(t, b.a)[0].Headers)
	})
}

// TestSecretsStayWithTheirHost is row C10: what was typed for one host is not sent
// to another.
func TestSecretsStayWithTheirHost(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		for i, c := range []struct {
			from, to string
			moved    bool
		}{
			{"http://127.0.0.1:9/mcp", "http://127.0.0.1:9/other?x=1", false},
			{"http://localhost:80/mcp", "HTTP://LOCALHOST/mcp", false},
			{"https://runtime.example.com:443/", "https://runtime.example.com/", false},
			{"http://127.0.0.1:9/mcp", "http://127.0.0.1:10/mcp", true},
			{"http://127.0.0.1:9/mcp", "http://localhost:9/mcp", true},
			{"http://runtime.example.com/mcp", "https://runtime.example.com/mcp", true},
			{"https://runtime.example.com/mcp", "https://runtime.example.com.evil.test/mcp", true},
		} {
			slug := fmt.Sprintf("runtime-%d", i)
			u := b.create(t, b.a, input(slug, c.from, "X-Key", "canary-key"))
			require.NoError(t, b.registry.RotateSecret(t.Context(), b.a, slug))
			require.NoError(t, b.registry.HideSecret(t.Context(), b.a, slug))
			before := b.sent(t, b.a)[i]

			_, moved, err := b.registry.Update(t.Context(), b.a, slug, input("", c.to, "X-Key", ""), u.Version+1)
			if !c.moved {
				require.NoError(t, err)
				require.False(t, moved)
				require.Equal(t, before.WorkerSecret, b.sent(t, b.a)[i].WorkerSecret)
				require.Equal(t, before.Headers, b.sent(t, b.a)[i].Headers)
				continue
			}
			requireKind(t, err, errs.Invalid)
			require.Contains(t, errs.FieldsOf(err)["header_value.0"], "another host")
			require.Equal(t, before, b.sent(t, b.a)[i])

			got, moved, err := b.registry.Update(t.Context(), b.a, slug, input("", c.to, "X-Key", "typed-anew"), u.Version+1)
			require.NoError(t, err)
			require.True(t, moved)
			require.False(t, got.Rotating, "the old secret is not sent there while a rotation is open either")
			require.Equal(t, upstreams.Waiting, got.State)
			require.Nil(t, got.Report)
			after := b.sent(t, b.a)[i]
			require.NotEqual(t, before.WorkerSecret, after.WorkerSecret)
			require.Equal(t, b.secret(t, b.a, slug), after.WorkerSecret.Reveal(), "the new one can be read")
			require.Equal(t, "typed-anew", after.Headers[0].Value.Reveal())
		}
	})
}

// TestTheSecondOfTwoEditsIsStale: what somebody else saved meanwhile is not lost.
func TestTheSecondOfTwoEditsIsStale(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		u := b.create(t, b.a, input("files", somewhere))
		const n = 8
		results := make(chan error, n)
		for i := range n {
			go func() {
				in := input("", somewhere)
				in.Name = fmt.Sprintf("Edit %d", i)
				_, _, err := b.registry.Update(t.Context(), b.a, "files", in, u.Version)
				results <- err
			}()
		}
		saved := 0
		for range n {
			if err := <-results; err == nil {
				saved++
			} else {
				requireKind(t, err, errs.Stale)
			}
		}
		require.Equal(t, 1, saved)
		require.Equal(t, u.Version+1, b.get(t, b.a, "files").Version)

		// A rotation is a change, too: each one counts, also at the same moment.
		for range n {
			go func() { results <- b.registry.RotateSecret(t.Context(), b.a, "files") }()
		}
		for range n {
			require.NoError(t, <-results)
		}
		require.Equal(t, u.Version+1+n, b.get(t, b.a, "files").Version)
		_, _, err := b.registry.Update(t.Context(), b.a, "files", input("", somewhere), u.Version+1)
		requireKind(t, err, errs.Stale)
	})
}

// TestTheLimitHoldsInParallel is row E12.
func TestTheLimitHoldsInParallel(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		const limit = 200
		for i := range limit - 1 {
			b.create(t, b.a, input(fmt.Sprintf("r-%d", i), somewhere))
		}
		const n = 20
		results := make(chan error, n)
		for i := range n {
			go func() {
				_, err := b.registry.Create(t.Context(), b.a, input(fmt.Sprintf("last-%d", i), somewhere))
				results <- err
			}()
		}
		made := 0
		for range n {
			if err := <-results; err == nil {
				made++
			} else {
				requireKind(t, err, errs.Invalid)
				require.Contains(t, errs.FieldsOf(err)["name"], "200")
			}
		}
		require.Equal(t, 1, made)
		require.Len(t, b.sent(t, b.a), limit)
		b.create(t, b.b, input("others-go-on", somewhere))
	})
}

// family is a token family of the authorization server.
type family struct {
	TenantID, ID, ClientID, Subject, UpstreamID, Resource, Scope string
	CreatedAt, ExpiresAt                                         time.Time
	RevokedAt                                                    *time.Time
	RevokedReason                                                string
}

func (family) TableName() string { return "token_families" }

func TestRemove(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		u, kept := b.create(t, b.a, input("files", somewhere)), b.create(t, b.a, input("kept", somewhere))
		require.NoError(t, b.DB.Write(t.Context(), b.a, func(tx *tenancy.Tx) error {
			for _, of := range []string{u.ID, kept.ID} {
				row := family{TenantID: tx.Tenant(), ID: "fam_" + of, UpstreamID: of, CreatedAt: tx.Now(), ExpiresAt: tx.Now().Add(time.Hour)}
				if err := tx.DB().Create(&row).Error; err != nil {
					return err
				}
			}
			return nil
		}))
		revoked := func(id string) *time.Time {
			var row family
			b.read(t, b.a, func(tx *tenancy.Tx) error { return tx.DB().Where("id = ?", "fam_"+id).First(&row).Error })
			return row.RevokedAt
		}

		boom := errors.New("boom")
		b.revoker.err = boom
		before, audited := tenancytest.Counts(t, b.Env), len(b.audit(t, b.a))
		require.ErrorIs(t, b.registry.Remove(t.Context(), b.a, "files"), boom)
		require.Equal(t, before, tenancytest.Counts(t, b.Env))
		require.Equal(t, u, b.get(t, b.a, "files"))
		require.Nil(t, revoked(u.ID), "what the revoker did is undone with the rest")
		require.Len(t, b.audit(t, b.a), audited)

		b.revoker.err = nil
		b.Clock.Advance(time.Second)
		require.NoError(t, b.registry.Remove(t.Context(), b.a, "files"))
		require.NotNil(t, revoked(u.ID))
		require.Nil(t, revoked(kept.ID))
		_, err := b.registry.Get(t.Context(), b.a, "files")
		requireKind(t, err, errs.NotFound)
		entry := b.audit(t, b.a)[0]
		require.Equal(t, "upstream.remove", entry.Action)
		require.Contains(t, entry.Before, `"slug":"files"`)
		requireKind(t, b.registry.Remove(t.Context(), b.a, "files"), errs.NotFound)

		again := b.create(t, b.a, input("files", somewhere))
		require.NotEqual(t, u.ID, again.ID, "a path that comes back is another runtime")
	})
}
