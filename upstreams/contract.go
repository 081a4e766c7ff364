package upstreams

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/audit"
)

// The worker contract's headers by their default names.
const (
	HeaderSecret    = DefaultSecretHeader
	HeaderToken     = "X-Emcy-Upstream-Access-Token"
	HeaderSubject   = "X-Emcy-Subject"
	HeaderTenant    = "X-Emcy-Tenant"
	HeaderClient    = "X-Emcy-Client"
	HeaderRequestID = "X-Emcy-Request-Id"
	HeaderAssertion = "X-Emcy-Assertion"
)

// ContractHeaders are the headers that a runtime may have under other names, in the order of the
// documentation. The slice must not be changed.
var ContractHeaders = []string{HeaderSecret, HeaderToken, HeaderSubject, HeaderTenant, HeaderClient, HeaderRequestID, HeaderAssertion}

// Contract is how a runtime wants the worker contract. The zero value is the documented one.
type Contract struct {
	// Headers are the runtime's own names, by the default ones; those that are not in it keep theirs.
	Headers map[string]string `json:"headers,omitempty"`
	// Bearer sends the person's downstream token as "Authorization: Bearer".
	Bearer bool `json:"bearer,omitempty"`
	// AssertionOnly sends no secret: the runtime checks the signed assertion.
	AssertionOnly bool `json:"assertion_only,omitempty"`
}

// Name is what a header is called at the runtime, by its default name.
func (c Contract) Name(def string) string {
	if own := c.Headers[def]; own != "" {
		return own
	}
	return def
}

const (
	headerAuthorization = "Authorization"
	// maxHeaderName is the longest name of a header, in bytes.
	maxHeaderName = 64
	nameTaken     = "Another header has this name."
)

// settled gives the contract with its names in their canonical spelling and without those that say nothing.
// static are the names of the static headers. Errors: Invalid with the fields header.NAME for each default
// name, bearer, assertion_only.
func (c Contract) settled(static []string) (Contract, error) {
	out := Contract{Bearer: c.Bearer, AssertionOnly: c.AssertionOnly}
	problems := map[string]string{}
	for _, def := range slices.Sorted(maps.Keys(c.Headers)) {
		own := http.CanonicalHeaderKey(strings.TrimSpace(c.Headers[def]))
		switch {
		case !slices.Contains(ContractHeaders, def):
			problems["header."+def] = "The contract has no such header."
		case own == "" || own == def:
		default:
			if problem := renameProblem(own); problem != "" {
				problems["header."+def] = problem
				continue
			}
			if out.Headers == nil {
				out.Headers = map[string]string{}
			}
			out.Headers[def] = own
		}
	}
	taken := map[string]bool{}
	for _, name := range static {
		taken[name] = true
	}
	for _, def := range ContractHeaders {
		name := out.Name(def)
		if taken[name] {
			problems["header."+def] = nameTaken
		}
		taken[name] = true
	}
	if c.Bearer && taken[headerAuthorization] {
		problems["bearer"] = "One of the static headers is Authorization. Remove it first: a request has one Authorization."
	}
	return out, errs.Fields(problems)
}

// renameProblem says what keeps a name from being one of the contract's, or nothing.
func renameProblem(name string) string {
	switch {
	case len(name) > maxHeaderName:
		return fmt.Sprintf("Use at most %d characters.", maxHeaderName)
	case !httpguts.ValidHeaderFieldName(name) || strings.Contains(name, "_"):
		return "That is not a valid header name."
	case name == headerAuthorization:
		return "Authorization carries the person's token and nothing else: switch that on below."
	case strings.HasPrefix(name, "X-Emcy-"):
		return "Names that begin with X-Emcy- are the gateway's own."
	case reserved(name) || clientsOwn[name]:
		return "HTTP, MCP or the client sets this header."
	}
	return ""
}

