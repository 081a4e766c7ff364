package server

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"gorm.io/gorm/clause"

	"github.com/emcy/gateway/authz/server/flow"
	"github.com/emcy/gateway/authz/server/oplib"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/tenancy"
)

const (
	// maxShared is how many refreshes share a transaction; while it runs, those of the
	// one before are signed and sent.
	maxShared = 32
	// sharedTime ends a shared transaction, because no request of those that wait may.
	sharedTime = 10 * time.Second
)

// rotations gathers refreshes of a tenant that arrive while a transaction of others
// is under way, and does them in one: the transaction costs far more than a token.
// Nobody waits for company: without a transaction under way it begins at once.
//
// Only the ordinary refresh is done here: a token that was never used, presented
// alone and by its client, of a line that lives. Everything else is left to rotate,
// so that each judgement stands in one place.
type rotations struct {
	mu    sync.Mutex
	lines map[string]*line // by tenant; those with somebody in
}

// line is who waits for one tenant. One of them leads: it does the transaction.
type line struct{ waiting []*rotation }

type rotation struct {
	request oplib.RefreshRequest
	hash    string
	// turn is closed when the rotation is over, or its request is to lead.
	turn    chan struct{}
	leads   bool
	granted grant
	done    bool
	err     error
}

func newRotations() *rotations { return &rotations{lines: map[string]*line{}} }

// take does one refresh. Where done is false nothing has happened to it.
func (b *rotations) take(ctx context.Context, s *Server, h tenancy.Handle, r oplib.RefreshRequest) (_ grant, done bool, err error) {
	one := &rotation{request: r, hash: ids.Hash(r.RefreshToken), turn: make(chan struct{})}
	b.mu.Lock()
	l := b.lines[h.Tenant()]
	if l == nil {
		l = &line{}
		b.lines[h.Tenant()] = l
		one.leads = true
	}
	l.waiting = append(l.waiting, one)
	b.mu.Unlock()
	if !one.leads {
		<-one.turn // bounded: whoever leads has a deadline, and always hands over
	}
	if one.leads {
		b.lead(ctx, s, h, l)
	}
	return one.granted, one.done, one.err
}

// lead does the refreshes that wait, its own among them, and hands the line over.
func (b *rotations) lead(ctx context.Context, s *Server, h tenancy.Handle, l *line) {
	b.mu.Lock()
	n := min(len(l.waiting), maxShared)
	batch := slices.Clone(l.waiting[:n])
	b.mu.Unlock()
	defer b.handOver(h.Tenant(), l, batch)
	// The others' refreshes must not end with this one's request.
	shared, cancel := context.WithTimeout(context.WithoutCancel(ctx), sharedTime)
	defer cancel()
	var granted map[*rotation]grant
	err := s.db.Write(shared, h, func(tx *tenancy.Tx) (err error) {
		granted, err = s.rotateAll(tx, batch)
		return err
	})
	for _, one := range batch {
		switch {
		case err == nil:
			one.granted, one.done = granted[one]
		case errs.Is(err, errs.Unavailable):
			one.err = err // each by itself would only add to it
		}
	}
}

// handOver ends the batch's waiting, and makes the first who is left the leader.
func (b *rotations) handOver(tenant string, l *line, batch []*rotation) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l.waiting = l.waiting[len(batch):]
	for _, one := range batch[1:] { // the first is who leads, and waits for nobody
		close(one.turn)
	}
	if len(l.waiting) == 0 {
		delete(b.lines, tenant)
		return
	}
	next := l.waiting[0]
	next.leads = true
	close(next.turn)
}

// errRaced is a refresh token that another node used meanwhile.
var errRaced = errors.New("a refresh token was used meanwhile")

// rotateAll rotates the ordinary ones of a batch; the others are not in its answer.
func (s *Server) rotateAll(tx *tenancy.Tx, batch []*rotation) (map[*rotation]grant, error) {
	tokens, families, err := unused(tx, batch)
	if err != nil {
		return nil, err
	}
	entitled, err := s.entitled(tx, families)
	if err != nil {
		return nil, err
	}
	now := tx.Now()
	granted := map[*rotation]grant{}
	var signer jose.Signer
	var used []string
	var rows []refreshRow
	for _, one := range batch {
		token, ok := tokens[one.hash]
		family, alive := families[token.FamilyID]
		if !ok || !alive || slices.Contains(used, one.hash) || now.After(token.ExpiresAt) || now.After(family.ExpiresAt) ||
			family.ClientID != one.request.ClientID || checkResources(one.request.Resources, family.Resource) != nil || !entitled(family) {
			continue
		}
		if signer == nil {
			if signer, err = activeSigner(tx); err != nil {
				return nil, err
			}
		}
		g, err := derive(tx, signer, family, token.Generation+1)
		if err != nil {
			return nil, err
		}
		granted[one] = g
		used = append(used, one.hash)
		rows = append(rows, g.row(tx, token.Generation+1))
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

// unused reads the batch's tokens that were never used, and their families that live.
func unused(tx *tenancy.Tx, batch []*rotation) (map[string]refreshRow, map[string]familyRow, error) {
	hashes := make([]string, len(batch))
	for i, one := range batch {
		hashes[i] = one.hash
	}
	var tokens []refreshRow
	query := tx.DB()
	if tx.Postgres() {
		// A row that another transaction holds must not hold up everybody: it is left to rotate.
		query = query.Clauses(clause.Locking{Strength: "UPDATE", Options: "SKIP LOCKED"})
	}
	if err := query.Where("hash IN ? AND used_at IS NULL", padded(hashes)).Find(&tokens).Error; err != nil {
		return nil, nil, fmt.Errorf("read refresh tokens: %w", err)
	}
	byHash, byID := map[string]refreshRow{}, map[string]familyRow{}
	if len(tokens) == 0 {
		return byHash, byID, nil
	}
	var familyIDs []string
	for _, token := range tokens {
		byHash[token.Hash] = token
		familyIDs = append(familyIDs, token.FamilyID)
	}
	var families []familyRow
	if err := tx.DB().Where("id IN ? AND revoked_at IS NULL", padded(familyIDs)).Find(&families).Error; err != nil {
		return nil, nil, fmt.Errorf("read token families: %w", err)
	}
	for _, family := range families {
		byID[family.ID] = family
	}
	return byHash, byID, nil
}

// entitled reads whether the families' clients, people and runtimes are still there.
func (s *Server) entitled(tx *tenancy.Tx, families map[string]familyRow) (func(familyRow) bool, error) {
	if len(families) == 0 {
		return func(familyRow) bool { return false }, nil
	}
	clients, people := map[string]bool{}, map[string]bool{}
	for _, family := range families {
		clients[family.ClientID], people[family.Subject] = true, true
	}
	var registered []string
	if err := tx.DB().Model(&clientRow{}).Where("id IN ?", padded(slices.Collect(maps.Keys(clients)))).Pluck("id", &registered).Error; err != nil {
		return nil, fmt.Errorf("find clients: %w", err)
	}
	members, err := tx.MembersAmong(padded(slices.Collect(maps.Keys(people))))
	if err != nil {
		return nil, fmt.Errorf("check membership: %w", err)
	}
	runtimes, err := s.resources.All(tx)
	if err != nil {
		return nil, fmt.Errorf("list resources: %w", err)
	}
	return func(f familyRow) bool {
		return slices.Contains(registered, f.ClientID) && slices.Contains(members, f.Subject) &&
			slices.ContainsFunc(runtimes, func(r flow.Resource) bool { return r.ID == f.UpstreamID })
	}, nil
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
