package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/tenancy/tenancytest"
	"github.com/emcy/gateway/test/e2e/httpflow"
	"github.com/emcy/gateway/usage/event"
	"github.com/emcy/gateway/web"
)

func TestAddingARuntime(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		b := setup(t, env)
		p, _ := b.owner(t, "Ana", "acme")
		require.Contains(t, mustOpen(t, p, "/acme/runtimes").Text(), "Add the MCP server that you already run")

		form, err := mustOpen(t, p, "/acme/runtimes/new").Form("name", "slug", "url")
		require.NoError(t, err)
		require.Len(t, form.Values["header_name"], 3)
		form.Set("name", "Todos").Set("slug", "todos").Set("url", b.runtime.URL()).Set("header_name", "X-Api-Key", "", "").Set("header_value", "canary-header-value", "", "")
		done, err := p.Browser.Submit(t.Context(), form)
		require.NoError(t, err)
		require.NoError(t, done.Expect(http.StatusSeeOther))
		require.Equal(t, "/acme/runtimes/todos/setup", done.Location().Path)

		r := &httpflow.Runtime{Workspace: "acme", Slug: "todos"}
		require.NoError(t, p.ReadSecret(t.Context(), r))
		require.NotEmpty(t, r.Secret)
		b.runtime.SetSecrets(r.Secret)
		require.NoError(t, p.StoredSecret(t.Context(), r))
		again := mustOpen(t, p, "/acme/runtimes/todos/setup")
		require.NotContains(t, string(again.Body), r.Secret)
		require.Contains(t, again.Text(), "shown already")

		detail := mustOpen(t, p, "/acme/runtimes/todos")
		for _, shown := range []string{"Ready", "https://acme.mcp.test/todos/mcp", "echo", "It works: MCP ", "fake upstream 1.0.0", "No client has asked for anything yet.", "X-Api-Key"} {
			require.Contains(t, detail.Text(), shown)
		}
		require.NotContains(t, string(detail.Body), "canary-header-value")
		require.NotContains(t, string(detail.Body), r.Secret)
		require.NotContains(t, detail.Text(), "answers without the worker secret")
		require.NoError(t, p.ReadMCPURL(t.Context(), r))
		require.Equal(t, "https://acme.mcp.test/todos/mcp", r.MCPURL)
		require.Contains(t, mustOpen(t, p, "/acme/runtimes").Text(), "Ready")

		b.runtime.SetSecrets()
		open, err := p.Probe(t.Context(), r)
		require.NoError(t, err)
		require.Equal(t, "/acme/runtimes/todos/probe", open.URL.Path)
		require.Contains(t, open.Text(), "It answers without the worker secret: anyone who finds the URL can call it.")
		require.Contains(t, mustOpen(t, p, "/acme/runtimes/todos").Text(), "answers without the worker secret")

		b.runtime.Close()
		down, err := p.Probe(t.Context(), r)
		require.NoError(t, err)
		require.Contains(t, down.Text(), "Not reachable")
		require.Contains(t, down.Text(), "not reached")
	})
}

func TestARefusedRuntimeKeepsItsFieldsButNoSecrets(t *testing.T) {
	t.Parallel()
	b := setup(t, tenancytest.SQLite(t))
	p, _ := b.owner(t, "Ana", "acme")
	token := b.token(t, p, "/acme/runtimes/new")
	send := func(change url.Values) *answer {
		form := url.Values{"csrf": {token}, "name": {"Kept Name"}, "slug": {"kept-slug"}, "url": {b.runtime.URL()}, "header_name": {"X-Kept", "", ""}, "header_value": {"canary-value", "", ""}}
		for key, values := range change {
			form[key] = values
		}
		return b.send(t, p, "POST", "/acme/runtimes/new", form, nil)
	}
	for name, c := range map[string]struct {
		change url.Values
		says   string
	}{
		"address":        {url.Values{"url": {"ftp://kept.example/x"}}, "http"},
		"slug":           {url.Values{"slug": {"No Slug!"}}, "small letters"},
		"reserved slug":  {url.Values{"slug": {"new"}}, "page of the console"},
		"own path":       {url.Values{"slug": {"authorize"}}, "belongs to the gateway"},
		"header":         {url.Values{"header_name": {"X-Kept", "Cookie", ""}, "header_value": {"canary-value", "x", ""}}, "sets this header itself"},
		"missing value":  {url.Values{"header_name": {"X-Kept", "X-Empty", ""}, "header_value": {"canary-value", "", ""}}, "Type the value of this header"},
		"without a name": {url.Values{"header_name": {"X-Kept", "", ""}, "header_value": {"canary-value", "lost", ""}}, "Name the header"},
	} {
		got := send(c.change)
		require.Equal(t, http.StatusUnprocessableEntity, got.status, name)
		require.Contains(t, got.body, c.says, name)
		require.Contains(t, got.body, "Kept Name", name)
		require.Contains(t, got.body, "X-Kept", name)
		require.NotContains(t, got.body, "canary-value", name)
		require.Contains(t, got.body, "Type the value again", name)
	}
	require.Equal(t, http.StatusBadRequest, send(url.Values{"header_name": {"A"}, "header_value": {"1", "2"}}).status)
	require.Equal(t, http.StatusSeeOther, send(nil).status)
	taken := send(nil)
	require.Equal(t, http.StatusUnprocessableEntity, taken.status)
	require.Contains(t, taken.body, "Another runtime has this path.")
}

