package web_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/authz/server/scopes"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/tenancytest"
	"github.com/emcy/gateway/test/e2e/httpflow"
	"github.com/emcy/gateway/test/fakes/lister"
	"github.com/emcy/gateway/upstreams"
)

// scopeBundle is a workspace whose runtime files lists the tools read, drop and put.
type scopeBundle struct {
	*testBundle
	p      *httpflow.Person
	h      tenancy.Handle
	lister *lister.Lister
	id     string // of the runtime
}

func eachScopes(t *testing.T, test func(t *testing.T, b *scopeBundle)) {
	t.Helper()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		b := &scopeBundle{testBundle: setup(t, env)}
		b.p, b.h = b.owner(t, "Ana", "acme")
		b.lister = lister.Start(
			lister.Tool("read", "Reads.", `"annotations":{"readOnlyHint":true}`), lister.Tool("drop", "Drops.", `"annotations":{"destructiveHint":true}`),
			lister.Tool("put", "Puts.", `"annotations":{"destructiveHint":false}`),
		)
		t.Cleanup(b.lister.Close)
		_, err := b.p.PostRuntime(t.Context(), "acme", httpflow.RuntimeForm{Name: "Files", Slug: "files", URL: b.lister.URL()})
		require.NoError(t, err)
		b.sync(t)
		u, err := b.config.Upstreams.Get(t.Context(), b.h, "files")
		require.NoError(t, err)
		b.id = u.ID
		test(t, b)
	})
}

func (b *scopeBundle) sync(t *testing.T) {
	t.Helper()
	_, err := b.config.Upstreams.SyncTools(t.Context(), b.h, "files")
	require.NoError(t, err)
}

func (b *scopeBundle) get(t *testing.T, path string) string {
	t.Helper()
	got := b.send(t, b.p, http.MethodGet, path, nil, nil)
	require.Equal(t, http.StatusOK, got.status, path)
	return got.body
}

// post sends a form with the page's own token, as a browser without script does.
func (b *scopeBundle) post(t *testing.T, path string, fields ...string) *answer {
	t.Helper()
	form := url.Values{"csrf": {b.token(t, b.p, "/workspaces/new")}}
	for i := 0; i < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	return b.send(t, b.p, http.MethodPost, path, form, nil)
}

// done posts what has to work, and gives the page that it leads to.
func (b *scopeBundle) done(t *testing.T, path string, fields ...string) string {
	t.Helper()
	got := b.post(t, path, fields...)
	require.Equal(t, http.StatusSeeOther, got.status, got.body)
	return b.get(t, got.header.Get("Location"))
}

func (b *scopeBundle) catalogue(t *testing.T) authz.Catalogue {
	t.Helper()
	c, err := scopes.New(b.DB).Catalogue(t.Context(), b.h)
	require.NoError(t, err)
	return c
}

func address(name string) string {
	return "/acme/scopes/scp" + strings.TrimPrefix(upstreams.ToolID(name), "tol")
}

var editionField = regexp.MustCompile(`name="edition" value="([^"]+)"`)

func edition(t *testing.T, page string) string {
	t.Helper()
	found := editionField.FindStringSubmatch(page)
	require.Len(t, found, 2, page)
	return found[1]
}

func TestScopePages(t *testing.T) {
	t.Parallel()
	eachScopes(t, func(t *testing.T, b *scopeBundle) {
		require.Contains(t, b.get(t, "/acme/scopes"), "One yes opens every tool")
		require.Contains(t, b.get(t, "/acme/runtimes"), `href="/acme/scopes"`, "the navigation leads here")

		page := b.done(t, "/acme/scopes/new", "name", "files/read:all", "title", "Look at files", "description", "All of\r\nthem.", "initial", "on")
		require.Contains(t, page, "The scope files/read:all is there. Choose what it opens.")
		require.Contains(t, page, "All of them.")
		require.Contains(t, page, "no tool")
		b.done(t, "/acme/scopes/new", "name", "write", "title", "<b>Write</b>", "include", "files/read:all")
		require.NotContains(t, b.get(t, "/acme/scopes"), "<b>")

		picker := address("files/read:all") + "/tools/files"
		page = b.get(t, picker)
		for _, want := range []string{"read-only", "destructive", "no scope of its own", upstreams.ToolID("drop")} {
			require.Contains(t, page, want)
		}
		page = b.done(t, picker, "edition", edition(t, page), "tool", upstreams.ToolID("read"), "tool", upstreams.ToolID("put"), "tool", "tol_unknown")
		require.Contains(t, page, "2 of 3 tools")
		require.Equal(t, "mcp files/read:all", b.catalogue(t).Needs(b.id, "put").String())
		require.Equal(t, "mcp", b.catalogue(t).Needs(b.id, "drop").String())

		// A tool that vanishes stays; one that appears is not in it.
		b.lister.List(lister.Tool("read", "Reads.", `"annotations":{"readOnlyHint":true}`), lister.Tool("new", "New."))
		b.sync(t)
		page = b.get(t, picker)
		require.Contains(t, page, "not listed now")
		require.Contains(t, page, upstreams.ToolID("put"))
		page = b.done(t, picker, "edition", edition(t, page), "tool", upstreams.ToolID("put"), "all", "on")
		require.Contains(t, page, "every tool")
		require.Equal(t, "mcp files/read:all", b.catalogue(t).Needs(b.id, "later still").String())

		page = b.done(t, address("write")+"/move", "to", "earlier")
		require.Contains(t, page, "1 of 2")
		require.Equal(t, "write", b.catalogue(t).All()[0].Name)

		page = b.done(t, address("write"), "edition", edition(t, b.get(t, address("write"))), "title", "Write", "initial", "on")
		require.Contains(t, page, "The changes are saved.")
		s, _ := b.catalogue(t).Get("write")
		require.Empty(t, s.Includes)
		require.True(t, s.Initial)
	})
}

