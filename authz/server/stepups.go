package server

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"gorm.io/gorm"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/internal/logx"
	"github.com/emcy/gateway/tenancy"
)

const (
	// neededFor is how long the next sign-in asks for what a call lacked.
	neededFor = 10 * time.Minute
	// neededAgain is when the same lack is stored anew.
	neededAgain = neededFor / 2
	// maxNeeds bounds those that wait to be stored, and those that are known to be.
	maxNeeds = 1024
	// needTime bounds one write.
	needTime = 5 * time.Second
)

// stepUps takes what calls lacked from the edge to the families. Clients that ask for
// their old scope again, whatever a challenge names (mcp-remote, and the TypeScript SDK
// before 2.0), would be refused for ever. It is memory, and no promise: what there is no
// room for is left out.
type stepUps struct {
	mu      sync.Mutex
	waiting map[needing]authz.Scopes
	stored  map[needing]need
	storing bool
}

type needing struct{ issuer, family string }

type need struct {
	scopes authz.Scopes
	at     time.Time
}

func newStepUps() *stepUps {
	return &stepUps{waiting: map[needing]authz.Scopes{}, stored: map[needing]need{}}
}

// Needed takes note that a call with a family's token at a tenant's origin was refused
// for want of scopes. It never waits.
func (s *Server) Needed(issuer, familyID string, scopes []string) {
	u, key, now := s.stepUps, needing{issuer, familyID}, s.db.Clock().Now()
	u.mu.Lock()
	defer u.mu.Unlock()
	if known := u.stored[key]; known.scopes.Covers(scopes) && now.Sub(known.at) < neededAgain {
		return
	}
	if _, in := u.waiting[key]; !in && len(u.waiting) >= maxNeeds {
		return
	}
	u.waiting[key] = u.waiting[key].Union(scopes)
	if !u.storing {
		u.storing = true
		go s.storeNeeds()
	}
}

// storeNeeds stores what waits, until nothing does.
func (s *Server) storeNeeds() {
	u := s.stepUps
	for {
		u.mu.Lock()
		batch := u.waiting
		u.waiting = map[needing]authz.Scopes{}
		u.storing = len(batch) > 0
		u.mu.Unlock()
		if len(batch) == 0 {
			return
		}
		for key, scopes := range batch {
			if err := s.storeNeed(key, scopes); err != nil {
				s.log.Warn("what a call lacked is not stored", logx.Err, err)
				continue
			}
			u.mu.Lock()
			if len(u.stored) >= maxNeeds {
				clear(u.stored)
			}
			u.stored[key] = need{u.stored[key].scopes.Union(scopes), s.db.Clock().Now()}
			u.mu.Unlock()
		}
	}
}

func (s *Server) storeNeed(key needing, scopes authz.Scopes) error {
	ctx, cancel := context.WithTimeout(context.Background(), needTime)
	defer cancel()
	h, err := s.db.ForOrigin(ctx, key.issuer)
	if err != nil {
		return fmt.Errorf("find workspace: %w", err)
	}
	return s.db.Write(ctx, h, func(tx *tenancy.Tx) error {
		family, err := loadFamily(tx, key.family)
		if errors.Is(err, gorm.ErrRecordNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		now := tx.Now()
		if family.NeededAt != nil && now.Sub(*family.NeededAt) < neededFor {
			scopes = authz.ParseScopes(family.NeededScope).Union(scopes)
		}
		err = tx.DB().Model(&familyRow{}).Where("id = ?", key.family).Updates(map[string]any{"needed_scope": scopes.String(), "needed_at": &now}).Error
		if err != nil {
			return fmt.Errorf("store what a call lacked: %w", err)
		}
		return nil
	})
}

// Needed are the scopes that calls of the same app for the same person lacked at the
// runtime in the last ten minutes.
func (lookup) Needed(tx *tenancy.Tx, subject, clientID, upstreamID string) (authz.Scopes, error) {
	var lacks []string
	err := tx.DB().Model(&familyRow{}).Where("client_id = ? AND subject = ? AND upstream_id = ? AND needed_at > ?", clientID, subject, upstreamID, tx.Now().Add(-neededFor)).
		Pluck("needed_scope", &lacks).Error
	if err != nil {
		return nil, fmt.Errorf("read what calls lacked: %w", err)
	}
	var out authz.Scopes
	for _, one := range lacks {
		out = out.Union(authz.ParseScopes(one))
	}
	return out, nil
}
