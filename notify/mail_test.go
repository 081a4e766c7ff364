package notify_test

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/notify"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/tenancytest"
	fake "github.com/emcy/gateway/test/fakes/mail"
)

// to are the addresses of the mails, in order.
func to(list []fake.Message) (out []string) {
	for _, m := range list {
		out = append(out, m.To)
	}
	return out
}

// TestAnAlertSharesTheFateOfItsChange: a change that is undone tells nobody.
func TestAnAlertSharesTheFateOfItsChange(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		b := setup(t, env)
		boom := errors.New("boom")
		before := tenancytest.Counts(t, env)
		require.ErrorIs(t, b.DB.Write(t.Context(), b.a, func(tx *tenancy.Tx) error {
			require.NoError(t, b.n.Record(tx, died("acc_ada")))
			return boom
		}), boom)
		require.Equal(t, before, tenancytest.Counts(t, env))
		b.after(t, time.Hour)
		require.Empty(t, b.mail.Messages())

		b.record(t, b.a, died("acc_ada"))
		b.after(t, time.Hour)
		require.Len(t, b.mail.Messages(), 2, "the owner and the user")
		require.Error(t, b.DB.Write(t.Context(), b.a, func(tx *tenancy.Tx) error {
			return b.n.Record(tx, notify.Notification{Event: "no.such"})
		}))
	})
}

// TestManyDeathsAreOneMail: 400 grants that end within minutes make one mail to each
// recipient, with the count and the first twenty names, and one mail to each user.
func TestManyDeathsAreOneMail(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		b := setup(t, env)
		require.NoError(t, b.n.SaveSettings(t.Context(), b.a, notify.Settings{Recipients: []string{"ops@acme.test"}, Events: []notify.Event{notify.GrantNeedsReconnect}, TellUsers: true}))
		const deaths = 400
		for i := range deaths {
			b.record(t, b.a, died(fmt.Sprintf("eu_%03d", i)))
			b.Clock.Advance(time.Millisecond) // so that there is a first one
			if i%100 == 0 {
				b.after(t, 30*time.Second) // they do not end in one moment
			}
		}
		b.after(t, time.Minute)
		alert := func() (out []fake.Message) {
			for _, m := range b.mail.Messages() {
				if m.To == "ops@acme.test" {
					out = append(out, m)
				}
			}
			return out
		}
		require.Empty(t, alert(), "alerts are collected")
		b.after(t, notify.AlertWindow)
		b.after(t, notify.AlertWindow)
		require.Len(t, alert(), 1)
		m := alert()[0]
		require.Equal(t, "[Workspace alpha] 400 users have to connect Todo API again", m.Subject)
		require.Equal(t, 20, strings.Count(m.Text, "The provider refuses the refresh token."))
		for _, shown := range []string{"Person eu_000 (eu_000@alpha.test)", "Person eu_019", "and 380 more", console + "/alpha/grants"} {
			require.Contains(t, m.Text, shown)
			require.Contains(t, m.HTML, shown)
		}
		require.NotContains(t, m.Text, "eu_020")
		require.Equal(t, "<"+console+"/alpha/alerts>", m.Header.Get("List-Unsubscribe"))

		users := map[string]int{}
		for _, m := range b.mail.Messages() {
			users[m.To]++
		}
		require.Len(t, users, deaths+1)
		for to, n := range users {
			require.Equal(t, 1, n, to)
		}
		for _, a := range b.alerts(t, b.a) {
			require.Equal(t, []int{2, 0, 0}, []int{a.Sent, a.Waiting, a.Failed})
		}

		b.record(t, b.a, died("eu_400"))
		b.after(t, notify.AlertWindow)
		require.Len(t, alert(), 2, "what comes later is told later")
		require.Equal(t, "[Workspace alpha] A user has to connect Todo API again", alert()[1].Subject)
	})
}

