package server

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/emcy/gateway/authz/server/oplib"
	"github.com/emcy/gateway/authz/server/settings"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/tenancy"
)

// errRaced is a refresh token that another node used meanwhile.
var errRaced = errors.New("a refresh token was used meanwhile")

// rotateAll rotates the ordinary ones of a batch; the others are not in its answer.
func (s *Server) rotateAll(tx *tenancy.Tx, batch []*rotation) (map[*rotation]grant, error) {
	lines, err := unused(tx, batch)
	if err != nil || len(lines) == 0 {
		return nil, err
	}
	terms, err := s.terms.of(tx, lines[0].TenantGeneration)
	if err != nil || terms.set.DPoP == settings.Required {
		return nil, err
	}
	now := tx.Now()
	granted := map[*rotation]grant{}
	var used []string
	var rows []refreshRow
	for _, one := range batch {
		i := slices.IndexFunc(lines, func(l line) bool { return l.Hash == one.hash })
		if i < 0 || slices.Contains(used, one.hash) || !lines[i].ordinary(one.request, now) {
			continue
		}
		entitled, err := s.entitled(tx, lines[i])
		if err != nil {
			return nil, err
		}
		if !entitled {
			continue
		}
		mac, err := tx.MAC(labelSuccessor, one.hash)
		if err != nil {
			return nil, err
		}
		g := terms.grant(lines[i].family(tx.Tenant()), ids.FromKey(refreshPrefix, mac), now)
		granted[one] = g
		used = append(used, one.hash)
		rows = append(rows, g.row(tx, lines[i].Generation+1))
	}
	if len(used) == 0 {
		return granted, nil
	}
	if err := store(tx, used, rows); err != nil {
		return nil, err
	}
	return granted, nil
}

// store uses the tokens and stores their successors.
func store(tx *tenancy.Tx, used []string, rows []refreshRow) error {
	n, err := tx.Exec(tenancy.RotationUse, used, tx.Now())
	if err != nil {
		return fmt.Errorf("use refresh tokens: %w", err)
	}
	if n != int64(len(used)) {
		return errRaced
	}
	for _, r := range rows {
		if _, err := tx.Exec(tenancy.RotationStore, r.Hash, r.FamilyID, r.Generation, r.CreatedAt, r.ExpiresAt); err != nil {
			return fmt.Errorf("store refresh token: %w", err)
		}
	}
	return nil
}

// line is an unused refresh token with everything that its renewal depends on, read
// in one statement: a round trip to the database costs more than the rows.
type line struct {
	Hash             string
	Generation       int64
	ExpiresAt        time.Time
	FamilyID         string
	ClientID         string
	Subject          string
	UpstreamID       string
	Resource         string
	Scope            string
	FamilyExpiresAt  time.Time
	IdleSeconds      int64
	Public           bool
	Member           bool
	TenantGeneration int64
}

// unused reads the batch's tokens that were never used, of families, clients and
// runtimes that are still there and need no key.
func unused(tx *tenancy.Tx, batch []*rotation) ([]line, error) {
	hashes := make([]string, len(batch))
	for i, one := range batch {
		hashes[i] = one.hash
	}
	lines := make([]line, 0, len(batch))
	err := tx.Select(tenancy.RotationRead, func(scan func(...any) error) error {
		var l line
		err := scan(&l.Hash, &l.Generation, &l.ExpiresAt, &l.FamilyID, &l.ClientID, &l.Subject, &l.UpstreamID, &l.Resource, &l.Scope,
			&l.FamilyExpiresAt, &l.IdleSeconds, &l.Public, &l.Member, &l.TenantGeneration)
		lines = append(lines, l)
		return err
	}, hashes)
	if err != nil {
		return nil, fmt.Errorf("read refresh tokens: %w", err)
	}
	return lines, nil
}

// ordinary tells whether a request for the line is one of those that share.
func (l line) ordinary(r oplib.RefreshRequest, now time.Time) bool {
	return !now.After(l.ExpiresAt) && !now.After(l.FamilyExpiresAt) && l.ClientID == r.ClientID && (l.Public || !r.Unproven) &&
		checkResources(r.Resources, l.Resource) == nil
}

func (l line) family(tenant string) familyRow {
	return familyRow{
		TenantID: tenant, ID: l.FamilyID, ClientID: l.ClientID, Subject: l.Subject, UpstreamID: l.UpstreamID, Resource: l.Resource, Scope: l.Scope,
		ExpiresAt: l.FamilyExpiresAt, IdleSeconds: l.IdleSeconds,
	}
}

// entitled asks about people who are no members: those of an identity provider or a profile's.
func (s *Server) entitled(tx *tenancy.Tx, l line) (bool, error) {
	if l.Member {
		return true, nil
	}
	ok, err := s.flow.EntitledAt(tx, l.Subject, l.UpstreamID)
	if err != nil {
		return false, fmt.Errorf("check subject: %w", err)
	}
	return ok, nil
}
