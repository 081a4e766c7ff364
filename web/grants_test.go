package web_test

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/grants"
	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/notify"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/tenancytest"
	"github.com/emcy/gateway/test/e2e/httpflow"
	fake "github.com/emcy/gateway/test/fakes/provider"
)

// desk is a person at the pages about grants.
type desk struct {
	*testBundle
	t      *testing.T
	person *httpflow.Person
	csrf   string
}

func (b *testBundle) desk(t *testing.T, p *httpflow.Person) desk {
	t.Helper()
	return desk{testBundle: b, t: t, person: p, csrf: b.token(t, p, "/workspaces/new")}
}

func (d desk) get(path string) *answer { return d.send(d.t, d.person, http.MethodGet, path, nil, nil) }

func (d desk) post(path string, pairs ...string) *answer {
	form := url.Values{"csrf": {d.csrf}}
	for i := 0; i < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	return d.send(d.t, d.person, http.MethodPost, path, form, nil)
}

// after is the page that a successful POST leads to.
func (d desk) after(path string, pairs ...string) string {
	d.t.Helper()
	res := d.post(path, pairs...)
	require.Equal(d.t, http.StatusSeeOther, res.status, res.body)
	return ok(d.t, d.get(res.header.Get("Location")))
}

func TestGrantsList(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		b := setup(t, env)
		ana, h := b.owner(t, "Ana", "acme")
		d := b.desk(t, ana)
		empty := ok(t, d.get("/acme/grants"))
		require.Contains(t, empty, "Nobody has connected an account yet")
		require.NotContains(t, empty, "Revoke many")

		at := fake.New(t, fake.Now(env.Clock.Now))
		todo := b.addProfile(t, h, at, "Todo <b>API</b>", nil)
		mail := b.addProfile(t, h, at, "Mail", nil)
		well := b.connectAt(t, h, at, todo, "acc_well")
		dead := b.connectAt(t, h, at, todo, "acc_dead")
		failing := b.madeUp(t, h, mail, "eu_failing")
		gone := b.madeUp(t, h, mail, "eu_gone")
		busy := b.madeUp(t, h, mail, "eu_busy")
		b.people["acc_dead"] = notify.Person{Name: "Dora <script>", Email: "dora@example.com"}

		at.Fail("refresh", fake.Status(http.StatusServiceUnavailable), 1)
		_, err := b.config.Grants.Refresh(t.Context(), h, failing.ID, failing.Generation, "test")
		require.Error(t, err)
		at.Heal()
		at.Fail("refresh", fake.Refuse(http.StatusBadRequest, "invalid_grant", ""), 1)
		_, err = b.config.Grants.Refresh(t.Context(), h, dead.ID, dead.Generation, "test")
		require.Error(t, err)
		require.NoError(t, b.config.Grants.Disconnect(t.Context(), h, "eu_gone", gone.ID))
		b.lease(t, h, busy.ID)
		for id, state := range map[string]grants.State{
			well.ID: grants.StateConnected, dead.ID: grants.StateNeedsReconnect, failing.ID: grants.StateRefreshFailing, gone.ID: grants.StateRevoked, busy.ID: grants.StateRefreshing,
		} {
			require.Equal(t, state, b.grantNow(t, h, id).State)
			list := ok(t, d.get("/acme/grants?state="+string(state)))
			require.Equal(t, 1, strings.Count(list, `class="tr-link"`), state)
			require.Contains(t, list, "/acme/grants/"+id+`"`, state)
		}
		all := ok(t, d.get("/acme/grants"))
		require.Equal(t, 5, strings.Count(all, `class="tr-link"`))
		for _, shown := range []string{"Needs reconnect", "Refresh failing", "Dora &lt;script&gt;", "dora@example.com", "Account of acc_well", "Todo &lt;b&gt;API", "expired there, or was taken back", "acc_well"} {
			require.Contains(t, all, shown)
		}
		require.NotContains(t, all, "canary_")
		require.Equal(t, 2, strings.Count(ok(t, d.get("/acme/grants?profile="+todo.ID)), `class="tr-link"`))
		require.Equal(t, 1, strings.Count(ok(t, d.get("/acme/grants?q=DORA")), `class="tr-link"`), "by the person's name")
		require.Equal(t, 1, strings.Count(ok(t, d.get("/acme/grants?q="+url.QueryEscape("account of ACC_WELL"))), `class="tr-link"`), "by the account's name")
		require.Contains(t, ok(t, d.get("/acme/grants?q=a%25_b%5C")), "No grant matches", "what is typed is no pattern")
		require.Contains(t, ok(t, d.get("/acme/grants?q=dora&state=connected")), "No grant matches")
		for _, wrong := range []string{"?state=odd", "?after=x%00", "?profile=..", "?state=connected%27"} {
			require.Equal(t, http.StatusBadRequest, d.get("/acme/grants"+wrong).status, wrong)
		}
		require.Equal(t, http.StatusNotFound, d.get("/acme/grants?profile=prf_0").status)
	})
}

