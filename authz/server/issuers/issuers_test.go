package issuers_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server/issuers"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/audit"
	"github.com/emcy/gateway/tenancy/tenancytest"
)

const iss = "https://login.example.com/tenant/"

func input() issuers.Input {
	return issuers.Input{Name: " Acme SSO ", Issuer: iss, JWKSURI: "https://login.example.com/keys", Clients: []string{"cli_1", " cli_1 ", "", "https://app.example/client.json"}}
}

func TestIssuersAreKept(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		h, other := tenancytest.Tenant(t, env, "acme"), tenancytest.Tenant(t, env, "beta")
		urls := outbound.New(outbound.Config{})
		write := func(h tenancy.Handle, do func(tx *tenancy.Tx) error) error { return env.DB.Write(t.Context(), h, do) }
		var made issuers.Issuer
		add := func(in issuers.Input) func(tx *tenancy.Tx) error {
			return func(tx *tenancy.Tx) (err error) {
				made, err = issuers.Add(tx, urls, in)
				return err
			}
		}
		require.NoError(t, write(h, add(input())))
		id := made.ID
		want := issuers.Issuer{ID: id, Name: "Acme SSO", Issuer: iss, JWKSURI: "https://login.example.com/keys", Clients: []string{"cli_1", "https://app.example/client.json"}, CreatedAt: env.Clock.Now()}
		read := func(h tenancy.Handle, do func(tx *tenancy.Tx)) {
			t.Helper()
			require.NoError(t, env.DB.Read(t.Context(), h, func(tx *tenancy.Tx) error { do(tx); return nil }))
		}
		read(h, func(tx *tenancy.Tx) {
			all, err := issuers.List(tx)
			require.NoError(t, err)
			require.Equal(t, []issuers.Issuer{want}, all)
			got, err := issuers.Get(tx, id)
			require.NoError(t, err)
			require.Equal(t, want, got)
			for _, near := range []string{strings.TrimSuffix(iss, "/"), strings.ToUpper(iss), iss + " ", ""} {
				_, ok, err := issuers.Trusted(tx, near)
				require.NoError(t, err)
				require.False(t, ok, "%q", near)
			}
			_, ok, err := issuers.Trusted(tx, iss)
			require.NoError(t, err)
			require.True(t, ok, "byte by byte")
		})
		read(other, func(tx *tenancy.Tx) {
			on, err := issuers.Any(tx)
			require.NoError(t, err)
			require.False(t, on)
			_, ok, err := issuers.Trusted(tx, iss)
			require.NoError(t, err)
			require.False(t, ok, "trust is a tenant's own")
			_, err = issuers.Get(tx, id)
			require.True(t, errs.Is(err, errs.NotFound))
		})

		require.True(t, errs.Is(write(h, add(input())), errs.Conflict), "twice")
		change := issuers.Input{Name: "Acme", Issuer: "https://evil.example", JWKSURI: "https://login.example.com/new-keys"}
		require.NoError(t, write(h, func(tx *tenancy.Tx) error { return issuers.Update(tx, urls, id, change) }))
		read(h, func(tx *tenancy.Tx) {
			got, err := issuers.Get(tx, id)
			require.NoError(t, err)
			require.Equal(t, iss, got.Issuer, "another issuer is another trust")
			require.Equal(t, "https://login.example.com/new-keys", got.JWKSURI)
			require.Empty(t, got.Clients)
		})
		require.NoError(t, write(h, func(tx *tenancy.Tx) error { return issuers.Remove(tx, id) }))
		require.True(t, errs.Is(write(h, func(tx *tenancy.Tx) error { return issuers.Remove(tx, id) }), errs.NotFound))
		require.True(t, errs.Is(write(h, func(tx *tenancy.Tx) error { return issuers.Update(tx, urls, id, change) }), errs.NotFound))
		read(h, func(tx *tenancy.Tx) {
			on, err := issuers.Any(tx)
			require.NoError(t, err)
			require.False(t, on)
			entries, err := audit.Latest(tx, 10)
			require.NoError(t, err)
			var actions []string
			for _, e := range entries {
				if strings.HasPrefix(e.Action, "trusted_issuer.") {
					actions = append(actions, e.Action)
					require.Equal(t, id, e.TargetID)
				}
			}
			require.ElementsMatch(t, []string{"trusted_issuer.add", "trusted_issuer.update", "trusted_issuer.remove"}, actions)
		})
	})
}

