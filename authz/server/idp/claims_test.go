package idp_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server/idp"
)

func TestClaims(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		p := b.create(func(in *idp.Input) {
			in.Scopes, in.EmailClaim, in.NameClaim, in.GroupsClaim = "email offline_access", "upn", "person.display", "https://acme.example/groups"
		})
		require.Equal(b, "openid email offline_access", b.begin(p).Query().Get("scope"))
		b.fake.Claims = func(c map[string]any) {
			delete(c, "email")
			delete(c, "email_verified")
			c["upn"], c["person"], c["https://acme.example/groups"] = "ada@acme.example", map[string]any{"display": "Ada L."}, "staff"
		}
		result, err := b.signIn(p)
		require.NoError(b, err)
		u, _ := b.user(result.User.ID)
		require.Equal(b, "ada@acme.example", u.Email)
		require.Equal(b, "Ada L.", u.Name)
		require.Equal(b, []string{"staff"}, u.Groups)

		plain := b.create()
		for code, edit := range map[string]func(map[string]any){
			"email_not_verified": func(c map[string]any) { c["email_verified"] = false },
			"no_email":           func(c map[string]any) { delete(c, "email") },
		} {
			b.fake.Claims = edit
			_, err := b.signIn(plain)
			requireRefused(b, err, code)
		}
		b.fake.Claims = func(c map[string]any) { c["email_verified"] = "false" }
		_, err = b.signIn(plain)
		requireRefused(b, err, "email_not_verified")
		for _, odd := range []any{7, "no address", "a@b\r\nc", []string{"a@b.example"}} {
			b.fake.Claims = func(c map[string]any) { c["email"] = odd }
			_, err = b.signIn(plain)
			requireRefused(b, err, "no_email")
		}
	})
}

// TestUserinfo is asked where the ID token lacks something, and must be about the same person.
func TestUserinfo(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		p := b.create(func(in *idp.Input) { in.AllowedGroups = []string{"staff"} })
		b.fake.Claims = func(c map[string]any) { delete(c, "name") }
		b.fake.Userinfo = func(c map[string]any) {
			c["name"], c["groups"], c["email"] = "Ada", []string{"staff"}, "other@example.com"
		}
		result, err := b.signIn(p)
		require.NoError(b, err)
		require.Equal(b, "Ada", result.User.Name)
		require.Equal(b, "ada@example.com", result.User.Email, "what is signed comes first")
		require.Equal(b, 1, b.fake.Asked("/userinfo"))
		b.fake.Userinfo = func(c map[string]any) { c["sub"] = "somebody else" }
		_, err = b.signIn(p)
		requireRefused(b, err, "wrong_subject")
	})
}

func TestWhoIsLetIn(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		p := b.create(func(in *idp.Input) {
			in.AllowedDomains, in.AllowedGroups = []string{" @Example.COM ", "", "example.com"}, []string{"staff", "board"}
		})
		require.Equal(b, []string{"example.com"}, p.AllowedDomains)
		as := func(email string, groups ...string) error {
			b.fake.Claims = func(c map[string]any) { c["email"], c["groups"] = email, groups }
			_, err := b.signIn(p)
			return err
		}
		for _, email := range []string{"ada@evil.example", "ada@sub.example.com", "ada@example.com.evil.example", "ada@xexample.com", "ada@example.com@evil.example"} {
			requireRefused(b, as(email, "staff"), "not_admitted")
		}
		requireRefused(b, as("ada@example.com"), "not_admitted")
		requireRefused(b, as("ada@example.com", "Staff", "other"), "not_admitted")
		_, total := b.users(idp.Page{})
		require.EqualValues(b, 0, total, "who was never let in is not stored")
		require.NoError(b, as("ADA@EXAMPLE.com", "other", "board"))
		users, _ := b.users(idp.Page{Search: "ada@EX"})
		require.Len(b, users, 1)
		require.Empty(b, b.taken())

		// Who loses the group is out at once, everywhere.
		requireRefused(b, as("ada@example.com", "other"), "not_admitted")
		require.Equal(b, []string{users[0].ID}, b.taken())
		_, active := b.user(users[0].ID)
		require.False(b, active)
		require.NoError(b, as("ada@example.com", "staff"))
		_, active = b.user(users[0].ID)
		require.True(b, active)
	})
}
