package notify

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"gorm.io/gorm"

	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/tenancy"
)

const (
	// JobKind is the kind of the job that calls Deliver.
	JobKind = "notify.deliver"

	dueAtOnce     = 1000
	hooksAtOnce   = 8
	perHookAndRun = 50
)

// retries are the waits between tries, those of Standard Webhooks: about three days in all.
var retries = []time.Duration{
	5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
}

// maxTries is how often a delivery is tried.
var maxTries = len(retries) + 1

// wait is how long to wait after that many failed tries.
func wait(tries int) time.Duration { return retries[min(max(tries, 1), len(retries))-1] }

// target is what goes out together, of one tenant.
type target struct{ tenant, channel, key, webhook string }

// dueRow is what is read of other tenants' deliveries to find those that are due.
type dueRow struct{ TenantID, Channel, Target, WebhookID string }

func (dueRow) TableName() string { return "deliveries" }

// Deliver sends what is due, of every tenant, for at most runFor and the messages that it
// has begun by then. Any number of processes may call it at once: each delivery is sent
// by the one that holds its lease. A message that cannot be sent is no error.
func (n *Notify) Deliver(ctx context.Context) error {
	mails, hooks, err := n.due(ctx)
	if err != nil {
		return fmt.Errorf("find alerts that are due: %w", err)
	}
	run, cancel := context.WithTimeout(ctx, runFor)
	defer cancel()
	var sending sync.WaitGroup
	var mu sync.Mutex
	var failed []error
	note := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		failed = append(failed, err)
	}
	sending.Go(func() { note(n.deliverMails(ctx, run, mails)) })
	queue := make(chan target)
	for range min(hooksAtOnce, len(hooks)) {
		sending.Go(func() {
			for t := range queue {
				note(n.deliverHook(ctx, run, t))
			}
		})
	}
	for _, t := range hooks {
		queue <- t
	}
	close(queue)
	sending.Wait()
	return errors.Join(failed...)
}

// due finds the targets that have something to be sent, who waits longest first.
func (n *Notify) due(ctx context.Context) (mails, hooks []target, err error) {
	var rows []dueRow
	err = n.db.SystemRead(ctx, tenancy.ReasonDeliveries, func(tx *tenancy.Tx) error {
		now := tx.Now()
		channels := []string{channelWebhook}
		if n.mail != nil {
			channels = append(channels, channelAlert, channelUser)
		}
		return tx.DB().Model(&dueRow{}).Where("state = ? AND channel IN ? AND next_at <= ? AND (lease_until IS NULL OR lease_until <= ?)", statePending, channels, now, now).
			Order("next_at, id").Limit(dueAtOnce).Find(&rows).Error
	})
	seen := map[target]bool{}
	for _, row := range rows {
		t := target{tenant: row.TenantID, channel: row.Channel, key: row.Target, webhook: row.WebhookID}
		switch {
		case seen[t]:
			continue
		case t.channel == channelWebhook:
			hooks = append(hooks, t)
		default:
			mails = append(mails, t)
		}
		seen[t] = true
	}
	return mails, hooks, err
}

// lease marks deliveries as being sent by whoever holds the id.
type lease struct{ id string }

// free are the deliveries of a target that nobody sends at the moment.
func free(tx *tenancy.Tx, t target) *gorm.DB {
	return tx.DB().Model(&deliveryRow{}).Where("target = ? AND state = ? AND (lease_until IS NULL OR lease_until <= ?)", t.key, statePending, tx.Now())
}

// take leases a target's delivery that is due, or the named one, due or not. With all,
// what else waits for the target goes out with it. Nothing is given where there is
// nothing to send, or another process was first.
func take(tx *tenancy.Tx, t target, delivery string, all bool) (l lease, rows []deliveryRow, err error) {
	first := free(tx, t)
	if delivery != "" {
		first = first.Where("id = ?", delivery)
	} else {
		first = first.Where("next_at <= ?", tx.Now())
	}
	// Those that were tried least come first: one that is always refused does not keep the others back.
	var found []deliveryRow
	if err := first.Order("attempts, created_at, id").Limit(1).Find(&found).Error; err != nil || len(found) == 0 {
		return lease{}, nil, err
	}
	l.id = ids.New("lse")
	until := tx.Now().Add(leaseFor)
	hold := map[string]any{"lease_id": l.id, "lease_until": &until, "attempts": gorm.Expr("attempts + 1")}
	taken := free(tx, t).Where("id = ?", found[0].ID).Updates(hold)
	if taken.Error != nil || taken.RowsAffected == 0 {
		return lease{}, nil, taken.Error
	}
	if all {
		if err := free(tx, t).Updates(hold).Error; err != nil {
			return lease{}, nil, err
		}
	}
	err = tx.DB().Where("lease_id = ?", l.id).Order("created_at, id").Find(&rows).Error
	return l, rows, err
}

// outcome is what came of a try.
type outcome struct {
	sent bool
	// final says that no other try can help.
	final  bool
	status int
	words  string
	// after is the least time until the next try, as the receiver asked.
	after time.Duration
}

// settle writes an outcome down for all that a lease holds. What another holds by now,
// because the lease has ended, stays as it is.
func (l lease) settle(tx *tenancy.Tx, rows []deliveryRow, o outcome) error {
	now := tx.Now()
	tries := map[int]bool{}
	for _, row := range rows {
		tries[row.Attempts] = true
	}
	for n := range tries {
		change := map[string]any{"status": o.status, "error": o.words, "lease_id": "", "lease_until": nil}
		switch {
		case o.sent:
			change["state"], change["sent_at"] = stateSent, &now
		case o.final || n >= maxTries:
			change["state"] = stateFailed
		default:
			change["next_at"] = now.Add(max(wait(n), o.after))
		}
		if err := tx.DB().Model(&deliveryRow{}).Where("lease_id = ? AND attempts = ?", l.id, n).Updates(change).Error; err != nil {
			return fmt.Errorf("write down a delivery: %w", err)
		}
	}
	return nil
}

// settled runs fn in a transaction that the end of the run does not stop: what was sent
// has to be written down.
func (n *Notify) settled(ctx context.Context, h tenancy.Handle, fn func(*tenancy.Tx) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleFor)
	defer cancel()
	return n.db.Write(ctx, h, fn)
}
