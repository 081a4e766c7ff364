package server

import (
	"sync"
	"time"

	"github.com/emcy/gateway/authz/server/settings"
	"github.com/emcy/gateway/internal/jws"
	"github.com/emcy/gateway/tenancy"
)

// terms are what every access token of a tenant is issued under. Whoever changes them
// moves the tenant's generation on, so they hold as long as it stays.
type terms struct {
	generation int64
	set        settings.Settings
	signer     jws.Signer
}

// maxTerms bounds how many tenants' terms are kept.
const maxTerms = 4096

// knownTerms keeps the terms of the tenants that issue most, their signing key opened.
type knownTerms struct {
	mu    sync.Mutex
	known map[string]terms
}

func newKnownTerms() *knownTerms { return &knownTerms{known: map[string]terms{}} }

// of gives the terms of the transaction's tenant at a generation that was read in it.
func (k *knownTerms) of(tx *tenancy.Tx, generation int64) (terms, error) {
	if t, ok := k.at(tx.Tenant(), generation); ok {
		return t, nil
	}
	t := terms{generation: generation}
	var err error
	if t.set, err = settings.Load(tx); err != nil {
		return terms{}, err
	}
	if t.signer, err = activeSigner(tx); err != nil {
		return terms{}, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for id := range k.known {
		if len(k.known) < maxTerms {
			break
		}
		delete(k.known, id)
	}
	k.known[tx.Tenant()] = t
	return t, nil
}

// at gives the terms of a generation where they are known.
func (k *knownTerms) at(tenant string, generation int64) (t terms, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	t, ok = k.known[tenant]
	return t, ok && t.generation == generation
}

// grant is what a token holder gets under the terms.
func (t terms) grant(family familyRow, refresh string, at time.Time) grant {
	return grant{family: family, signer: t.signer, refresh: refresh, at: at, life: t.set.Access}
}
