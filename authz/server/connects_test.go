package server_test

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/cmd/join"
	"github.com/emcy/gateway/grants"
	"github.com/emcy/gateway/grants/connect"
	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/internal/jwks"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/internal/secret"
	"github.com/emcy/gateway/jobs"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/accounts"
	"github.com/emcy/gateway/tenancy/workspaces"
	fakes "github.com/emcy/gateway/test/fakes/provider"
)

// nobodyTold takes no notices; noAssertions signs none: nothing here asks for either.
type (
	nobodyTold   struct{}
	noAssertions struct{}
)

func (nobodyTold) Record(*tenancy.Tx, grants.Notice) error { return nil }
func (noAssertions) Assertion(context.Context, tenancy.Handle, string, string) (secret.Text, error) {
	return secret.Text{}, errors.New("no assertion is made here")
}

// connects is a node's way to the providers behind runtimes.
func (b *testBundle) connects(db *tenancy.DB) join.Connects {
	b.t.Helper()
	out := outbound.New(outbound.Config{AllowPrivate: true})
	speaks := provider.New(out, jwks.New(out, db.Clock()), db.Clock())
	quiet := slog.New(slog.DiscardHandler)
	queue, err := jobs.New(db, quiet)
	require.NoError(b.t, err)
	service, err := grants.New(grants.Config{DB: db, Provider: speaks, Signer: noAssertions{}, Queue: queue, Notify: nobodyTold{}, Log: quiet})
	require.NoError(b.t, err)
	b.t.Cleanup(func() { require.NoError(b.t, service.Stop(context.WithoutCancel(b.t.Context()))) })
	ways, err := connect.New(connect.Config{DB: db, Provider: speaks, Grants: service, Outbound: out})
	require.NoError(b.t, err)
	set := profiles.New(profiles.Options{DB: db, Provider: speaks, Outbound: out, Origin: func(tx *tenancy.Tx) (string, error) {
		ws, err := workspaces.Load(tx)
		if err != nil {
			return "", err
		}
		return ws.Origins[0], nil
	}, SignIns: firstNode{b}})
	joined := join.Connects{Connect: ways, Profiles: set}
	b.brokers = append(b.brokers, joined)
	return joined
}

// firstNode ends sign-ins where the first node was made by now.
type firstNode struct{ b *testBundle }

func (n firstNode) EndSignIns(tx *tenancy.Tx, subjects []string, upstreamID, reason string) error {
	return n.b.nodes[0].EndSignIns(tx, subjects, upstreamID, reason)
}

// todoScopes are a fake provider's permissions, in words.
var todoScopes = map[string]string{"todos.read": "Read your todos", "todos.write": "Change your todos"}

// profile makes a profile of a fake provider, and attaches it to the runtime "tickets".
func (tn *tenant) profile(fake *fakes.Provider, change ...func(*profiles.Input)) profiles.Profile {
	t := tn.b.t
	t.Helper()
	in := profiles.Input{
		Name: "Northwind", Kind: profiles.KindOAuth, Preset: "generic", Issuer: fake.Issuer,
		Settings: profiles.Settings{Discovery: profiles.ByIssuer, Scopes: []string{"openid", "email", "todos.read", "todos.write"}, ScopeText: todoScopes},
		Client:   profiles.ClientInput{Kind: profiles.Preregistered, ID: fake.ClientID, AuthMethod: profiles.AuthBasic, Secret: secret.New(fake.ClientSecret)},
	}
	for _, f := range change {
		f(&in)
	}
	p := tn.loose(in)
	tn.attach(p, "todos.read")
	return p
}

// loose is a profile that is attached to nothing.
func (tn *tenant) loose(in profiles.Input) profiles.Profile {
	tn.b.t.Helper()
	p, err := tn.b.brokers[0].Profiles.Create(tn.b.t.Context(), tn.handle, profiles.NewID(), in)
	require.NoError(tn.b.t, err)
	return p
}

// link is a link that a call made, as a path.
func (tn *tenant) link(p profiles.Profile, subject, clientID string, scopes ...string) string {
	tn.b.t.Helper()
	address, err := tn.b.brokers[0].Connect.Link(tn.b.t.Context(), tn.handle, connect.LinkFor{ProfileID: p.ID, UpstreamID: tn.runtime(), Subject: subject, ClientID: clientID, Scopes: scopes}, tn.issuer)
	require.NoError(tn.b.t, err)
	path, ok := strings.CutPrefix(address, tn.issuer)
	require.True(tn.b.t, ok, address)
	return path
}

