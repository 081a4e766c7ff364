package server

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm/clause"

	"github.com/emcy/gateway/authz/server/clients"
	"github.com/emcy/gateway/authz/server/oplib"
	"github.com/emcy/gateway/authz/server/settings"
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
		g, err := derive(tx, terms.signer, terms.set.Access, lines[i].family(), lines[i].Generation+1)
		if err != nil {
			return nil, err
		}
		granted[one] = g
		used = append(used, one.hash)
		rows = append(rows, g.row(tx, lines[i].Generation+1))
	}
	if len(used) == 0 {
		return granted, nil
	}
	res := tx.DB().Model(&refreshRow{}).Where("hash IN ? AND used_at IS NULL", padded(used)).Update("used_at", &now)
	if res.Error != nil {
		return nil, fmt.Errorf("use refresh tokens: %w", res.Error)
	}
	if res.RowsAffected != int64(len(used)) {
		return nil, errRaced
	}
	if err := tx.DB().Create(&rows).Error; err != nil {
		return nil, fmt.Errorf("store refresh tokens: %w", err)
	}
	return granted, nil
}

// line is an unused refresh token with everything that its renewal depends on, read
// in one statement: a round trip to the database costs more than the rows.
type line struct {
	TenantID         string
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

func (line) TableName() string { return "refresh_tokens" }

const lineColumns = "refresh_tokens.tenant_id, refresh_tokens.hash, refresh_tokens.generation, refresh_tokens.expires_at, refresh_tokens.family_id," +
	" f.client_id, f.subject, f.upstream_id, f.resource, f.scope, f.expires_at AS family_expires_at, f.idle_seconds," +
	" (c.auth_method = 'none' OR c.auth_optional) AS public, (m.account_id IS NOT NULL) AS member, t.generation AS tenant_generation"

// unused reads the batch's tokens that were never used, of families, clients and
// runtimes that are still there and need no key.
func unused(tx *tenancy.Tx, batch []*rotation) ([]line, error) {
	hashes := make([]string, len(batch))
	for i, one := range batch {
		hashes[i] = one.hash
	}
	query := tx.DB().Select(lineColumns).
		Joins("JOIN tenants t ON t.id = refresh_tokens.tenant_id").
		Joins("JOIN token_families f ON f.tenant_id = refresh_tokens.tenant_id AND f.id = refresh_tokens.family_id AND f.revoked_at IS NULL AND f.dpop_jkt = ''").
		Joins("JOIN clients c ON c.tenant_id = f.tenant_id AND c.id = f.client_id AND c.status = ? AND NOT c.dpop_required AND c.grant_types LIKE ?", clients.Active, `%"refresh_token"%`).
		Joins("JOIN upstreams u ON u.tenant_id = f.tenant_id AND u.id = f.upstream_id").
		Joins("LEFT JOIN members m ON m.tenant_id = f.tenant_id AND m.account_id = f.subject")
	if tx.Postgres() {
		// A row that another transaction holds must not hold up everybody: it is left to rotate.
		query = query.Clauses(clause.Locking{Strength: "UPDATE", Table: clause.Table{Name: "refresh_tokens"}, Options: "SKIP LOCKED"})
	}
	var lines []line
	if err := query.Where("refresh_tokens.hash IN ? AND refresh_tokens.used_at IS NULL", padded(hashes)).Find(&lines).Error; err != nil {
		return nil, fmt.Errorf("read refresh tokens: %w", err)
	}
	return lines, nil
}

// ordinary tells whether a request for the line is one of those that share.
func (l line) ordinary(r oplib.RefreshRequest, now time.Time) bool {
	return !now.After(l.ExpiresAt) && !now.After(l.FamilyExpiresAt) && l.ClientID == r.ClientID && (l.Public || !r.Unproven) &&
		checkResources(r.Resources, l.Resource) == nil
}

func (l line) family() familyRow {
	return familyRow{
		TenantID: l.TenantID, ID: l.FamilyID, ClientID: l.ClientID, Subject: l.Subject, UpstreamID: l.UpstreamID, Resource: l.Resource, Scope: l.Scope,
		ExpiresAt: l.FamilyExpiresAt, IdleSeconds: l.IdleSeconds,
	}
}

// entitled asks about people who are no members: those of an identity provider.
func (s *Server) entitled(tx *tenancy.Tx, l line) (bool, error) {
	if l.Member {
		return true, nil
	}
	ok, err := s.flow.Entitled(tx, l.Subject)
	if err != nil {
		return false, fmt.Errorf("check subject: %w", err)
	}
	return ok, nil
}

// padded repeats the last value up to a power of two, so that there are few
// statements for the database to prepare.
func padded(values []string) []string {
	out := slices.Clone(values)
	for len(out)&(len(out)-1) != 0 {
		out = append(out, out[len(out)-1])
	}
	return out
}