// TestWhatAUserReads: one mail for all that ended, one link that is the same for
// everybody, nothing about the person in it.
func TestWhatAUserReads(t *testing.T) {
	t.Parallel()
	b := setup(t, tenancytest.SQLite(t))
	soon := died("acc_ada")
	soon.Event, soon.Data["profile_name"], soon.GroupKey = notify.GrantExpiring, "Calendar", "prf_cal"
	evil := died("acc_ada")
	evil.Data["profile_name"] = "<b>Evil</b>\r\nBcc: x@evil.test\u202e"
	for _, x := range []notify.Notification{died("acc_ada"), died("acc_ada"), soon, evil} {
		b.record(t, b.a, x)
		b.Clock.Advance(time.Millisecond)
	}
	b.after(t, time.Minute)
	require.Equal(t, []string{"acc_ada@alpha.test"}, to(b.mail.Messages()))
	m := b.mail.Messages()[0]
	require.Equal(t, "Connect Todo API, <b>Evil</b> Bcc: x@evil.test and Calendar again for Workspace alpha", m.Subject)
	require.Empty(t, m.Header["Bcc"])
	require.Empty(t, m.Header["List-Unsubscribe"], "a user has nothing to unsubscribe from")
	for _, body := range []string{m.Text, m.HTML} {
		require.Contains(t, body, "https://alpha.mcp.test/me/apps")
		require.Equal(t, strings.Count(body, "://"), strings.Count(body, "https://alpha.mcp.test/me/apps"), "no other address")
		require.NotContains(t, body, "acc_ada")
		require.NotContains(t, body, "me/apps?")
		require.Contains(t, body, "Calendar ends soon")
	}
	require.Contains(t, m.HTML, "&lt;b&gt;Evil&lt;/b&gt;")
	require.NotContains(t, m.HTML, "<b>")
	require.NotContains(t, m.HTML, "<img")
	require.NotContains(t, m.HTML, "<link")
	require.NotContains(t, m.HTML, "<script")
}

func TestWhoIsTold(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		b := setup(t, env)
		owner := b.a.Actor().ID + "@alpha.test"
		sent := func() []string {
			had := len(b.mail.Messages())
			b.record(t, b.a, died("eu_1"), notify.Notification{Event: notify.GrantRefreshFailing, Subject: "eu_1", GroupKey: "prf_todo", Users: []string{"eu_1"}})
			b.after(t, notify.AlertWindow)
			return to(b.mail.Messages()[had:])
		}
		require.ElementsMatch(t, []string{owner, "eu_1@alpha.test"}, sent(), "nothing has to be set; what mends itself goes to nobody")
		set := notify.Settings{Recipients: []string{"a@x.test", "A@x.test", "b@x.test"}, Events: []notify.Event{notify.GrantRefreshFailing}}
		require.NoError(t, b.n.SaveSettings(t.Context(), b.a, set))
		require.ElementsMatch(t, []string{"a@x.test", "b@x.test"}, sent(), "each address once")
		set.Version, set.Recipients, set.TellOwners = 1, nil, true
		require.NoError(t, b.n.SaveSettings(t.Context(), b.a, set))
		require.ElementsMatch(t, []string{owner}, sent())
		require.ErrorContains(t, b.n.SaveSettings(t.Context(), b.a, set), "while you were editing")
		set.Version, set.Events, set.TellUsers = 2, nil, true
		require.NoError(t, b.n.SaveSettings(t.Context(), b.a, set))
		b.directory.unknown["eu_1"] = true
		require.Empty(t, sent())
		require.Contains(t, b.alerts(t, b.a)[1].Deliveries[0].Error, "No address")
		for _, bad := range []notify.Settings{{Recipients: []string{"a@x.test\r\nBcc: b@x.test"}}, {Recipients: []string{"nobody"}}, {Events: []notify.Event{"webhook.test"}}} {
			bad.Version = 3
			require.Error(t, b.n.SaveSettings(t.Context(), b.a, bad))
		}
	})
}