// runtime is the id of the runtime "tickets".
func (tn *tenant) runtime() string {
	var row upstreamRow
	tn.write(func(tx *tenancy.Tx) error { return tx.DB().Where("slug = ?", "tickets").First(&row).Error })
	return row.ID
}

func (tn *tenant) attach(p profiles.Profile, scopes ...string) {
	tn.b.t.Helper()
	tn.attachFor(p, profiles.NeededForCalls, scopes...)
}

func (tn *tenant) attachFor(p profiles.Profile, needed string, scopes ...string) {
	t := tn.b.t
	t.Helper()
	var before profiles.Attachment
	require.NoError(t, tn.b.env.DB.Read(t.Context(), tn.handle, func(tx *tenancy.Tx) (err error) {
		before, _, _, err = profiles.Attached(tx, tn.runtimeIn(tx))
		return err
	}))
	err := tn.b.brokers[0].Profiles.Attach(t.Context(), tn.handle, tn.runtime(), profiles.AttachInput{ProfileID: p.ID, Scopes: scopes, NeededFor: needed, Version: before.Version})
	require.NoError(t, err)
}

func (tn *tenant) runtimeIn(tx *tenancy.Tx) string {
	var row upstreamRow
	require.NoError(tn.b.t, tx.DB().Where("slug = ?", "tickets").First(&row).Error)
	return row.ID
}

// grants are a person's, without their tokens.
func (tn *tenant) grants(subject string) (list []grants.Grant) {
	t := tn.b.t
	t.Helper()
	require.NoError(t, tn.b.env.DB.Read(t.Context(), tn.handle, func(tx *tenancy.Tx) (err error) {
		list, err = grants.ForSubject(tx, subject)
		return err
	}))
	return list
}

// asks goes to the card at which an allowed attempt waits for an account.
func (a *app) asks(br *browser, change ...string) page {
	t := br.tn.b.t
	t.Helper()
	got := br.decide(a.consentPage(br, change...), "allow")
	require.True(t, strings.HasPrefix(got.location, "/connect?attempt="), "%s %s", got.location, got.body)
	got = br.get(got.location)
	require.Equal(t, 200, got.status, got.body)
	return got
}

// away sends the browser to the provider, and gives the address there.
func (br *browser) away(card page) string {
	t := br.tn.b.t
	t.Helper()
	got := br.submit("/connect", card.connecting("decision", "connect"))
	require.Equal(t, 303, got.status, got.body)
	require.True(t, strings.HasPrefix(got.location, "http://127.0.0.1:"), got.location)
	return got.location
}

// connecting are the fields of the form on a card that connects: a link's card has
// another one, which names an attempt to sign out of.
func (p page) connecting(more ...string) url.Values {
	v := p.fields(more...)
	if v.Has("link") {
		v.Del("attempt")
	}
	return v
}

// back is the address at which the provider's answer arrives.
func back(p profiles.Profile, answer url.Values) string {
	return profiles.CallbackPath(p.ID) + "?" + answer.Encode()
}

// account is a person of the workspace with an address of their own.
func (tn *tenant) member(name string) accounts.Account {
	tn.b.t.Helper()
	a := tn.b.account(name)
	tn.add(a)
	return a
}

// carried is a browser whose cookies, that of a way out among them, are carried to
// another tenant's address.
func (br *browser) carried(to *tenant) *browser {
	t := br.tn.b.t
	t.Helper()
	from, err := url.Parse(br.tn.issuer)
	require.NoError(t, err)
	u, err := url.Parse(to.issuer)
	require.NoError(t, err)
	other := to.browser()
	cookies := br.client.Jar.Cookies(from)
	for _, c := range cookies {
		c.Secure, c.Path = true, "/"
	}
	require.Len(t, cookies, 3)
	other.client.Jar.SetCookies(u, cookies)
	return other
}

// queryForm is a form made by hand with the token of a page.
func queryForm(p page, pairs ...string) url.Values {
	v := url.Values{"csrf": {p.fields().Get("csrf")}}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return v
}