func TestEditing(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		b := setup(t, env)
		p, h := b.owner(t, "Ana", "acme")
		b.addRuntime(t, p, "acme", "todos")
		edit := func() *httpflow.Form {
			form, err := mustOpen(t, p, "/acme/runtimes/todos/edit").Form("name", "url", "version")
			require.NoError(t, err)
			require.Empty(t, form.Values.Get("slug"))
			return form
		}
		submit := func(f *httpflow.Form) *httpflow.Page {
			page, err := p.Browser.Submit(t.Context(), f)
			require.NoError(t, err)
			return page
		}
		mine, theirs := edit(), edit()
		theirs.Set("name", "Theirs").Set("header_name", "X-Theirs", "", "").Set("header_value", "v", "", "")
		require.NoError(t, submit(theirs).Expect(http.StatusSeeOther))

		clash := submit(mine.Set("name", "Mine").Set("header_name", "X-Mine", "", "").Set("header_value", "canary-value", "", ""))
		require.NoError(t, clash.Expect(http.StatusConflict))
		for _, shown := range []string{"Theirs", "X-Theirs", "Someone changed this runtime"} {
			require.Contains(t, clash.Text(), shown)
		}
		require.NotContains(t, string(clash.Body), "canary-value")
		again, err := clash.Form("name", "url", "version")
		require.NoError(t, err)
		require.Equal(t, "Mine", again.Values.Get("name"))
		refused := submit(again)
		require.NoError(t, refused.Expect(http.StatusUnprocessableEntity), "the header's value has to be typed again")
		require.NoError(t, submit(again.Set("header_value", "v", "", "")).Expect(http.StatusSeeOther))
		u, err := b.config.Upstreams.Get(t.Context(), h, "todos")
		require.NoError(t, err)
		require.Equal(t, "Mine", u.Name)
		require.Equal(t, []string{"X-Mine"}, u.HeaderNames)

		kept := edit()
		require.Equal(t, "X-Mine", kept.Values["header_name"][0])
		require.NoError(t, submit(kept.Set("name", "Renamed")).Expect(http.StatusSeeOther), "an empty value keeps the stored one")
		bad := submit(edit().Set("url", "nowhere"))
		require.NoError(t, bad.Expect(http.StatusUnprocessableEntity))
		require.Contains(t, string(bad.Body), "nowhere")

		moved := submit(edit().Set("header_name", "", "", "").Set("url", "https://elsewhere.example/mcp"))
		require.NoError(t, moved.Expect(http.StatusSeeOther))
		require.Equal(t, "/acme/runtimes/todos/setup", moved.Location().Path, "another host gets another secret")

		version := edit().Values.Get("version")
		for _, wrong := range []string{"", "x", "-1", "1e3"} {
			require.NoError(t, submit(edit().Set("version", wrong)).Expect(http.StatusBadRequest), wrong)
		}
		require.NotEmpty(t, version)
	})
}