// TestAMailServerThatIsDown holds up nothing: the change commits at once, the mail is
// tried again with growing waits, and arrives once when the server is back.
func TestAMailServerThatIsDown(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		b := setup(t, env)
		b.mail.Close()
		b.record(t, b.a, died("eu_1"), died("eu_2"))
		b.after(t, notify.AlertWindow)
		for _, a := range b.alerts(t, b.a) {
			require.Equal(t, 2, a.Waiting)
			for _, d := range a.Deliveries {
				require.Equal(t, 1, d.Attempts)
				require.Contains(t, d.Error, "cannot be reached")
				require.NotContains(t, d.Error, "127.0.0.1")
				require.True(t, d.NextAt.After(b.Clock.Now()))
			}
		}
		b.deliver(t)
		b.after(t, 5*time.Second)
		require.Equal(t, 2, b.alerts(t, b.a)[0].Deliveries[0].Attempts)
		b.after(t, time.Minute)
		require.Equal(t, 2, b.alerts(t, b.a)[0].Deliveries[0].Attempts, "the second wait is longer")

		listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", b.mail.Addr)
		require.NoError(t, err)
		back := fake.Serve(t, fake.Config{}, listener)
		var tries atomic.Int32
		back.OnRcpt(func(string) error {
			if tries.Add(1) == 1 {
				return fake.Refuse(451, "greylisted, come back")
			}
			return nil
		})
		b.after(t, 5*time.Minute)
		require.Len(t, back.Messages(), 2, "one is told to come back")
		b.after(t, 30*time.Minute)
		b.after(t, 24*time.Hour)
		require.ElementsMatch(t, []string{b.a.Actor().ID + "@alpha.test", "eu_1@alpha.test", "eu_2@alpha.test"}, to(back.Messages()))
	})
}

func TestARefusalForGoodIsTheEnd(t *testing.T) {
	t.Parallel()
	b := setup(t, tenancytest.SQLite(t))
	b.mail.OnRcpt(func(string) error { return fake.Refuse(550, "no such user") })
	b.record(t, b.a, died("eu_1"))
	b.after(t, notify.AlertWindow)
	b.after(t, 100*time.Hour)
	a := b.alerts(t, b.a)[0]
	require.Equal(t, 2, a.Failed)
	require.Equal(t, 1, a.Deliveries[0].Attempts)
	require.Contains(t, a.Deliveries[0].Error, "refuses this address (550)")

	b.mail.OnRcpt(func(string) error { return fake.Refuse(450, "busy") })
	b.record(t, b.a, died("eu_2"))
	for range 20 {
		b.after(t, 25*time.Hour)
	}
	a = b.alerts(t, b.a)[0]
	require.Equal(t, 2, a.Failed)
	require.Equal(t, 10, a.Deliveries[0].Attempts, "it ends")
}

// TestTwoWorkersSendOnce: however many processes run, each message is sent by one.
func TestTwoWorkersSendOnce(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		b := setup(t, env)
		r := newReceiver(t)
		b.hook(t, r.URL)
		for i := range 30 {
			b.record(t, b.a, died(fmt.Sprintf("eu_%02d", i)))
		}
		b.Clock.Advance(notify.AlertWindow)
		processes := []*notify.Notify{b.n, b.another(t), b.another(t), b.another(t)}
		var running sync.WaitGroup
		errs := make([]error, len(processes))
		for i, n := range processes {
			running.Go(func() {
				for range 5 {
					errs[i] = errors.Join(errs[i], n.Deliver(t.Context()))
				}
			})
		}
		running.Wait()
		require.NoError(t, errors.Join(errs...))
		b.deliver(t)
		counts := map[string]int{}
		for _, m := range b.mail.Messages() {
			counts[m.To]++
		}
		for _, got := range r.all() {
			counts[got.header.Get("webhook-id")]++
		}
		require.Len(t, counts, 30+1+30)
		for what, n := range counts {
			require.Equal(t, 1, n, what)
		}
		for _, a := range b.alerts(t, b.a) {
			require.Equal(t, 3, a.Sent)
		}
	})
}

// TestALeaseThatEnds lets another process send the message, under the same id.
func TestALeaseThatEnds(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		b := setup(t, env)
		require.NoError(t, b.n.SaveSettings(t.Context(), b.a, notify.Settings{TellUsers: true}))
		b.record(t, b.a, died("eu_1"))
		// The first one takes so long that its lease ends, and another begins in between.
		var tries atomic.Int32
		b.mail.OnData(func() error {
			if tries.Add(1) > 1 {
				return nil
			}
			b.Clock.Advance(2 * time.Minute)
			return b.another(t).Deliver(t.Context())
		})
		b.Clock.Advance(time.Minute)
		b.deliver(t)
		all := b.mail.Messages()
		require.Len(t, all, 2, "at least once")
		require.Equal(t, all[0].Header.Get("Message-Id"), all[1].Header.Get("Message-Id"))
		a := b.alerts(t, b.a)[0]
		require.Equal(t, []int{1, 0, 0}, []int{a.Sent, a.Waiting, a.Failed}, "and written down once")
		b.after(t, time.Hour)
		require.Len(t, b.mail.Messages(), 2)
	})
}

