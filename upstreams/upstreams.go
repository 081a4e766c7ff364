package upstreams

import (
	"context"
	"fmt"
	"time"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/internal/secret"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/audit"
	"github.com/emcy/gateway/upstreams/probe"
)

// State is how a runtime was when it was last probed.
type State string

// The states.
const (
	Waiting State = "waiting" // not probed yet, or it refuses the secret
	Ready   State = "ready"
	Error   State = "error"
)

const (
	// DefaultSecretHeader is the worker contract's header.
	DefaultSecretHeader = "X-Emcy-Worker-Secret" //nolint:gosec // a header's name
	secretPrefix        = "emc_ws"               //nolint:gosec // a prefix
	// secretVisible is how long the member who made a secret can read it.
	secretVisible = 15 * time.Minute
	// rotationOpen is how long the old secret goes on being used when no probe has
	// seen the runtime accept the new one.
	rotationOpen = 24 * time.Hour
	// maxUpstreams bounds a tenant's rows.
	maxUpstreams = 200
)

// Upstream is a runtime as the console shows it.
type Upstream struct {
	ID, Slug, Name, URL string
	SecretHeader        string // Contract's name for it
	Contract            Contract
	HeaderNames         []string
	State               State
	Report              *probe.Report // nil before the first probe
	ProbedAt            *time.Time
	Rotating            bool // a new secret waits for the runtime to know it
	// RotatesUntil is when the new secret is sent at the latest, while Rotating.
	RotatesUntil *time.Time
	Version      int64
	CreatedAt    time.Time
}

// Configured is a runtime as the edge needs it.
type Configured struct {
	ID, Slug, Name, URL string
	Contract            Contract
	WorkerSecret        secret.Text
	Headers             []Header
}

// Header is a static header.
type Header struct {
	Name  string
	Value secret.Text
}

// Revoker ends what was issued for an upstream, in the same transaction.
type Revoker interface {
	RevokeUpstream(tx *tenancy.Tx, upstreamID, reason string) error
}

// Enqueuer inserts a job in the transaction.
type Enqueuer interface {
	EnqueueProbe(tx *tenancy.Tx, args ProbeArgs) error
}

// ProbeArgs asks for a probe of one upstream.
type ProbeArgs struct {
	TenantID   string `json:"tenant_id"`
	UpstreamID string `json:"upstream_id"`
}

// Kind names the job.
func (ProbeArgs) Kind() string { return "upstreams.probe" }

// Registry is the use cases.
type Registry struct {
	db      *tenancy.DB
	client  *outbound.Client
	prober  *probe.Prober
	revoker Revoker
	queue   Enqueuer
	// asserter is nil where runtimes that take no secret cannot be spoken to.
	asserter Asserter
}

// New makes the registry.
func New(db *tenancy.DB, client *outbound.Client, prober *probe.Prober, revoker Revoker, queue Enqueuer) *Registry {
	return &Registry{db: db, client: client, prober: prober, revoker: revoker, queue: queue}
}

// Create adds a runtime and asks for its first probe. Errors: Invalid with the
// fields name, slug, url, header_name.N, header_value.N.
func (r *Registry) Create(ctx context.Context, h tenancy.Handle, in Input) (Upstream, error) {
	in, err := r.validate(in, true)
	if err != nil {
		return Upstream{}, err
	}
	var out Upstream
	err = r.db.Write(ctx, h, func(tx *tenancy.Tx) error {
		if err := roomFor(tx, in.Slug); err != nil {
			return err
		}
		now := tx.Now()
		visible := now.Add(secretVisible)
		row := upstreamRow{
			TenantID: tx.Tenant(), ID: ids.New("ups"), Slug: in.Slug, Name: in.Name, URL: in.URL, SecretHeader: DefaultSecretHeader, Contract: "{}",
			State: string(Waiting), Version: 1, CreatedAt: now, UpdatedAt: now, SecretVisibleUntil: &visible,
		}
		if row.Headers, err = sealHeaders(tx, row.ID, in.headers()); err != nil {
			return err
		}
		if row.WorkerSecret, err = tx.Seal(table, "worker_secret", row.ID, []byte(ids.Secret(secretPrefix))); err != nil {
			return err
		}
		if err := tx.DB().Create(&row).Error; err != nil {
			return err
		}
		if err := audit.Record(tx, audit.Entry{Action: "upstream.create", TargetKind: "upstream", TargetID: row.ID, After: shown(row, in.headers())}); err != nil {
			return err
		}
		if err := r.queue.EnqueueProbe(tx, ProbeArgs{TenantID: tx.Tenant(), UpstreamID: row.ID}); err != nil {
			return err
		}
		tx.Notify(tenancy.ConfigTopic(tx.Tenant()))
		out, err = row.upstream(tx)
		return err
	})
	if errs.Is(err, errs.Conflict) {
		return Upstream{}, errs.Field("slug", "Another runtime has this path.")
	}
	if err != nil {
		return Upstream{}, fmt.Errorf("create upstream: %w", err)
	}
	return out, nil
}

func roomFor(tx *tenancy.Tx, slug string) error {
	if err := lockTenant(tx); err != nil {
		return err
	}
	var total, same int64
	if err := tx.DB().Model(&upstreamRow{}).Count(&total).Error; err != nil {
		return err
	}
	if total >= maxUpstreams {
		return errs.Field("name", fmt.Sprintf("A workspace holds at most %d runtimes.", maxUpstreams))
	}
	if err := tx.DB().Model(&upstreamRow{}).Where("slug = ?", slug).Count(&same).Error; err != nil {
		return err
	}
	if same > 0 {
		return errs.Field("slug", "Another runtime has this path.")
	}
	return nil
}

