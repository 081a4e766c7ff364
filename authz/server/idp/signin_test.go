package idp_test

import (
	"encoding/base64"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server/idp"
	"github.com/emcy/gateway/internal/errs"
)

func TestSignIn(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		p := b.create()
		u := b.begin(p)
		q := u.Query()
		require.Equal(b, b.fake.Issuer+"/authorize", u.Scheme+"://"+u.Host+u.Path)
		require.Equal(b, url.Values{
			"response_type": {"code"}, "client_id": {"gateway"}, "redirect_uri": {origin + "/callback/" + p.ID}, "scope": {"openid email profile"},
			"code_challenge_method": {"S256"}, "code_challenge": q["code_challenge"], "nonce": q["nonce"], "state": q["state"],
		}, q, "nothing of the MCP client's request is in it")
		for _, name := range []string{"code_challenge", "nonce", "state"} {
			require.GreaterOrEqual(b, len(q.Get(name)), 43, name)
			require.NotEqual(b, q.Get(name), b.begin(p).Query().Get(name), name)
		}

		result, err := b.finish(b.answer(p, b.fake.Approve(u.String())))
		require.NoError(b, err)
		require.Equal(b, "att_1", result.Attempt)
		require.Nil(b, result.Trial)
		require.True(b, strings.HasPrefix(result.User.ID, "eu_"))
		require.True(b, idp.IsSubject(result.User.ID))
		require.Equal(b, "person-1", result.User.ExternalID)
		require.Equal(b, "ada@example.com", result.User.Email)
		require.Equal(b, "Ada Lovelace", result.User.Name)
		header, form := b.fake.Token()
		require.Equal(b, "Basic "+base64.StdEncoding.EncodeToString([]byte("gateway:"+secret)), header.Get("Authorization"))
		require.Empty(b, form.Get("client_secret"))
		require.Equal(b, 0, b.fake.Asked("/userinfo"), "the ID token had everything")

		b.env.Clock.Advance(time.Minute)
		b.fake.Claims = func(c map[string]any) {
			c["name"], c["email"], c["groups"] = "Ada King", "king@example.com", []string{"x", "y"}
		}
		again, err := b.signIn(p)
		require.NoError(b, err)
		require.Equal(b, result.User.ID, again.User.ID)
		u2, active := b.user(result.User.ID)
		require.True(b, active)
		require.Equal(b, "Ada King", u2.Name)
		require.Equal(b, "king@example.com", u2.Email)
		require.Equal(b, []string{"x", "y"}, u2.Groups)
		require.True(b, u2.SignedInAt.After(u2.CreatedAt))

		b.fake.Claims = func(c map[string]any) { c["sub"] = "person-2" }
		other, err := b.signIn(p)
		require.NoError(b, err)
		require.NotEqual(b, result.User.ID, other.User.ID)
		second := b.create(func(in *idp.Input) { in.Name = "Second" })
		same, err := b.signIn(second)
		require.NoError(b, err)
		require.NotContains(b, []string{result.User.ID, other.User.ID}, same.User.ID, "another provider's person-2 is somebody else")
		_, total := b.users(idp.Page{})
		require.EqualValues(b, 3, total)
		actions, _ := b.audited()
		require.ElementsMatch(b, []string{"workspace.create", "identity_provider.create", "end_user.create", "end_user.create", "identity_provider.create", "end_user.create"}, actions)
	})
}

func TestPublicClient(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		public := b.create(func(in *idp.Input) { in.ClientSecret = "" })
		require.False(b, public.HasSecret)
		_, err := b.signIn(public)
		require.NoError(b, err)
		header, form := b.fake.Token()
		require.Empty(b, header.Get("Authorization"))
		require.Equal(b, "gateway", form.Get("client_id"))
		require.NotContains(b, form, "client_secret")
	})
}

