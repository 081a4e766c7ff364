package upstreams

import "github.com/emcy/gateway/tenancy"

// Asserter makes signed assertions as the edge sends them (product.md, the worker contract), about nobody:
// for probes and checks of runtimes that take no secret.
type Asserter interface {
	// Assertion gives one of the tenant for an audience, and one like it that a stranger signed. It makes no
	// network call. Both live a minute.
	Assertion(tx *tenancy.Tx, audience string) (good, foreign string, err error)
}

// UseAssertions lets the registry speak to runtimes that take no secret. It is called once, before use.
func (r *Registry) UseAssertions(a Asserter) { r.asserter = a }