func TestScopeFormsThatAreRefused(t *testing.T) {
	t.Parallel()
	eachScopes(t, func(t *testing.T, b *scopeBundle) {
		got := b.post(t, "/acme/scopes/new", "name", "a b", "title", "", "description", "Kept \"text\"")
		require.Equal(t, http.StatusUnprocessableEntity, got.status)
		for _, want := range []string{`value="a b"`, "without spaces", "People read it before they agree", "Kept &#34;text&#34;", `href="#f-name"`} {
			require.Contains(t, got.body, want)
		}
		b.done(t, "/acme/scopes/new", "name", "read", "title", "Read")
		b.done(t, "/acme/scopes/new", "name", "write", "title", "Write", "include", "read")
		got = b.post(t, address("read"), "edition", edition(t, b.get(t, address("read"))), "title", "Read", "include", "write")
		require.Equal(t, http.StatusUnprocessableEntity, got.status)
		require.Contains(t, got.body, "include one another in a circle")

		old := edition(t, b.get(t, address("read")))
		b.done(t, address("read"), "edition", old, "title", "Look")
		got = b.post(t, address("read"), "edition", old, "title", "Mine")
		require.Equal(t, http.StatusConflict, got.status)
		require.Contains(t, got.body, "Someone changed this scope")
		b.done(t, address("read"), "edition", edition(t, got.body), "title", "Mine")
		picker := address("read") + "/tools/files"
		got = b.post(t, picker, "edition", old, "tool", upstreams.ToolID("put"))
		require.Equal(t, http.StatusConflict, got.status)
		require.Regexp(t, `value="`+upstreams.ToolID("put")+`" checked`, got.body, "the choice is kept")
		b.done(t, picker, "edition", edition(t, got.body), "tool", upstreams.ToolID("put"))

		for _, path := range []string{address("nothing"), "/acme/scopes/read", address("read") + "/tools/none", "/acme/scopes/hints/none"} {
			require.Equal(t, http.StatusNotFound, b.send(t, b.p, http.MethodGet, path, nil, nil).status, path)
		}
		other, _ := b.owner(t, "Eve", "evil")
		require.Equal(t, http.StatusNotFound, b.send(t, other, http.MethodGet, "/evil"+strings.TrimPrefix(address("read"), "/acme"), nil, nil).status)
		require.Equal(t, http.StatusNotFound, b.send(t, other, http.MethodGet, address("read"), nil, nil).status)
	})
}

func TestScopesFromHints(t *testing.T) {
	t.Parallel()
	eachScopes(t, func(t *testing.T, b *scopeBundle) {
		page := b.get(t, "/acme/scopes")
		require.Contains(t, page, "/acme/scopes/hints/files")
		page = b.get(t, "/acme/scopes/hints/files")
		require.NotContains(t, page, "sorted already")
		require.NotContains(t, page, "says nothing")
		require.Regexp(t, `(?s)read.*>read<.*write.*>put<.*danger.*>drop<`, page)
		page = b.done(t, "/acme/scopes/hints/files")
		require.Contains(t, page, "The tools of Files are sorted.")
		require.Equal(t, "mcp read", b.catalogue(t).Needs(b.id, "read").String())
		require.Equal(t, "mcp write", b.catalogue(t).Needs(b.id, "put").String())
		require.Equal(t, "mcp danger", b.catalogue(t).Needs(b.id, "drop").String())
		require.Contains(t, b.get(t, "/acme/scopes/hints/files"), "sorted already")

		b.lister.List(lister.Tool("read", "Reads."))
		b.sync(t)
		require.Contains(t, b.get(t, "/acme/scopes/hints/files"), "The runtime says nothing of 1 tool")
		b.lister.List()
		b.sync(t)
		require.Contains(t, b.done(t, "/acme/scopes/hints/files"), "The runtime lists no tools yet.")
	})
}

func TestScopeDelete(t *testing.T) {
	t.Parallel()
	eachScopes(t, func(t *testing.T, b *scopeBundle) {
		b.done(t, "/acme/scopes/hints/files")
		page := b.get(t, address("read")+"/delete")
		for _, want := range []string{"Nobody holds it now.", "It goes out of write, which includes it."} {
			require.Contains(t, page, want)
		}
		require.NotContains(t, page, "no scope any more", "danger still opens everything")
		require.Contains(t, b.get(t, address("danger")+"/delete"), "1 tool needs no scope any more: every client that may connect can call it.")
		got := b.post(t, address("read")+"/delete", "confirm", "Read")
		require.Equal(t, http.StatusUnprocessableEntity, got.status)
		require.Contains(t, got.body, "This is not the scope&#39;s name.")
		require.Contains(t, b.done(t, address("read")+"/delete", "confirm", "read"), "The scope read is deleted.")
		_, there := b.catalogue(t).Get("read")
		require.False(t, there)

		viewer := b.person(t, "Vic")
		b.join(t, b.h, viewer, "viewer")
		got = b.send(t, viewer, http.MethodGet, address("write"), nil, nil)
		require.Equal(t, http.StatusOK, got.status)
		require.Contains(t, got.body, "needs the role Developer")
		require.NotContains(t, got.body, "Choose tools")
		require.Equal(t, http.StatusForbidden, b.send(t, viewer, http.MethodGet, address("write")+"/delete", nil, nil).status)
	})
}