// clientsOwn are headers that a client sends and a runtime reads.
var clientsOwn = map[string]bool{
	"User-Agent": true, "Accept-Language": true, "Traceparent": true, "Tracestate": true, "Baggage": true, "Via": true,
	"Content-Encoding": true, "Content-Language": true, "Content-Location": true, "Content-Range": true, "Date": true, "Range": true,
	"If-Match": true, "If-None-Match": true, "If-Modified-Since": true, "If-Unmodified-Since": true, "If-Range": true, "Max-Forwards": true,
	"Cache-Control": true, "Pragma": true, "Referer": true, "From": true, "Www-Authenticate": true, "Set-Cookie": true,
}

// SetContract changes how the runtime gets the worker contract. Errors: Invalid with the fields
// header.NAME for each default name, bearer, assertion_only; Stale when the version is not the stored one.
func (r *Registry) SetContract(ctx context.Context, h tenancy.Handle, slug string, c Contract, version int64) (Upstream, error) {
	var out Upstream
	err := r.db.Write(ctx, h, func(tx *tenancy.Tx) error {
		row, err := lockBySlug(tx, slug)
		if err != nil {
			return err
		}
		before, err := row.contract()
		if err != nil {
			return err
		}
		headers, err := row.headers(tx)
		if err != nil {
			return err
		}
		next, err := c.settled(namesOf(headers))
		if err != nil {
			return err
		}
		if next.AssertionOnly && r.asserter == nil {
			return errs.Field("assertion_only", "This gateway cannot check a runtime that takes no secret.")
		}
		changes, err := next.columns()
		if err != nil {
			return err
		}
		changes["version"], changes["updated_at"] = version+1, tx.Now()
		res := tx.DB().Model(&upstreamRow{}).Where("id = ? AND version = ?", row.ID, version).Updates(changes)
		if res.Error != nil {
			return res.Error
		}
		if res.RowsAffected == 0 {
			return errs.E(errs.Stale, "Somebody changed this runtime while you were editing. Look at the current values, then save again.", nil)
		}
		if err := audit.Record(tx, audit.Entry{Action: "upstream.contract", TargetKind: "upstream", TargetID: row.ID, Before: before, After: next}); err != nil {
			return err
		}
		if err := r.queue.EnqueueProbe(tx, ProbeArgs{TenantID: tx.Tenant(), UpstreamID: row.ID}); err != nil {
			return err
		}
		tx.Notify(tenancy.ConfigTopic(tx.Tenant()))
		if row, err = byID(tx, row.ID); err != nil {
			return err
		}
		out, err = row.upstream(tx)
		return err
	})
	if err != nil {
		return Upstream{}, fmt.Errorf("set contract: %w", err)
	}
	return out, nil
}

func namesOf(headers []Header) []string {
	names := make([]string, len(headers))
	for i, h := range headers {
		names[i] = h.Name
	}
	return names
}

// columns are the contract as it is stored: the name of the secret's header has a column of its own.
func (c Contract) columns() (map[string]any, error) {
	stored := c
	stored.Headers = maps.Clone(c.Headers)
	delete(stored.Headers, HeaderSecret)
	encoded, err := json.Marshal(stored)
	if err != nil {
		return nil, fmt.Errorf("encode contract: %w", err)
	}
	return map[string]any{"contract": string(encoded), "secret_header": c.Name(HeaderSecret)}, nil
}

// contract reads what columns wrote.
func (r upstreamRow) contract() (Contract, error) {
	var c Contract
	if r.Contract != "" {
		if err := json.Unmarshal([]byte(r.Contract), &c); err != nil {
			return Contract{}, fmt.Errorf("read contract of %s: %w", r.ID, err)
		}
	}
	if r.SecretHeader != "" && r.SecretHeader != HeaderSecret {
		if c.Headers == nil {
			c.Headers = map[string]string{}
		}
		c.Headers[HeaderSecret] = r.SecretHeader
	}
	return c, nil
}

// collides says which of the typed static headers the contract has taken, for a form that changes them.
func (c Contract) collides(in Input) error {
	problems := map[string]string{}
	for i, name := range in.HeaderNames {
		if name == "" {
			continue
		}
		taken := c.Bearer && name == headerAuthorization
		for _, def := range ContractHeaders {
			taken = taken || c.Name(def) == name
		}
		if taken {
			problems[fmt.Sprintf("header_name.%d", i)] = "The runtime's contract uses this header."
		}
	}
	return errs.Fields(problems)
}