// lease makes a refresh look as if it were running.
func (b *testBundle) lease(t *testing.T, h tenancy.Handle, id string) {
	t.Helper()
	require.NoError(t, b.DB.Write(t.Context(), h, func(tx *tenancy.Tx) error {
		return tx.DB().Model(&newGrantRow{}).Where("id = ?", id).Updates(map[string]any{"lease_id": "lease", "lease_until": time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)}).Error
	}))
}

func TestGrantsPaging(t *testing.T) {
	t.Parallel()
	b := setup(t, tenancytest.SQLite(t))
	ana, h := b.owner(t, "Ana", "acme")
	d := b.desk(t, ana)
	p := b.addProfile(t, h, fake.New(t, fake.Now(b.Clock.Now)), "Todo", nil)
	seen := map[string]bool{}
	for i := range 120 {
		seen["/acme/grants/"+b.madeUp(t, h, p, fmt.Sprintf("eu_%d", i)).ID] = false
	}
	page := "/acme/grants?state=connected"
	for range 3 {
		body := ok(t, d.get(page))
		for address := range seen {
			if strings.Contains(body, address+`"`) {
				require.False(t, seen[address], "twice")
				seen[address] = true
			}
		}
		const older = `href="/acme/grants?after=`
		if at := strings.LastIndex(body, older); at > 0 {
			cursor, _, _ := strings.Cut(body[at+len(older):], `"`)
			page = "/acme/grants?after=" + strings.ReplaceAll(cursor, "&amp;", "&")
		}
	}
	for address, found := range seen {
		require.True(t, found, address)
	}
	require.NotContains(t, ok(t, d.get(page)), ">More<", "the last page has no next one")
}

func TestProvidersThatAreLeftAlone(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		b := setup(t, env)
		ana, h := b.owner(t, "Ana", "acme")
		d := b.desk(t, ana)
		at := fake.New(t, fake.Now(env.Clock.Now))
		p := b.addProfile(t, h, at, "Todo", nil)
		g := b.connectAt(t, h, at, p, "acc_1")
		require.NotContains(t, ok(t, d.get("/acme/grants")), "is not asked until")
		at.Fail("refresh", fake.Limited(time.Hour), 1)
		_, err := b.config.Grants.Refresh(t.Context(), h, g.ID, g.Generation, "test")
		require.Error(t, err)
		body := ok(t, d.get("/acme/grants"))
		require.Contains(t, body, "Todo is not asked until")
		require.Contains(t, body, "asks for fewer requests")
		require.Contains(t, body, "1 person is affected")
		require.Contains(t, body, "/acme/grants?profile="+p.ID)
	})
}

