package clients

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/emcy/gateway/authz/server/settings"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/logx"
	"github.com/emcy/gateway/tenancy"
)

const (
	// failureKept is how long a failed fetch is not tried again; less than the minute that
	// an error may be kept.
	failureKept = 30 * time.Second
	maxFailures = 10_000
)

// documentID names a document. Two tenants share none.
type documentID struct{ tenant, id string }

type failure struct {
	until time.Time
	words string
}

// findDocument gives the client of a metadata document, fetched anew where it is old.
func (c *Clients) findDocument(ctx context.Context, h tenancy.Handle, id string) (Client, error) {
	who := listed().byDocument(id)
	r, ok, s, err := c.stored(ctx, h, id)
	if err != nil {
		return Client{}, err
	}
	if !documentAdmitted(s, who) {
		return Client{}, &Refusal{Reason: NotAdmitted, Client: Client{ID: id, Name: shownName(r.Name), Kind: KindCIMD, Host: hostOf(id)}, Words: "This workspace does not take this client. An administrator can let it in."}
	}
	if ok && (r.Status == Blocked || r.fresh(c.db.Clock().Now())) {
		return r.admitted()
	}
	if err := c.renew(ctx, h, id, who); err != nil {
		return Client{}, err
	}
	r, ok, _, err = c.stored(ctx, h, id)
	switch {
	case err != nil:
		return Client{}, err
	case !ok:
		return Client{}, refuse(Unknown, Client{})
	}
	return r.admitted()
}

func (r row) fresh(now time.Time) bool { return r.FreshUntil != nil && now.Before(*r.FreshUntil) }

func (r row) admitted() (Client, error) {
	c, err := r.client()
	if err != nil {
		return Client{}, err
	}
	return c, c.barred()
}

func (c *Clients) stored(ctx context.Context, h tenancy.Handle, id string) (r row, ok bool, s settings.Settings, err error) {
	err = c.db.Read(ctx, h, func(tx *tenancy.Tx) (err error) {
		if s, err = settings.Load(tx); err != nil {
			return err
		}
		r, ok, err = loadRow(tx, id)
		return err
	})
	if err != nil {
		err = fmt.Errorf("find client: %w", err)
	}
	return r, ok, s, err
}

// documentAdmitted holds a client's identity against the tenant's mode.
func documentAdmitted(s settings.Settings, who *identity) bool {
	switch s.CIMD { //nolint:exhaustive // the others are no modes of documents
	case settings.Any, settings.Report:
		return true
	case settings.Known:
		return who != nil
	}
	return false
}

// renew fetches a document and stores what is new. Every failure to get a valid one is
// the same refusal, after the same time: who may name any URL learns nothing of what is
// behind it. The detail is for the workspace's own people.
func (c *Clients) renew(ctx context.Context, h tenancy.Handle, id string, who *identity) error {
	key := documentID{h.Tenant(), id}
	if words, failed := c.failed(key); failed {
		return unreadable(id, words)
	}
	evened := time.After(c.evenly)
	err := c.renewOnce(ctx, h, key, who)
	if _, refused := errors.AsType[*Refusal](err); refused {
		<-evened
	}
	return err
}

// renewOnce joins whoever fetches the same document already.
func (c *Clients) renewOnce(ctx context.Context, h tenancy.Handle, key documentID, who *identity) error {
	_, err := c.fetches.do(ctx, key, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, c.renewNow(ctx, h, key, who)
	})
	return err
}

func (c *Clients) renewNow(ctx context.Context, h tenancy.Handle, key documentID, who *identity) error {
	r, ok, _, err := c.stored(ctx, h, key.id)
	if err != nil || ok && r.fresh(c.db.Clock().Now()) { // somebody stored it in between
		return err
	}
	got, err := c.fetch(ctx, key.id, r.ETag)
	if err != nil {
		words := detail(err)
		c.log.WarnContext(ctx, "client metadata document not usable", "client", key.id, logx.Err, err)
		if got, ok = c.substitute(key.id, who, ok, words); !ok {
			c.fail(key, words)
			return c.unusable(ctx, h, key.id, words)
		}
	}
	err = c.db.Write(ctx, h, func(tx *tenancy.Tx) error { return c.keep(tx, key.id, who, got) })
	if errs.Is(err, errs.Conflict) { // another node stored it first
		return nil
	}
	if err != nil {
		return fmt.Errorf("store client metadata document: %w", err)
	}
	return nil
}

// substitute is what serves a known vendor's client whose document cannot be had: the
// last good one, or the catalogue's copy. Vendors' servers refuse data centres now and
// then, and a client that is refused here does not try another way.
func (c *Clients) substitute(id string, who *identity, stored bool, words string) (fetched, bool) {
	if who == nil {
		return fetched{}, false
	}
	if stored {
		return fetched{unchanged: true, fresh: shortestFresh, note: words}, true
	}
	raw := who.copyOf(id)
	if raw == nil {
		return fetched{}, false
	}
	parsed, err := parseDocument(c.outbound, id, raw)
	if err != nil {
		return fetched{}, false
	}
	return fetched{accepted: parsed, raw: raw, fresh: shortestFresh, note: words + " (the copy of " + who.client.Seen + " is used)"}, true
}

// unusable notes the failure where the console will show it.
func (c *Clients) unusable(ctx context.Context, h tenancy.Handle, id, words string) error {
	err := c.db.Write(ctx, h, func(tx *tenancy.Tx) error {
		return tx.DB().Model(&row{}).Where("id = ?", id).Update("fetch_error", words).Error
	})
	if err != nil {
		return fmt.Errorf("note failed fetch: %w", err)
	}
	return unreadable(id, words)
}

func unreadable(id, detail string) *Refusal {
	return &Refusal{
		Reason: Unreachable, Client: Client{ID: id, Kind: KindCIMD, Host: hostOf(id)}, Detail: detail,
		Words: "The client's metadata document cannot be read, or is not valid.",
	}
}

func (c *Clients) failed(key documentID) (words string, failed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f, ok := c.failures[key]
	return f.words, ok && c.db.Clock().Now().Before(f.until)
}

func (c *Clients) fail(key documentID, words string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.failures) >= maxFailures {
		clear(c.failures)
	}
	c.failures[key] = failure{c.db.Clock().Now().Add(failureKept), words}
}
