package trace

import "sync"

// maxSettled is how many families are remembered; a forgotten one costs a look into the database.
const maxSettled = 50_000

// settled are the families whose first call is on record. Each of their later tokens would
// otherwise cost a transaction that changes nothing.
type settled struct {
	mu       sync.Mutex
	families map[string]struct{}
}

func newSettled() *settled { return &settled{families: map[string]struct{}{}} }

func (s *settled) has(family string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.families[family]
	return ok
}

func (s *settled) add(family string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for other := range s.families {
		if len(s.families) < maxSettled {
			break
		}
		delete(s.families, other)
	}
	s.families[family] = struct{}{}
}