func TestOneGrant(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		b := setup(t, env, withMail(t))
		ana, h := b.owner(t, "Ana", "acme")
		d := b.desk(t, ana)
		b.addRuntime(t, ana, "acme", "todos")
		at := fake.New(t, fake.Now(env.Clock.Now))
		p := b.addProfile(t, h, at, "Todo", nil)
		u, err := b.config.Upstreams.Get(t.Context(), h, "todos")
		require.NoError(t, err)
		require.NoError(t, b.config.Profiles.Attach(t.Context(), h, u.ID, profiles.AttachInput{ProfileID: p.ID, Scopes: []string{"read"}, NeededFor: profiles.NeededForCalls}))
		subject := b.account(t, ana)
		b.people[subject] = notify.Person{Name: "Ana"}
		g := b.connectAt(t, h, at, p, subject)
		page := "/acme/grants/" + g.ID
		body := ok(t, d.get(page))
		for _, shown := range []string{"Ana, Todo", "It works.", "Runtime todos", "Needed for calls", "Account of " + subject, "Next refresh", "not known before the first refresh", "No client may act"} {
			require.Contains(t, body, shown)
		}
		require.NotContains(t, body, "canary_")

		stream := b.open(t, ana, "/acme/-/stream?topics=grant:"+g.ID)
		require.Equal(t, http.StatusOK, stream.status)
		require.Contains(t, stream.next(t), "It works.")
		require.Contains(t, d.after(page+"/refresh"), "A refresh is asked for")
		require.Equal(t, 1, b.waiting(t, "grants.refresh_now"), "the queue has it")
		env.Clock.Advance(time.Minute)
		_, err = b.config.Grants.Refresh(t.Context(), h, g.ID, g.Generation, "test")
		require.NoError(t, err)
		for message := ""; !strings.Contains(message, "It was last refreshed at"); {
			message = stream.next(t)
			require.NotEmpty(t, message)
		}
		require.Contains(t, ok(t, d.get(page)), "a new one with each refresh")

		require.Contains(t, d.after(page+"/ask"), "1 person gets a mail.")
		require.Contains(t, d.after(page+"/ask"), "1 person was told within the last hour")

		confirm := ok(t, d.get(page+"/revoke"))
		for _, shown := range []string{"Revoke Ana, Todo", "Calls of Runtime todos that need the account", "Todo is told to take the tokens back"} {
			require.Contains(t, confirm, shown)
		}
		require.Contains(t, d.after(page+"/revoke"), "The grant is revoked here.")
		require.Equal(t, grants.StateRevoked, b.grantNow(t, h, g.ID).State)
		require.NoError(t, b.config.Grants.RevokeDue(t.Context()))
		require.Equal(t, 1, at.Revocations(), "the provider was told")
		require.NotContains(t, ok(t, d.get(page)), "Refresh now")
		require.Equal(t, http.StatusUnprocessableEntity, d.post(page+"/refresh").status)

		dev := b.person(t, "Dev")
		b.join(t, h, dev, "developer")
		look := b.desk(t, dev)
		require.Contains(t, ok(t, look.get("/acme/grants")), "this needs the role Admin")
		for _, act := range []string{page + "/refresh", page + "/ask", page + "/revoke", "/acme/grants/ask", "/acme/grants/revoke"} {
			require.Equal(t, http.StatusForbidden, look.post(act, "grant", g.ID).status, act)
		}
		require.Equal(t, http.StatusNotFound, d.get("/acme/grants/grt_nobody").status)
		eve, _ := b.owner(t, "Eve", "evil")
		require.Equal(t, http.StatusNotFound, b.desk(t, eve).get("/evil/grants/"+g.ID).status)
		require.Equal(t, http.StatusNotFound, b.desk(t, eve).post("/evil/grants/"+g.ID+"/revoke").status)
	})
}

// waiting counts the jobs of a kind.
func (b *testBundle) waiting(t *testing.T, kind string) (n int) {
	t.Helper()
	pool, lite := b.DB.Native()
	if pool != nil {
		require.NoError(t, pool.QueryRow(t.Context(), "select count(*) from river_job where kind = $1", kind).Scan(&n))
		return n
	}
	require.NoError(t, lite.QueryRowContext(t.Context(), "select count(*) from river_job where kind = ?", kind).Scan(&n))
	return n
}

