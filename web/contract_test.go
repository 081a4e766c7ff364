package web_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/tenancy/tenancytest"
)

func TestContractPage(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		b := setup(t, env)
		ana, h := b.owner(t, "Ana", "acme")
		d := b.desk(t, ana)
		b.addRuntime(t, ana, "acme", "todos")
		page := "/acme/runtimes/todos/contract"
		version := func() string {
			_, rest, _ := strings.Cut(ok(t, d.get(page)), `name="version" value="`)
			v, _, _ := strings.Cut(rest, `"`)
			return v
		}
		body := ok(t, d.get(page))
		for _, shown := range []string{
			"X-Emcy-Worker-Secret", "X-Emcy-Upstream-Access-Token", "X-Emcy-Assertion", "Not sent: no profile is attached", "https://acme.mcp.test/jwks", b.runtime.URL(), "One secret",
			"EMCY_WORKER_SHARED_SECRET=(the worker secret)",
		} {
			require.Contains(t, body, shown)
		}
		require.Contains(t, ok(t, d.get("/acme/runtimes/todos")), `href="/acme/runtimes/todos/contract"`)

		refused := d.post(page, "version", version(), "header.X-Emcy-Subject", "Cookie", "header.X-Emcy-Client", "X Y", "bearer", "bearer", "assertion_only", "secret")
		require.Equal(t, http.StatusUnprocessableEntity, refused.status)
		require.Contains(t, refused.body, `value="X Y"`, "what was typed is still there")
		require.Equal(t, 2, strings.Count(refused.body, `aria-invalid="true"`))
		stale := d.post(page, "version", "999", "header.X-Emcy-Subject", "X-User", "bearer", "header", "assertion_only", "secret")
		require.Equal(t, http.StatusConflict, stale.status)
		require.Contains(t, stale.body, `value="X-User"`)

		body = d.after(page, "version", version(), "header.X-Emcy-Subject", "x-user", "header.X-Emcy-Upstream-Access-Token", "", "bearer", "bearer", "assertion_only", "secret")
		require.Contains(t, body, "The contract is saved and holds within seconds.")
		require.Contains(t, body, "EMCY_WORKER_SUBJECT_HEADER=X-User")
		require.Contains(t, body, "EMCY_UPSTREAM_ACCESS_TOKEN_HEADER=Authorization")
		u, err := b.config.Upstreams.Get(t.Context(), h, "todos")
		require.NoError(t, err)
		require.True(t, u.Contract.Bearer)
		require.Equal(t, "X-User", u.Contract.Name("X-Emcy-Subject"))

		calls := func(body string) int { return strings.Count(body, `class="row row-stack contract-check"`) }
		verified := ok(t, d.post(page+"/verify"))
		require.Equal(t, 3, calls(verified), "right, wrong and none")
		require.Contains(t, verified, "expected 200")
		require.Equal(t, 2, strings.Count(verified, "expected 401"))

		require.Equal(t, http.StatusSeeOther, d.post("/acme/runtimes/todos/secret").status)
		body = ok(t, d.get(page))
		require.Contains(t, body, "The older secret")
		require.Contains(t, body, "at most until 2026-11-23 12:00:00 UTC")
		require.NotContains(t, body, "emc_ws", "no secret is shown here")

		require.Equal(t, 4, calls(ok(t, d.post(page+"/verify"))), "with both of the secrets")

		viewer := b.person(t, "Vic")
		b.join(t, h, viewer, "viewer")
		look := b.desk(t, viewer)
		require.Contains(t, ok(t, look.get(page)), "this needs the role")
		require.Equal(t, http.StatusForbidden, look.post(page, "version", version()).status)
		require.Equal(t, http.StatusForbidden, look.post(page+"/verify").status)
		require.Equal(t, http.StatusNotFound, d.get("/acme/runtimes/nothing/contract").status)
		require.Equal(t, http.StatusNotFound, d.post("/acme/runtimes/nothing/contract/verify").status)
		eve, _ := b.owner(t, "Eve", "evil")
		require.Equal(t, http.StatusNotFound, b.desk(t, eve).get("/evil/runtimes/todos/contract").status)
	})
}
