package server

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/emcy/gateway/authz/server/clients"
	"github.com/emcy/gateway/authz/server/issuers"
	"github.com/emcy/gateway/authz/server/oplib"
	"github.com/emcy/gateway/authz/server/settings"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/tenancy"
)

// grantTypes are those that every tenant has on.
var grantTypes = []string{oplib.GrantCode, oplib.GrantRefresh}

// profileIDJAG names what the jwt-bearer grant takes
// (draft-ietf-oauth-identity-assertion-authz-grant, section 7).
const profileIDJAG = "urn:ietf:params:oauth:grant-profile:id-jag"

// offer is what of the optional grants a tenant has on. The token endpoint and the
// metadata both read it, so that what is listed is what is understood.
type offer struct {
	grants   []string
	profiles []string
	set      settings.Settings
}

// offered reads the offer: all further grants are off by default. The jwt-bearer grant
// is on where the tenant trusts an issuer.
func offered(tx *tenancy.Tx) (offer, error) {
	set, err := settings.Load(tx)
	if err != nil {
		return offer{}, err
	}
	trusts, err := issuers.Any(tx)
	if err != nil {
		return offer{}, err
	}
	out := offer{grants: slices.Clone(grantTypes), set: set}
	if set.ClientCredentials {
		out.grants = append(out.grants, oplib.GrantClientCredentials)
	}
	if trusts {
		out.grants = append(out.grants, oplib.GrantJWTBearer)
		out.profiles = []string{profileIDJAG}
	}
	if set.Device {
		out.grants = append(out.grants, oplib.GrantDevice)
	}
	return out, nil
}

func (s *Server) offer(ctx context.Context) (out offer, err error) {
	err = s.db.Read(ctx, requestFrom(ctx).handle, func(tx *tenancy.Tx) (err error) {
		out, err = offered(tx)
		return err
	})
	if err != nil {
		return offer{}, fmt.Errorf("read what grants are on: %w", err)
	}
	return out, nil
}

// checkGrant refuses a grant type that the tenant does not have on.
func (s *Server) checkGrant(ctx context.Context, grant string) error {
	if slices.Contains(grantTypes, grant) {
		return nil // without asking the database
	}
	on, err := s.offer(ctx)
	if err != nil || slices.Contains(on.grants, grant) {
		return err
	}
	return errGrantOff(on)
}

func errGrantOff(on offer) *oauthError {
	return &oauthError{Code: "unsupported_grant_type", Description: "grant_type must be " + strings.Join(on.grants, " or ") + "."}
}

// grantee is who gets a grant, and by which settings.
type grantee struct {
	client clients.Client
	set    settings.Settings
}

// readGrantee reads them in the transaction that gives: the client may have been blocked,
// and the grant switched off, since the client was authenticated.
func readGrantee(tx *tenancy.Tx, clientID, grant string) (g grantee, refused, err error) {
	if g.client, refused, err = known(tx, clientID); err != nil || refused != nil {
		return g, refused, err
	}
	on, err := offered(tx)
	if err == nil && !slices.Contains(on.grants, grant) {
		e := errGrantOff(on)
		refused = &oplib.Error{Code: e.Code, Description: e.Description}
	}
	g.set = on.set
	return g, refused, err
}

// giveOnce starts a family that nothing renews: it ends with its one access token.
func giveOnce(tx *tenancy.Tx, to grantee, family familyRow, jkt string) (grant, error) {
	signer, err := activeSigner(tx)
	if err != nil {
		return grant{}, err
	}
	now := tx.Now()
	family.TenantID, family.ID, family.ClientID, family.CreatedAt, family.ExpiresAt = tx.Tenant(), ids.New("fam"), to.client.ID, now, now.Add(to.set.Access)
	if err := tx.DB().Create(&family).Error; err != nil {
		return grant{}, fmt.Errorf("store token family: %w", err)
	}
	if err := clients.MarkUsed(tx, to.client.ID); err != nil {
		return grant{}, err
	}
	return grant{family: family, signer: signer, at: now, jkt: jkt}, nil
}