func TestAskingPeople(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		b := setup(t, env, withMail(t))
		ana, h := b.owner(t, "Ana", "acme")
		d := b.desk(t, ana)
		p := b.addProfile(t, h, fake.New(t, fake.Now(env.Clock.Now)), "Todo", nil)
		one, two := b.madeUp(t, h, p, "eu_1"), b.madeUp(t, h, p, "eu_2")
		require.Contains(t, d.after("/acme/grants/ask"), "Nobody was ticked")
		require.Contains(t, d.after("/acme/grants/ask", "grant", one.ID, "grant", two.ID, "back", "/acme/grants?state=connected"), "2 people get a mail.")
		away := d.post("/acme/grants/ask", "grant", one.ID, "back", "https://evil.example/")
		require.Equal(t, "/acme/grants", away.header.Get("Location"))
		require.Equal(t, http.StatusNotFound, d.post("/acme/grants/ask", "grant", "grt_none").status)
		require.Equal(t, http.StatusBadRequest, d.post("/acme/grants/ask", "grant", "x'y").status)
		eve, _ := b.owner(t, "Eve", "evil")
		require.Equal(t, http.StatusNotFound, b.desk(t, eve).post("/evil/grants/ask", "grant", one.ID).status)
	})
}

func TestWithoutAMailServerNobodyIsAsked(t *testing.T) {
	t.Parallel()
	b := setup(t, tenancytest.SQLite(t))
	ana, h := b.owner(t, "Ana", "acme")
	d := b.desk(t, ana)
	g := b.madeUp(t, h, b.addProfile(t, h, fake.New(t, fake.Now(b.Clock.Now)), "Todo", nil), "eu_1")
	for _, page := range []string{"/acme/grants", "/acme/grants/" + g.ID} {
		require.Contains(t, ok(t, d.get(page)), "no mail server (EMCY_SMTP_URL)")
	}
	require.Equal(t, http.StatusUnprocessableEntity, d.post("/acme/grants/ask", "grant", g.ID).status)
}

