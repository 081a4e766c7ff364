package clients

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/emcy/gateway/tenancy"
)

// Bounds of one Renew.
const (
	renewAtOnce = 500
	// renewPerHost bounds what one host is asked for, one after the other.
	renewPerHost = 50
	renewHosts   = 8 // asked at the same time
)

// dueDocument is a client whose document is to be read again.
type dueDocument struct{ TenantID, ID string }

func (dueDocument) TableName() string { return "clients" }

// Renew reads documents anew that are not fresh any more, of clients that somebody is
// signed in with, in all tenants. Who only refreshes tokens never comes by /authorize, and
// a document that was swapped has to end those tokens, too.
//
// At most 500 documents a call, chosen by lot so that dead ones keep none waiting, and at
// most 50 of one host; a host that fails is left in peace until the next call. A document
// that cannot be read ends nothing: its host may be down.
func (c *Clients) Renew(ctx context.Context) error {
	due, err := c.due(ctx)
	if err != nil {
		return err
	}
	byHost := map[string][]dueDocument{}
	for _, d := range due {
		if host := hostOf(d.ID); len(byHost[host]) < renewPerHost {
			byHost[host] = append(byHost[host], d)
		}
	}
	var failed error
	var mu sync.Mutex
	var hosts sync.WaitGroup
	places := make(chan struct{}, renewHosts)
	for _, list := range byHost {
		places <- struct{}{}
		hosts.Go(func() {
			defer func() { <-places }()
			if err := c.renewHost(ctx, list); err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed = errors.Join(failed, err)
			}
		})
	}
	hosts.Wait()
	return failed
}

func (c *Clients) due(ctx context.Context) (due []dueDocument, err error) {
	err = c.db.SystemRead(ctx, tenancy.ReasonDocuments, func(tx *tenancy.Tx) error {
		return tx.DB().Where("kind = ? AND status = ? AND (fresh_until IS NULL OR fresh_until <= ?)", KindCIMD, Active, tx.Now()).
			Where("EXISTS (SELECT 1 FROM token_families f WHERE f.tenant_id = clients.tenant_id AND f.client_id = clients.id AND f.revoked_at IS NULL AND f.expires_at > ?)", tx.Now()).
			Order("random()").Limit(renewAtOnce).Find(&due).Error
	})
	if err != nil {
		return nil, fmt.Errorf("find documents that are due: %w", err)
	}
	return due, nil
}

// renewHost goes through one host's documents, until one fails.
func (c *Clients) renewHost(ctx context.Context, list []dueDocument) error {
	for _, d := range list {
		if ctx.Err() != nil {
			return nil //nolint:nilerr // its time is over, which is no failure: the next call goes on
		}
		h, err := c.db.ForJob(ctx, d.TenantID, "clients.renew")
		if err == nil {
			err = c.renewOnce(ctx, h, documentID{d.TenantID, d.ID}, listed().byDocument(d.ID))
		}
		if _, refused := errors.AsType[*Refusal](err); refused || ctx.Err() != nil {
			return nil //nolint:nilerr // the host is left in peace until the next call
		}
		if err != nil {
			return fmt.Errorf("renew client metadata document of %s: %w", d.TenantID, err)
		}
	}
	return nil
}