func TestRotatingAndRemoving(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		b := setup(t, env, func(c *web.Config) { c.Connect = facts{allowed: 2} })
		p, _ := b.owner(t, "Ana", "acme")
		r := b.addRuntime(t, p, "acme", "todos")
		first := r.Secret
		rotate, err := mustOpen(t, p, "/acme/runtimes/todos").FormTo("/acme/runtimes/todos/secret")
		require.NoError(t, err)
		done, err := p.Browser.Submit(t.Context(), rotate)
		require.NoError(t, err)
		require.Equal(t, "/acme/runtimes/todos/setup", done.Location().Path)
		require.NoError(t, p.ReadSecret(t.Context(), r))
		require.NotEqual(t, first, r.Secret)
		setupPage := mustOpen(t, p, "/acme/runtimes/todos/setup")
		require.Contains(t, setupPage.Text(), "older secret works until")
		require.NotContains(t, string(setupPage.Body), first)
		b.Clock.Advance(16 * time.Minute)
		require.NotContains(t, string(mustOpen(t, p, "/acme/runtimes/todos/setup").Body), r.Secret, "after a while nobody can read it")

		form, err := mustOpen(t, p, "/acme/runtimes/todos/remove").Form("confirm")
		require.NoError(t, err)
		require.Contains(t, mustOpen(t, p, "/acme/runtimes/todos/remove").Text(), "2 allowed clients lose access at once.")
		wrong, err := p.Browser.Submit(t.Context(), form.Set("confirm", "todo"))
		require.NoError(t, err)
		require.NoError(t, wrong.Expect(http.StatusUnprocessableEntity))
		require.Contains(t, wrong.Text(), "not the runtime's slug")
		right, err := p.Browser.Submit(t.Context(), form.Set("confirm", " todos "))
		require.NoError(t, err)
		require.Equal(t, "/acme/runtimes", right.Location().Path)
		require.Contains(t, mustOpen(t, p, "/acme/runtimes").Text(), "is removed")
		gone := b.send(t, p, "GET", "/acme/runtimes/todos", nil, nil)
		require.Equal(t, http.StatusNotFound, gone.status)
		require.Contains(t, gone.body, "no such runtime in Workspace acme")
	})
}

func TestTheLog(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		b := setup(t, env, func(c *web.Config) { c.Connect = facts{names: map[string]string{"cli_1": "Claude <b>Code</b>"}} })
		p, h := b.owner(t, "Ana", "acme")
		require.Contains(t, mustOpen(t, p, "/acme/logs").Text(), "as soon as a runtime is there")
		b.addRuntime(t, p, "acme", "todos")
		require.Contains(t, mustOpen(t, p, "/acme/logs").Text(), "https://acme.mcp.test/todos/mcp")
		u, err := b.config.Upstreams.Get(t.Context(), h, "todos")
		require.NoError(t, err)
		var all []event.Event
		for i := range 120 {
			e := newEvent(h, u.ID, b.Clock.Now().Add(time.Duration(i)*time.Second))
			e.Name = "tool-" + itoa(i)
			all = append(all, e)
		}
		b.record(t, h, all...)

		page, seen := mustOpen(t, p, "/acme/logs"), 0
		for pages := 1; ; pages++ {
			seen += strings.Count(string(page.Body), ">tool-")
			at := strings.Index(string(page.Body), "/acme/logs?before=")
			if at < 0 {
				require.Equal(t, 3, pages)
				break
			}
			href, _, _ := strings.Cut(string(page.Body)[at:], `"`)
			page = mustOpen(t, p, href)
			require.NotContains(t, string(page.Body), "hx-sse", "older pages stand still")
		}
		require.Equal(t, 120, seen)
		require.Equal(t, http.StatusBadRequest, b.send(t, p, "GET", "/acme/logs?before=%27+or+1%3D1", nil, nil).status)

		detail := mustOpen(t, p, "/acme/logs/"+all[7].ID)
		for _, shown := range []string{"tool-7", "10 ms", p.Email, "Claude <b>Code</b>", "412 B", "8.1 kB", all[7].RequestID, "Runtime todos"} {
			require.Contains(t, detail.Text(), shown)
		}
		require.NotContains(t, string(detail.Body), "<b>Code</b>", "names of clients are text")
		overview := mustOpen(t, p, "/acme/runtimes/todos").Text()
		for _, shown := range []string{"tool-119", "tool-115", p.Email + " · Claude <b>Code</b>", "See all in the log"} {
			require.Contains(t, overview, shown)
		}
		require.NotContains(t, overview, "tool-114", "the runtime's page names the latest five")
		missing := b.send(t, p, "GET", "/acme/logs/evt_0000000000000000000000000z", nil, nil)
		require.Equal(t, http.StatusNotFound, missing.status)
		require.Contains(t, missing.body, "no such request in Workspace acme")
		for path, says := range map[string]string{"/acme/nothing": "There is no such page in Workspace acme", "/acme/runtimes/todos/nothing": "There is no such page in Workspace acme", "/another/nothing": "There is no such page<"} {
			lost := b.send(t, p, "GET", path, nil, nil)
			require.Equal(t, http.StatusNotFound, lost.status)
			require.Contains(t, lost.body, says)
			require.Contains(t, lost.body, "Sign out", "a person who is signed in keeps the navigation")
		}
		require.Contains(t, string(mustOpen(t, p, "/acme/logs?live=1").Body), "Stop live tail")
	})
}
