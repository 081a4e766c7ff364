package edge

import (
	"crypto/sha256"
	"sync"
	"time"

	"github.com/emcy/gateway/internal/dpop"
	"github.com/emcy/gateway/internal/oauthwire"
)

var (
	faultUnproven = &tokenFault{reasonProof, "it is bound to a key and needs the scheme DPoP and a proof"}
	faultUnbound  = &tokenFault{reasonProof, "it is bound to no key and needs the scheme Bearer"}
	faultManifold = &tokenFault{reasonProof, "it needs exactly one DPoP proof"}
	faultOtherKey = &tokenFault{reasonProof, "it is bound to another key than the DPoP proof's"}
	faultReplayed = &tokenFault{reasonProof, "the DPoP proof was used before"}
)

// prove checks that whoever sends a bound token holds its key (RFC 9449, sections 4.3
// and 7.1). proves tells that the token came under the scheme DPoP.
func (x *exchange) prove(a *access, token string, proves bool) *tokenFault {
	if !proves {
		return faultUnproven
	}
	if a.jkt == "" {
		return faultUnbound
	}
	sent := x.r.Header["Dpop"]
	if len(sent) != 1 {
		return faultManifold
	}
	now := x.front.clock.Now()
	urls := make([]string, len(x.tenant.Origins))
	for i, origin := range x.tenant.Origins {
		urls[i] = origin + "/" + x.edge.Slug + "/mcp"
	}
	p, err := dpop.Verify(sent[0], dpop.Request{Method: x.r.Method, URLs: urls, AccessToken: token, Now: now})
	switch {
	case err != nil:
		return &tokenFault{reasonProof, err.Error()}
	case p.Thumbprint != a.jkt:
		return faultOtherKey
	case !x.front.proofs.first(p, now):
		return faultReplayed
	}
	return nil
}

// alsoDPoP adds the challenge for clients that can bind their tokens.
func (x *exchange) alsoDPoP(re *refusal, proves bool, fault *tokenFault) *refusal {
	if !x.tenant.DPoP && !proves && (fault == nil || fault.reason != reasonProof) {
		return re
	}
	c := oauthwire.DPoPChallenge{Algorithms: dpop.Algorithms}
	if fault != nil {
		c.Error, c.Description = oauthwire.ErrorInvalidToken, fault.description
		if fault.reason == reasonProof && proves {
			c.Error = dpop.ErrorInvalidProof
		}
	}
	re.second = c.String()
	return re
}

// maxProofs bounds each of the two halves of what is remembered.
const maxProofs = 64 << 10

// proofs remembers the proofs of the last two minutes, within a bound: under more
// than maxProofs in a proof's life the oldest are forgotten early. Every node
// remembers its own.
type proofs struct {
	mu         sync.Mutex
	young, old map[[sha256.Size]byte]struct{}
	turned     time.Time
}

func newProofs() *proofs { return &proofs{young: map[[sha256.Size]byte]struct{}{}} }

// proofLife is from the earliest moment at which a proof is accepted to the last.
const proofLife = 2*dpop.Window + time.Second

// first notes a proof, and reports whether it is the first time. What is older than a
// proof can live falls out with its half.
func (s *proofs) first(p dpop.Proof, now time.Time) bool {
	id := sha256.Sum256([]byte(p.Thumbprint + p.ID)) // a thumbprint has one length
	s.mu.Lock()
	defer s.mu.Unlock()
	if age := now.Sub(s.turned); age >= proofLife || len(s.young) >= maxProofs {
		s.young, s.old, s.turned = map[[sha256.Size]byte]struct{}{}, s.young, now
		if age >= 2*proofLife {
			s.old = nil
		}
	}
	_, young := s.young[id]
	_, old := s.old[id]
	if young || old {
		return false
	}
	s.young[id] = struct{}{}
	return true
}