// Update changes a runtime. When its address moves to another host, secrets that
// were meant for the old one are not sent there: static headers must be typed
// anew and the worker secret is replaced (moved is then true). Errors: Invalid as
// in Create; Stale when the version is not the stored one.
func (r *Registry) Update(ctx context.Context, h tenancy.Handle, slug string, in Input, version int64) (u Upstream, moved bool, err error) {
	in.Slug = slug
	in, err = r.validate(in, false)
	if err != nil {
		return Upstream{}, false, err
	}
	err = r.db.Write(ctx, h, func(tx *tenancy.Tx) error {
		row, err := lockBySlug(tx, slug)
		if err != nil {
			return err
		}
		stored, err := row.headers(tx)
		if err != nil {
			return err
		}
		if moved = !sameOrigin(row.URL, in.URL); moved && !in.MayMoveTokens {
			if err := carriesNoTokens(tx, row.ID); err != nil {
				return err
			}
		}
		contract, err := row.contract()
		if err != nil {
			return err
		}
		if err := contract.collides(in); err != nil {
			return err
		}
		headers, err := in.merge(stored, moved)
		if err != nil {
			return err
		}
		now := tx.Now()
		changes := map[string]any{"name": in.Name, "url": in.URL, "version": version + 1, "updated_at": now}
		if changes["headers"], err = sealHeaders(tx, row.ID, headers); err != nil {
			return err
		}
		if moved {
			visible := now.Add(secretVisible)
			if changes["worker_secret"], err = tx.Seal(table, "worker_secret", row.ID, []byte(ids.Secret(secretPrefix))); err != nil {
				return err
			}
			changes["previous_secret"], changes["previous_until"], changes["secret_visible_until"] = nil, nil, &visible
			changes["state"], changes["report"], changes["probed_at"] = string(Waiting), "", nil
		}
		res := tx.DB().Model(&upstreamRow{}).Where("id = ? AND version = ?", row.ID, version).Updates(changes)
		if res.Error != nil {
			return res.Error
		}
		if res.RowsAffected == 0 {
			return errs.E(errs.Stale, "Somebody changed this runtime while you were editing. Look at the current values, then save again.", nil)
		}
		before := shown(row, stored)
		if row, err = byID(tx, row.ID); err != nil {
			return err
		}
		if err := audit.Record(tx, audit.Entry{Action: "upstream.update", TargetKind: "upstream", TargetID: row.ID, Before: before, After: shown(row, headers)}); err != nil {
			return err
		}
		if err := r.queue.EnqueueProbe(tx, ProbeArgs{TenantID: tx.Tenant(), UpstreamID: row.ID}); err != nil {
			return err
		}
		tx.Notify(tenancy.ConfigTopic(tx.Tenant()))
		u, err = row.upstream(tx)
		return err
	})
	if err != nil {
		return Upstream{}, false, fmt.Errorf("update upstream: %w", err)
	}
	return u, moved, nil
}

// Get reads one runtime by its slug.
func (r *Registry) Get(ctx context.Context, h tenancy.Handle, slug string) (Upstream, error) {
	var out Upstream
	err := r.db.Read(ctx, h, func(tx *tenancy.Tx) error {
		row, err := bySlug(tx, slug)
		if err != nil {
			return err
		}
		out, err = row.upstream(tx)
		return err
	})
	if err != nil {
		return Upstream{}, fmt.Errorf("read upstream: %w", err)
	}
	return out, nil
}

// List reads all runtimes by name.
func (r *Registry) List(ctx context.Context, h tenancy.Handle) ([]Upstream, error) {
	var out []Upstream
	err := r.db.Read(ctx, h, func(tx *tenancy.Tx) error {
		var rows []upstreamRow
		if err := tx.DB().Order("name, slug").Find(&rows).Error; err != nil {
			return err
		}
		for _, row := range rows {
			u, err := row.upstream(tx)
			if err != nil {
				return err
			}
			out = append(out, u)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list upstreams: %w", err)
	}
	return out, nil
}

// Remove deletes a runtime and ends every token that was issued for it: a later
// runtime with the same slug must not honour them.
func (r *Registry) Remove(ctx context.Context, h tenancy.Handle, slug string) error {
	err := r.db.Write(ctx, h, func(tx *tenancy.Tx) error {
		row, err := lockBySlug(tx, slug)
		if err != nil {
			return err
		}
		if err := r.revoker.RevokeUpstream(tx, row.ID, "runtime removed"); err != nil {
			return err
		}
		if err := tx.DB().Where("id = ?", row.ID).Delete(&upstreamRow{}).Error; err != nil {
			return err
		}
		tx.Notify(tenancy.ConfigTopic(tx.Tenant()))
		return audit.Record(tx, audit.Entry{Action: "upstream.remove", TargetKind: "upstream", TargetID: row.ID, Before: shown(row, nil)})
	})
	if err != nil {
		return fmt.Errorf("remove upstream: %w", err)
	}
	return nil
}

// shown is a row for the audit log: no secret, the names of headers only.
func shown(row upstreamRow, headers []Header) map[string]string {
	return map[string]string{"slug": row.Slug, "name": row.Name, "url": row.URL, "headers": headerNames(headers)}
}
