package server

import (
	"context"
	"fmt"

	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/tenancy"
)

// rotateAtOnce rotates the members' ordinary ones of a batch in one round trip, where
// the database has such a thing. What it leaves out is not in its answer.
func (s *Server) rotateAtOnce(ctx context.Context, h tenancy.Handle, batch []*rotation) (map[*rotation]grant, error) {
	if !s.db.HasOnce() {
		return nil, nil
	}
	now := s.db.Clock().Now()
	var hashes, nexts, clients, resources []string
	var unproven []bool
	asked := map[string]*rotation{}
	refresh := map[string]string{} // the successors, by the hash of the token before
	for _, one := range batch {
		if len(one.request.Resources) > 1 || asked[one.hash] != nil {
			continue
		}
		mac, err := s.db.MAC(ctx, h, labelSuccessor, one.hash)
		if err != nil {
			return nil, fmt.Errorf("derive refresh token: %w", err)
		}
		resource := ""
		if len(one.request.Resources) == 1 {
			resource = one.request.Resources[0]
		}
		asked[one.hash], refresh[one.hash] = one, ids.FromKey(refreshPrefix, mac)
		hashes, nexts = append(hashes, one.hash), append(nexts, ids.Hash(refresh[one.hash]))
		clients, resources, unproven = append(clients, one.request.ClientID), append(resources, resource), append(unproven, one.request.Unproven)
	}
	var lines []line
	err := s.db.Once(ctx, h, tenancy.Rotation, func(scan func(...any) error) error {
		var l line
		err := scan(&l.Hash, &l.FamilyID, &l.ClientID, &l.Subject, &l.UpstreamID, &l.Resource, &l.Scope, &l.FamilyExpiresAt, &l.IdleSeconds, &l.TenantGeneration)
		lines = append(lines, l)
		return err
	}, hashes, nexts, clients, unproven, resources, now)
	if err != nil {
		return nil, fmt.Errorf("rotate refresh tokens: %w", err)
	}
	if len(lines) == 0 {
		return nil, nil
	}
	terms, err := s.termsOf(ctx, h, lines[0].TenantGeneration)
	if err != nil {
		return nil, err
	}
	granted := map[*rotation]grant{}
	for _, l := range lines {
		granted[asked[l.Hash]] = terms.grant(l.family(h.Tenant()), refresh[l.Hash], now)
	}
	return granted, nil
}

// termsOf gives the terms of a tenant whose generation was read a moment ago.
func (s *Server) termsOf(ctx context.Context, h tenancy.Handle, generation int64) (t terms, err error) {
	if t, ok := s.terms.at(h.Tenant(), generation); ok {
		return t, nil
	}
	err = s.db.Read(ctx, h, func(tx *tenancy.Tx) error {
		t, err = s.terms.of(tx, generation)
		return err
	})
	if err != nil {
		return terms{}, fmt.Errorf("read terms: %w", err)
	}
	return t, nil
}