func TestSecretInTheBody(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		b.fake.Metadata = func(m map[string]any) { m["token_endpoint_auth_methods_supported"] = []string{"client_secret_post"} }
		_, err := b.signIn(b.create())
		require.NoError(b, err)
		header, form := b.fake.Token()
		require.Empty(b, header.Get("Authorization"))
		require.Equal(b, secret, form.Get("client_secret"))
	})
}

// TestA13OtherIssuer is the mix-up: an answer that does not name the provider that was
// asked (RFC 9207) goes nowhere, errors included.
func TestA13OtherIssuer(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		p := b.create()
		for what, edit := range map[string]func(url.Values){
			"another issuer":        func(q url.Values) { q.Set("iss", "https://evil.example") },
			"a slash more":          func(q url.Values) { q.Set("iss", b.fake.Issuer+"/") },
			"upper case":            func(q url.Values) { q.Set("iss", strings.ToUpper(b.fake.Issuer)) },
			"missing":               func(q url.Values) { q.Del("iss") },
			"empty":                 func(q url.Values) { q.Set("iss", "") },
			"an error of another's": func(q url.Values) { q.Set("iss", "https://evil.example"); q.Set("error", "access_denied") },
		} {
			q := b.fake.Approve(b.begin(p).String())
			edit(q)
			_, err := b.finish(b.answer(p, q))
			requireRefused(b, err, "wrong_issuer")
			require.Equal(b, 0, b.fake.Asked("/token"), what)
		}
		_, total := b.users(idp.Page{})
		require.EqualValues(b, 0, total)
	})
}

func TestA13IssuerWhereNoneIsPromised(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		b.fake.Metadata = func(m map[string]any) { delete(m, "authorization_response_iss_parameter_supported") }
		p := b.create()
		q := b.fake.Approve(b.begin(p).String())
		q.Set("iss", "https://evil.example")
		_, err := b.finish(b.answer(p, q))
		requireRefused(b, err, "wrong_issuer")
		b.fake.Redirect = func(q url.Values) { q.Del("iss") }
		_, err = b.signIn(p)
		require.NoError(b, err, "a provider that promises no iss may leave it out")
	})
}

// TestA13OtherProvidersCallback: each provider has a callback of its own, and an answer
// at another one's is refused before its code is sent anywhere.
func TestA13OtherProvidersCallback(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		honest, other := b.create(), b.create(func(in *idp.Input) { in.Name = "Other" })
		require.NotEqual(b, b.begin(honest).Query().Get("redirect_uri"), b.begin(other).Query().Get("redirect_uri"))
		q := b.fake.Approve(b.begin(honest).String())
		_, err := b.finish(b.answer(other, q))
		requireRefused(b, err, "sign_in_over")
		require.Equal(b, 0, b.fake.Asked("/token"))
		_, err = b.finish(b.answer(honest, q))
		require.NoError(b, err, "it was not used up")
	})
}

// TestA13MetadataIssuer: the metadata must name the issuer that was asked (OpenID
// Connect Discovery, section 4.3).
func TestA13MetadataIssuer(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		p := b.create()
		for _, named := range []any{b.fake.Issuer + "/", "https://evil.example", "", nil, 7} {
			b.fake.Metadata = func(m map[string]any) { m["issuer"] = named }
			b.env.Clock.Advance(25 * time.Hour)
			_, err := b.providers.Begin(b.Context(), b.h, b.start(p))
			requireRefused(b, err, "provider_metadata")
			_, err = b.providers.Create(b.Context(), b.h, idp.NewID(), b.input())
			require.True(b, errs.Is(err, errs.Invalid), "%v", err)
			require.NotContains(b, errs.FieldsOf(err)["issuer"], "evil")
		}
		b.fake.Metadata = func(m map[string]any) { m["issuer"] = b.fake.Issuer + "/" }
		b.env.Clock.Advance(time.Minute)
		_, err := b.providers.Create(b.Context(), b.h, idp.NewID(), b.input())
		require.Contains(b, errs.FieldsOf(err)["issuer"], "calls itself "+b.fake.Issuer+"/ ", "a slash too few is said")
	})
}

