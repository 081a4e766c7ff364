package provider_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/internal/secret"
	fake "github.com/emcy/gateway/test/fakes/provider"
)

// TestF13F14WhatWentWrong: each fault has its kind, whether the provider may have seen
// the request, and nobody asks twice.
func TestF13F14WhatWentWrong(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault     fake.Fault
		kind      provider.Kind
		retry     time.Duration
		committed int
	}{
		"500":         {fake.Status(500), provider.Temporary, 0, 0},
		"503":         {fake.Status(503), provider.Temporary, 0, 0},
		"429":         {fake.Limited(90 * time.Second), provider.Limited, 90 * time.Second, 0},
		"429, no say": {fake.Limited(0), provider.Limited, 0, 0},
		"a web page":  {fake.HTML(200), provider.Temporary, 0, 0},
		"cut before":  {fake.CutBefore(), provider.Temporary, 0, 0},
		"cut after":   {fake.Cut(), provider.Temporary, 0, 1},
		"half":        {fake.Half(), provider.Temporary, 0, 1},
		"bad JSON":    {fake.BadJSON(), provider.Invalid, 0, 1},
		"redirect":    {fake.Redirect("https://elsewhere.example.com/"), provider.Invalid, 0, 0},
		"huge":        {fake.Huge(), provider.Invalid, 0, 0},
		"slow":        {fake.SlowAnswer(2 * time.Second), provider.Temporary, 0, 1},
		"dead":        {fake.Refuse(400, "invalid_grant", "over"), provider.Rejected, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, "generic")
			config := b.config()
			tokens := b.connect(config, "openid")
			b.reach(outbound.Config{AllowPrivate: true, Timeout: time.Second})
			b.fake.Fail("refresh", c.fault, 1)
			_, err := b.provider.Refresh(t.Context(), config, tokens.Refresh, nil)
			var e *provider.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, c.kind, e.Kind, "%v", err)
			require.Equal(t, c.retry, e.RetryAfter)
			require.True(t, e.Sent)
			require.Eventually(t, func() bool { return b.fake.RefreshRequests() == 1 }, 5*time.Second, time.Millisecond, "it is asked once")
			require.Equal(t, c.committed, b.fake.Refreshes())
			if c.committed == 0 {
				_, err = b.provider.Refresh(t.Context(), config, tokens.Refresh, nil)
				require.NoError(t, err, "the refresh token was not touched")
			}
		})
	}
}

// TestNotSent: where nothing can have arrived, the caller may know that the token still works.
func TestNotSent(t *testing.T) {
	t.Parallel()
	b := newBundle(t, "generic")
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx   context.Context
		token string
		kind  provider.Kind
	}{
		"nothing listens":   {t.Context(), "http://" + listener.Addr().String() + "/token", provider.Temporary},
		"no such host":      {t.Context(), "https://nothing.invalid/token", provider.Temporary},
		"no URL":            {t.Context(), "ftp://x/", provider.Misconfigured},
		"no URL at all":     {t.Context(), "::", provider.Misconfigured},
		"no endpoint":       {t.Context(), "", provider.Unsupported},
		"given up":          {gone, b.fake.Token, provider.Temporary},
		"in a transaction":  {outbound.ContextWithTx(t.Context()), b.fake.Token, provider.Temporary},
		"TLS where is none": {t.Context(), "https" + b.fake.Token[4:], provider.Temporary},
	} {
		c2 := provider.Config{Endpoints: provider.Endpoints{Token: c.token}, Client: b.client()}
		_, err := b.provider.Refresh(c.ctx, c2, secret.New("canary-refresh"), nil)
		var e *provider.Error
		require.ErrorAs(t, err, &e, name)
		require.Equal(t, c.kind, e.Kind, "%s: %v", name, err)
		require.False(t, e.Sent, name)
		require.NotEmpty(t, e.Public(), name)
		require.NotContains(t, err.Error(), "canary", name)
	}
	require.Zero(t, b.fake.Asked("token"))

	strict := newBundle(t, "generic")
	strict.reach(outbound.Config{})
	_, err = strict.provider.Refresh(t.Context(), provider.Config{Endpoints: provider.Endpoints{Token: "https" + strict.fake.Token[4:]}, Client: strict.client()}, secret.New("x"), nil)
	require.Equal(t, provider.Misconfigured, provider.KindOf(err), "an address that is closed is refused without a connection")
}

// TestNoSecretInAnyError plants each secret in the answer too, where a provider might
// repeat it, and looks through every shape of every error.
func TestNoSecretInAnyError(t *testing.T) {
	t.Parallel()
	const refresh, access, code, verify, clientSecret = "canary-refresh-token", "canary-access-token", "canary-code", "canary-verifier", "canary-client-secret:+/%"
	key, _ := newKey(t)
	shapes := func(err error) string {
		var logged bytes.Buffer
		slog.New(slog.NewJSONHandler(&logged, nil)).Error("x", "error", err)
		raw, _ := json.Marshal(err)
		return fmt.Sprintf("%v %+v %#v %s", err, err, err, raw) + logged.String()
	}
	found := 0
	s := newSaid(t)
	encoded := url.QueryEscape(clientSecret)
	anywhere := []string{"eyJhbGciOiJub25lIn0.canary", "canary" + strings.Repeat("x", 60), "canary-0123456789abcdef"}
	for _, body := range []string{
		`{"error":"invalid_grant","error_description":"%[1]s is over"}`, `{"error":"%[1]s"}`, `{"error":"invalid_client","error_description":"You sent %[1]s"}`, `%[1]s`, `{"access_token":"%[1]s","token_type":"mac"}`,
		`{"access_token":"x y","refresh_token":"%[1]s","id_token":"%[1]s"}`, `{"message":"%[1]s"}`, `{"access_token":{"a":"%[1]s"}}`,
	} {
		for _, method := range []string{provider.AuthBasic, provider.AuthPost, provider.AuthPrivateKey} {
			for _, status := range []int{200, 400, 401, 429, 500} {
				s.status, s.config.Client.AuthMethod, s.config.Client.Key, s.config.Style.ErrorsWith200 = status, method, key, status == 200
				for _, c := range []struct {
					sent []string
					call func() error
				}{
					{[]string{refresh, clientSecret, encoded}, func() error { return second(s.Refresh(t.Context(), s.config, secret.New(refresh), nil)) }},
					{[]string{code, verify, clientSecret, encoded}, func() error { return second(s.Exchange(t.Context(), s.config, code, verify)) }},
					{[]string{access, clientSecret, encoded}, func() error {
						return second(s.TokenExchange(t.Context(), s.config, secret.New(access), provider.TypeJWT, "", "", nil))
					}},
					{[]string{refresh, clientSecret, encoded}, func() error { return s.Revoke(t.Context(), s.config, secret.New(refresh), secret.New(access)) }},
					{[]string{access}, func() error {
						return second(s.Account(t.Context(), s.config, provider.Tokens{Access: secret.New(access)}, ""))
					}},
					{[]string{refresh}, func() error {
						_, _, _, _, err := s.Register(t.Context(), s.config, provider.Registration{InitialToken: secret.New(refresh)})
						return err
					}},
				} {
					for _, planted := range append(c.sent, anywhere...) {
						s.body = fmt.Sprintf(body, planted)
						if err := c.call(); err != nil {
							require.NotContains(t, shapes(err), planted, "%s %d", body, status)
							found++
						}
					}
				}
			}
		}
	}
	require.Greater(t, found, 1000)
}

func second[T any](_ T, err error) error { return err }
