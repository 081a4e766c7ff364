package upstreams

import (
	"context"
	"fmt"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/internal/secret"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/audit"
)

// Setup is the worker secret for the page that shows it. After a quarter of an
// hour, or once HideSecret was called, it is NotFound for good: only a new secret
// can be shown.
func (r *Registry) Setup(ctx context.Context, h tenancy.Handle, slug string) (Upstream, secret.Text, error) {
	var u Upstream
	var s secret.Text
	err := r.db.Read(ctx, h, func(tx *tenancy.Tx) error {
		row, err := bySlug(tx, slug)
		if err != nil {
			return err
		}
		if row.SecretVisibleUntil == nil || tx.Now().After(*row.SecretVisibleUntil) {
			return errs.E(errs.NotFound, "The worker secret was shown once and cannot be shown again. Make a new one if it is lost.", nil)
		}
		if s, err = row.workerSecret(tx); err != nil {
			return err
		}
		u, err = row.upstream(tx)
		return err
	})
	if err != nil {
		return Upstream{}, secret.Text{}, fmt.Errorf("read setup: %w", err)
	}
	return u, s, nil
}

// HideSecret ends the time in which the worker secret can be read.
func (r *Registry) HideSecret(ctx context.Context, h tenancy.Handle, slug string) error {
	err := r.db.Write(ctx, h, func(tx *tenancy.Tx) error {
		row, err := lockBySlug(tx, slug)
		if err != nil {
			return err
		}
		return tx.DB().Model(&upstreamRow{}).Where("id = ?", row.ID).Update("secret_visible_until", nil).Error
	})
	if err != nil {
		return fmt.Errorf("hide secret: %w", err)
	}
	return nil
}

// RotateSecret makes a new worker secret. The edge goes on sending the old one
// until a probe has seen the runtime accept the new one, or a day has passed.
func (r *Registry) RotateSecret(ctx context.Context, h tenancy.Handle, slug string) error {
	err := r.db.Write(ctx, h, func(tx *tenancy.Tx) error {
		row, err := lockBySlug(tx, slug)
		if err != nil {
			return err
		}
		// Of two rotations in a row, the runtime may still have the secret from before the first.
		old, err := row.sending(tx)
		if err != nil {
			return err
		}
		previous, err := tx.Seal(table, "previous_secret", row.ID, []byte(old.Reveal()))
		if err != nil {
			return err
		}
		next, err := tx.Seal(table, "worker_secret", row.ID, []byte(ids.Secret(secretPrefix)))
		if err != nil {
			return err
		}
		now := tx.Now()
		visible, until := now.Add(secretVisible), now.Add(rotationOpen)
		if err := tx.DB().Model(&upstreamRow{}).Where("id = ?", row.ID).Updates(map[string]any{
			"worker_secret": next, "previous_secret": previous, "previous_until": &until, "secret_visible_until": &visible,
			"version": row.Version + 1, "updated_at": now,
		}).Error; err != nil {
			return err
		}
		tx.Notify(tenancy.ConfigTopic(tx.Tenant()))
		return audit.Record(tx, audit.Entry{Action: "upstream.rotate_secret", TargetKind: "upstream", TargetID: row.ID})
	})
	if err != nil {
		return fmt.Errorf("rotate secret: %w", err)
	}
	return nil
}