// TestA14State: the state is one browser's, one tenant's, one provider's, once, for ten
// minutes. What does not fit redeems nothing and uses nothing up.
func TestA14State(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		p := b.create()
		q := b.fake.Approve(b.begin(p).String())
		with := func(edit func(*idp.Answer)) idp.Answer {
			a := b.answer(p, url.Values{"code": q["code"], "state": q["state"], "iss": q["iss"]})
			edit(&a)
			return a
		}
		for what, a := range map[string]idp.Answer{
			"no cookie":         with(func(a *idp.Answer) { a.Browser = "" }),
			"another browser":   with(func(a *idp.Answer) { a.Browser = "emc_br_other" }),
			"no state":          with(func(a *idp.Answer) { a.Query.Del("state") }),
			"made up":           with(func(a *idp.Answer) { a.Query.Set("state", b.begin(p).Query().Get("nonce")) }),
			"a bit flipped":     with(func(a *idp.Answer) { a.Query.Set("state", q.Get("state")[:20]+"x"+q.Get("state")[21:]) }),
			"twice in one":      with(func(a *idp.Answer) { a.Query["state"] = append(a.Query["state"], q.Get("state")) }),
			"code twice in one": with(func(a *idp.Answer) { a.Query["code"] = []string{q.Get("code"), "x"} }),
			"odd path":          with(func(a *idp.Answer) { a.ProviderID = "\x00" }),
		} {
			_, err := b.finish(a)
			requireRefused(b, err, "sign_in_over")
			require.Equal(b, 0, b.fake.Asked("/token"), what)
		}
		other := newBundleTenant(b, "bravo")
		_, err := b.providers.Finish(b.Context(), other, with(func(*idp.Answer) {}))
		requireRefused(b, err, "sign_in_over")
		require.Equal(b, 0, b.fake.Asked("/token"))

		_, err = b.finish(with(func(*idp.Answer) {}))
		require.NoError(b, err)
		_, err = b.finish(with(func(*idp.Answer) {}))
		requireRefused(b, err, "sign_in_over")
		require.Equal(b, 1, b.fake.Asked("/token"), "a replay is not sent on")

		late := b.fake.Approve(b.begin(p).String())
		b.env.Clock.Advance(idp.SignInLife)
		_, err = b.finish(b.answer(p, late))
		requireRefused(b, err, "sign_in_over")
		require.NoError(b, b.providers.Sweep(b.Context(), b.env.Clock.Now().Add(time.Second)))
		require.Equal(b, 1, b.fake.Asked("/token"))
	})
}

func TestA14ParallelReplay(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		p := b.create()
		q := b.fake.Approve(b.begin(p).String())
		done := make(chan error, 20)
		for range cap(done) {
			go func() {
				_, err := b.finish(b.answer(p, q))
				done <- err
			}()
		}
		good := 0
		for range cap(done) {
			if err := <-done; err == nil {
				good++
			} else {
				requireRefused(b, err, "sign_in_over")
			}
		}
		require.Equal(b, 1, good)
		require.Equal(b, 1, b.fake.Asked("/token"))
	})
}

// TestProviderError shows the code and what to do, and nothing that the provider wrote.
func TestProviderError(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		p := b.create()
		for code, shown := range map[string]string{
			"access_denied": "access_denied", "invalid_scope": "invalid_scope", "server_error": "server_error", "login_required": "login_required",
			"canary_code": "provider_error", "<script>canary": "provider_error",
		} {
			b.fake.Redirect = func(q url.Values) {
				q.Del("code")
				q.Set("error", code)
				q.Set("error_description", "canary")
			}
			_, err := b.signIn(p)
			requireRefused(b, err, shown)
		}
		b.fake.Redirect = func(q url.Values) { q.Del("code") }
		_, err := b.signIn(p)
		requireRefused(b, err, "no_code")
		require.Equal(b, 0, b.fake.Asked("/token"))
		b.fake.Redirect = func(q url.Values) { q.Set("code", "made up") }
		_, err = b.signIn(p)
		requireRefused(b, err, "invalid_grant")
	})
}