func TestIssuersAreChecked(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		h := tenancytest.Tenant(t, env, "acme")
		urls := outbound.New(outbound.Config{})
		add := func(in issuers.Input) error {
			return env.DB.Write(t.Context(), h, func(tx *tenancy.Tx) error {
				_, err := issuers.Add(tx, urls, in)
				return err
			})
		}
		for field, changes := range map[string][]func(*issuers.Input){
			"name": {func(in *issuers.Input) { in.Name = " " }, func(in *issuers.Input) { in.Name = strings.Repeat("x", 81) }, func(in *issuers.Input) { in.Name = "a\x00" }},
			"issuer": {
				func(in *issuers.Input) { in.Issuer = "" }, func(in *issuers.Input) { in.Issuer = "http://login.example.com" }, func(in *issuers.Input) { in.Issuer = iss + "?a=b" },
				func(in *issuers.Input) { in.Issuer = "https://127.0.0.1/" }, func(in *issuers.Input) { in.Issuer = "https://user@login.example.com" },
			},
			"jwks_uri": {func(in *issuers.Input) { in.JWKSURI = "" }, func(in *issuers.Input) { in.JWKSURI = "https://169.254.169.254/keys" }, func(in *issuers.Input) { in.JWKSURI = "file:///etc/passwd" }},
			"clients":  {func(in *issuers.Input) { in.Clients = []string{"a\x00"} }, func(in *issuers.Input) { in.Clients = many(101) }},
		} {
			for i, change := range changes {
				in := input()
				change(&in)
				err := add(in)
				require.True(t, errs.Is(err, errs.Invalid), "%s %d: %v", field, i, err)
				require.Contains(t, errs.FieldsOf(err), field, i)
			}
		}
		for i := range 20 {
			in := input()
			in.Issuer = iss + strings.Repeat("x", i+1)
			require.NoError(t, add(in))
		}
		require.True(t, errs.Is(add(input()), errs.Conflict), "too many")
	})
}

func many(n int) (out []string) {
	for i := range n {
		out = append(out, strings.Repeat("c", i+1))
	}
	return out
}

func TestVerifiedEmail(t *testing.T) {
	t.Parallel()
	for verified, want := range map[any]bool{true: true, "true": true, false: false, "false": false, "TRUE": false, nil: false, 1.0: false} {
		_, ok := issuers.Assertion{Email: "ana@acme.example", EmailVerified: verified}.VerifiedEmail()
		require.Equal(t, want, ok, "%v", verified)
	}
	_, ok := issuers.Assertion{EmailVerified: true}.VerifiedEmail()
	require.False(t, ok)
}

type (
	providerRow struct {
		TenantID, ID, Name, Issuer, ClientID, Scopes, EmailClaim, NameClaim, GroupsClaim string
		ClientSecret                                                                     []byte
		CreatedAt, UpdatedAt                                                             time.Time
	}
	endUserRow struct {
		TenantID, ID, ProviderID, ExternalID, Email, Name string
		CreatedAt, SignedInAt                             time.Time
	}
)

func (providerRow) TableName() string { return "identity_providers" }
func (endUserRow) TableName() string  { return "end_users" }

func TestEndUser(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		h, other := tenancytest.Tenant(t, env, "acme"), tenancytest.Tenant(t, env, "beta")
		require.NoError(t, env.DB.Write(t.Context(), h, func(tx *tenancy.Tx) error {
			now := tx.Now()
			if err := tx.DB().Create(&providerRow{TenantID: tx.Tenant(), ID: "idp_1", Name: "SSO", Issuer: iss, ClientSecret: []byte{}, CreatedAt: now, UpdatedAt: now}).Error; err != nil {
				return err
			}
			return tx.DB().Create(&endUserRow{TenantID: tx.Tenant(), ID: "eu_1", ProviderID: "idp_1", ExternalID: "u-1", CreatedAt: now, SignedInAt: now}).Error
		}))
		find := func(h tenancy.Handle, issuer, subject string) (id string) {
			require.NoError(t, env.DB.Read(t.Context(), h, func(tx *tenancy.Tx) (err error) {
				id, err = issuers.EndUser(tx, issuer, subject)
				return err
			}))
			return id
		}
		require.Equal(t, "eu_1", find(h, iss, "u-1"))
		require.Empty(t, find(h, iss, "u-2"))
		require.Empty(t, find(h, "https://other.example", "u-1"), "a subject is its issuer's own")
		require.Empty(t, find(other, iss, "u-1"))
	})
}

// FuzzRead: whatever is sent, what is read is one signed JWT of an allowed algorithm and
// of the one type, whose issuer can be looked up.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		"", "x", "a.b.c", "eyJhbGciOiJub25lIiwidHlwIjoib2F1dGgtaWQtamFnK2p3dCJ9.e30.",
		"eyJhbGciOiJFUzI1NiIsInR5cCI6Im9hdXRoLWlkLWphZytqd3QifQ.eyJpc3MiOiJodHRwczovL2EifQ.AAAA",
		"eyJhbGciOiJFUzI1NiIsInR5cCI6Im9hdXRoLWlkLWphZytqd3QifQ.eyJpc3MiOiJodHRwczovL2EiLCJyZXNvdXJjZSI6W119.AAAA",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		token, claims, err := issuers.Read(raw)
		if err != nil {
			return
		}
		require.Len(t, token.Headers, 1)
		require.Contains(t, []string{"ES256", "RS256", "PS256", "EdDSA"}, token.Headers[0].Algorithm)
		typ, _ := token.Headers[0].ExtraHeaders["typ"].(string)
		require.Equal(t, issuers.Type, strings.TrimPrefix(strings.ToLower(typ), "application/"))
		require.NotEmpty(t, claims.Issuer)
		require.Error(t, claims.Check(issuers.Issuer{Issuer: claims.Issuer + "x"}, "", "", time.Unix(0, 0)), "another issuer never fits")
	})
}
