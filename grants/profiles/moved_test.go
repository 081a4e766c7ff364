package profiles_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/internal/secret"
	"github.com/emcy/gateway/tenancy"
	fake "github.com/emcy/gateway/test/fakes/provider"
)

type newConnectRow struct {
	TenantID, StateHash, ProfileID, Purpose, BrowserHash, Issuer, Scopes string
	ClientGeneration                                                     int
	Secrets                                                              []byte
	CreatedAt, ExpiresAt                                                 time.Time
}

func (newConnectRow) TableName() string { return "connects" }

type newUserRow struct {
	TenantID, ID, ProfileID, ExternalID, Email, Name string
	CreatedAt, SignedInAt                            time.Time
}

func (newUserRow) TableName() string { return "profile_users" }

func (b *bundle) insert(row any) {
	b.Helper()
	require.NoError(b, b.DB.Write(b.Context(), b.a, func(tx *tenancy.Tx) error { return tx.DB().Create(row).Error }))
}

// TestNothingOfTheOldHostArrivesAtTheNewOne: tokens that wait to be revoked, and codes
// that are on their way, stay with the provider that they were meant for.
func TestNothingOfTheOldHostArrivesAtTheNewOne(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		p, other, bystander := b.create(), fake.New(b.T), b.create()
		now := b.Clock.Now()
		waits := newRevocationRow{b.a.Tenant(), ids.New("rvk"), "grt_1", p.ID, "acc_1", 1, "pending", now, now}
		b.insert(&waits)
		for state, id := range map[string]string{"one": p.ID, "two": bystander.ID} {
			b.insert(&newConnectRow{b.a.Tenant(), ids.Hash(state), id, "connect", ids.Hash("browser"), p.Issuer, "read", 1, []byte{1}, now, now.Add(time.Minute)})
		}
		in := b.input(func(in *profiles.Input) {
			in.Issuer, in.Client = other.Issuer, profiles.ClientInput{ID: "elsewhere", Secret: secret.New("canary_other_secret")}
		})
		_, err := b.profiles.Update(b.Context(), b.a, p.ID, in, p.Version)
		b.field(err, "issuer", "1 connection is still being taken back")
		begun := func(id string) (n int64) {
			b.read(func(tx *tenancy.Tx) error {
				return tx.DB().Model(&newConnectRow{}).Where("profile_id = ?", id).Count(&n).Error
			})
			return n
		}
		require.EqualValues(b, 1, begun(p.ID))

		require.NoError(b, b.DB.Write(b.Context(), b.a, func(tx *tenancy.Tx) error {
			return tx.DB().Model(&newRevocationRow{}).Where("id = ?", waits.ID).Update("state", "done").Error
		}))
		_, err = b.profiles.Update(b.Context(), b.a, p.ID, in, p.Version)
		require.NoError(b, err, "%v", errs.FieldsOf(err))
		require.Zero(b, begun(p.ID))
		require.EqualValues(b, 1, begun(bystander.ID))
	})
}

// TestPeopleStayWithTheirProvider: who signed in with a profile is known by an account
// id that means somebody else at another provider, or by another rule.
func TestPeopleStayWithTheirProvider(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		p, other := b.create(func(in *profiles.Input) { in.SignIn = true }), fake.New(b.T)
		now := b.Clock.Now()
		b.insert(&newUserRow{b.a.Tenant(), ids.New("pu"), p.ID, "1", "ada@example.com", "Ada", now, now})
		for field, change := range map[string]func(*profiles.Input){
			"issuer": func(in *profiles.Input) {
				in.Issuer, in.Client = other.Issuer, profiles.ClientInput{ID: "elsewhere", Secret: secret.New("canary_other_secret")}
			},
			"identity_from": func(in *profiles.Input) { in.Style.Identity = provider.Identity{ID: "preferred_username"} },
		} {
			for _, signIn := range []bool{true, false} { // it could be switched off, changed, and on again
				in := b.input(change, func(in *profiles.Input) { in.SignIn = signIn })
				_, err := b.profiles.Update(b.Context(), b.a, p.ID, in, p.Version)
				b.field(err, field, "another person's")
			}
		}
		require.Equal(b, p, b.get(p.ID))
		renamed, err := b.profiles.Update(b.Context(), b.a, p.ID, b.input(func(in *profiles.Input) { in.Name, in.SignIn = "Renamed", true }), p.Version)
		require.NoError(b, err, "%v", errs.FieldsOf(err))

		require.NoError(b, b.DB.Write(b.Context(), b.a, func(tx *tenancy.Tx) error {
			return tx.DB().Where("profile_id = ?", p.ID).Delete(&newUserRow{}).Error
		}))
		_, err = b.profiles.Update(b.Context(), b.a, p.ID, b.input(func(in *profiles.Input) { in.Style.Identity = provider.Identity{ID: "preferred_username"} }), renamed.Version)
		require.NoError(b, err, "nobody is mistaken for anybody")
	})
}

// TestConnectionsStayWithTheirIssuer: another issuer on the same host is another
// authorization server, to which nobody's refresh token is sent.
func TestConnectionsStayWithTheirIssuer(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		byHand := func(issuer string) func(*profiles.Input) {
			return func(in *profiles.Input) {
				in.Issuer, in.Settings.Discovery = issuer, profiles.Manual
				in.Settings.Endpoints = provider.Endpoints{Authorization: b.fake.Authorization, Token: b.fake.Token}
			}
		}
		p := b.create(byHand(b.fake.Issuer))
		grant := b.grant(p, 1, "connected")
		other := b.input(byHand(b.fake.Issuer + "/realms/other"))
		_, err := b.profiles.Update(b.Context(), b.a, p.ID, other, p.Version)
		b.field(err, "issuer", "1 person is connected")
		b.setGrant(grant, "revoked")
		_, err = b.profiles.Update(b.Context(), b.a, p.ID, other, p.Version)
		require.NoError(b, err, "nobody is connected any more")
	})
}