func TestMassRevoke(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		b := setup(t, env)
		ana, h := b.owner(t, "Ana", "acme")
		d := b.desk(t, ana)
		at := fake.New(t, fake.Now(env.Clock.Now))
		todo, silent := b.addProfile(t, h, at, "Todo", nil), b.addProfile(t, h, at, "Silent", func(in *profiles.Input) { in.Endpoints.Revocation = "" })
		for i := range 3 {
			b.connectAt(t, h, at, todo, fmt.Sprintf("eu_%d", i))
		}
		kept := b.madeUp(t, h, silent, "eu_kept")
		b.people["eu_0"] = notify.Person{Name: "=cmd|'/c calc'!A0", Email: "zero@example.com"}
		choose := ok(t, d.get("/acme/grants/revoke"))
		for _, shown := range []string{"The whole workspace", "4 grants", "3 grants", "1 grant", "/acme/grants/revoke?profile=" + todo.ID} {
			require.Contains(t, choose, shown)
		}
		ask := ok(t, d.get("/acme/grants/revoke?profile="+todo.ID))
		require.Contains(t, ask, "3 grants are revoked here at once")
		require.Contains(t, ask, "Type “Todo” to confirm")
		require.Contains(t, ok(t, d.get("/acme/grants/revoke?all=1")), "Silent has no way to take tokens back")
		require.Equal(t, http.StatusNotFound, d.get("/acme/grants/revoke?profile=prf_00000000000000000000000009").status)

		refused := d.post("/acme/grants/revoke", "profile", todo.ID, "confirm", "todo", "reason", " ")
		require.Equal(t, http.StatusUnprocessableEntity, refused.status)
		require.Contains(t, refused.body, "Say why")
		require.Contains(t, refused.body, "This is not “Todo”.")
		require.Equal(t, http.StatusUnprocessableEntity, d.post("/acme/grants/revoke", "profile", todo.ID, "confirm", "Todo", "reason", strings.Repeat("x", 201)).status)
		require.Equal(t, 4, b.living(t, h))

		begun := d.post("/acme/grants/revoke", "profile", todo.ID, "confirm", "Todo", "reason", "the laptop was stolen")
		require.Equal(t, http.StatusSeeOther, begun.status, begun.body)
		report := begun.header.Get("Location")
		require.Equal(t, 1, b.living(t, h), "the others are untouched")
		require.Equal(t, grants.StateConnected, b.grantNow(t, h, kept.ID).State)
		body := ok(t, d.get(report))
		for _, shown := range []string{"Telling providers", "0 of 3", "the laptop was stolen", ana.Email} {
			require.Contains(t, body, shown)
		}

		at.Fail("revoke", fake.Status(http.StatusServiceUnavailable), 1)
		stream := b.open(t, ana, strings.Replace(report, "/grants/revocations/", "/-/stream?topics=revocation:", 1))
		require.Equal(t, http.StatusOK, stream.status)
		require.Contains(t, stream.next(t), "0 of 3")
		require.NoError(t, b.config.Grants.RevokeDue(t.Context()))
		body = ok(t, d.get(report))
		require.Contains(t, body, "2 of 3")
		require.Contains(t, body, "Tried again at")
		env.Clock.Advance(time.Hour)
		require.NoError(t, b.config.Grants.RevokeDue(t.Context()))
		body = ok(t, d.get(report))
		require.Contains(t, body, "3 of 3")
		require.Contains(t, body, ">Done<")
		require.Contains(t, ok(t, d.get("/acme/grants/revoke")), "the laptop was stolen")

		file := d.get(report + "/report.csv")
		require.Equal(t, "text/csv; charset=utf-8", file.header.Get("Content-Type"))
		require.Contains(t, file.header.Get("Content-Disposition"), "attachment")
		lines, err := csv.NewReader(strings.NewReader(file.body)).ReadAll()
		require.NoError(t, err)
		require.Len(t, lines, 4)
		require.Contains(t, file.body, "'=cmd", "no cell is a formula")
		for _, line := range lines[1:] {
			require.Equal(t, []string{"Todo", "done"}, []string{line[3], line[5]})
		}
		require.NotContains(t, file.body, "canary_")

		all := d.post("/acme/grants/revoke", "profile", "", "confirm", "acme", "reason", "drill")
		require.Equal(t, http.StatusSeeOther, all.status)
		require.Zero(t, b.living(t, h))
		require.NoError(t, b.config.Grants.RevokeDue(t.Context()))
		require.Contains(t, ok(t, d.get(all.header.Get("Location"))), "It has no way to take tokens back")
		require.Contains(t, d.after(all.header.Get("Location")+"/continue"), "All of its grants are revoked here.")
		eve, _ := b.owner(t, "Eve", "evil")
		for _, foreign := range []string{report, report + "/report.csv"} {
			require.Equal(t, http.StatusNotFound, b.desk(t, eve).get(strings.Replace(foreign, "/acme/", "/evil/", 1)).status)
		}
	})
}

// living counts the grants that are not revoked.
func (b *testBundle) living(t *testing.T, h tenancy.Handle) (n int) {
	t.Helper()
	require.NoError(t, b.DB.Read(t.Context(), h, func(tx *tenancy.Tx) error {
		counts, err := grants.CountProfiles(tx)
		for _, of := range counts {
			n += of
		}
		return err
	}))
	return n
}

func TestARunThatWasLeftHalfDone(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		b := setup(t, env)
		ana, h := b.owner(t, "Ana", "acme")
		d := b.desk(t, ana)
		b.furnishGrants(t, h, "left")
		page := "/acme/grants/revocations/" + batchID
		require.NotContains(t, ok(t, d.get(page)), "It has stopped")
		env.Clock.Advance(2 * time.Minute)
		require.Contains(t, ok(t, d.get(page)), "It has stopped")
		require.Equal(t, 1, b.living(t, h))
		require.Contains(t, d.after(page+"/continue"), "All of its grants are revoked here.")
		require.Zero(t, b.living(t, h))
		body := ok(t, d.get(page))
		require.NotContains(t, body, "It has stopped")
		require.Contains(t, body, "no provider has to be told")
		require.Contains(t, body, "the operator")
	})
}