// TestWithoutAMailServer nothing is lost silently: it waits, can be read, and says why
// it was not sent.
func TestWithoutAMailServer(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		b := setup(t, env)
		off := b.another(t, func(c *notify.Config) { c.Mail = nil })
		_, on := off.MailFrom()
		require.False(t, on)
		b.record(t, b.a, died("eu_1"))
		b.Clock.Advance(time.Hour)
		require.NoError(t, off.Deliver(t.Context()))
		waiting := func() (n int64) {
			require.NoError(t, b.DB.Read(t.Context(), b.a, func(tx *tenancy.Tx) (err error) {
				n, err = notify.MailWaiting(tx)
				return err
			}))
			return n
		}
		require.EqualValues(t, 2, waiting())
		a := b.alerts(t, b.a)[0]
		require.Zero(t, a.Deliveries[0].Attempts)
		subject, text, err := off.Preview(t.Context(), b.a, a)
		require.NoError(t, err)
		require.Equal(t, "[Workspace alpha] A user has to connect Todo API again", subject)
		require.Contains(t, text, "Person eu_1")
		require.NoError(t, off.Sweep(t.Context()))
		require.EqualValues(t, 2, waiting())
		b.Clock.Advance(24 * time.Hour)
		require.NoError(t, b.n.Sweep(t.Context()))
		require.EqualValues(t, 2, waiting(), "a process with a server does not give up")
		require.NoError(t, off.Sweep(t.Context()))
		require.Zero(t, waiting())
		require.Contains(t, b.alerts(t, b.a)[0].Deliveries[0].Error, "EMCY_SMTP_URL")
		b.Clock.Advance(100 * 24 * time.Hour)
		require.NoError(t, off.Sweep(t.Context()))
		require.Empty(t, b.alerts(t, b.a))
		require.Zero(t, tenancytest.Counts(t, env)["deliveries"])
	})
}

func TestAskingToReconnect(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		b := setup(t, env)
		b.quiet(t)
		ask := func(h tenancy.Handle, subjects ...string) (out notify.Asked) {
			require.NoError(t, b.DB.Write(t.Context(), h, func(tx *tenancy.Tx) (err error) {
				out, err = b.n.AskReconnect(tx, subjects, notify.Profile{ID: "prf_todo", Name: "Todo API"})
				return err
			}))
			return out
		}
		require.Equal(t, notify.Asked{Asked: []string{"eu_1", "eu_2"}}, ask(b.a, "eu_2", "eu_1", "eu_1"))
		require.Equal(t, notify.Asked{Asked: []string{"eu_3"}, Skipped: []string{"eu_1"}}, ask(b.a, "eu_1", "eu_3"))
		other := tenancytest.Tenant(t, env, "beta")
		require.Equal(t, []string{"eu_1"}, ask(other, "eu_1").Asked, "of another workspace nothing is known")
		b.after(t, time.Minute)
		require.ElementsMatch(t, []string{"eu_1@alpha.test", "eu_2@alpha.test", "eu_3@alpha.test", "eu_1@beta.test"}, to(b.mail.Messages()))
		for _, m := range b.mail.Messages() {
			require.Equal(t, "Connect Todo API again for Workspace "+strings.TrimSuffix(m.To[strings.Index(m.To, "@")+1:], ".test"), m.Subject)
		}
		b.Clock.Advance(58 * time.Minute)
		require.Equal(t, []string{"eu_1"}, ask(b.a, "eu_1").Skipped)
		b.Clock.Advance(time.Minute)
		require.Equal(t, []string{"eu_1"}, ask(b.a, "eu_1").Asked)

		// Two members at once.
		b.Clock.Advance(2 * time.Hour)
		var asking sync.WaitGroup
		asked := make([]int, 6)
		for i := range asked {
			asking.Go(func() {
				_ = b.DB.Write(t.Context(), b.a, func(tx *tenancy.Tx) error {
					out, err := b.n.AskReconnect(tx, []string{"eu_9"}, notify.Profile{ID: "prf_todo", Name: "Todo API"})
					asked[i] = len(out.Asked)
					return err
				})
			})
		}
		asking.Wait()
		sum := 0
		for _, n := range asked {
			sum += n
		}
		require.Equal(t, 1, sum)
	})
}
