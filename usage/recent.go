package usage

import (
	"context"
	"fmt"

	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/usage/event"
)

// recentWindow is how many of a runtime's newest events are looked through for one
// person's: no index leads to them, because every event would have to pay for it.
const recentWindow = 10_000

// Recent gives a subject's latest events through a client at a runtime, newest first.
// What lies behind the runtime's newest 10,000 events is not found.
func (l *Log) Recent(ctx context.Context, h tenancy.Handle, subject, clientID, upstreamID string, limit int) ([]event.Event, error) {
	var rows []eventRow
	err := l.db.Read(ctx, h, func(tx *tenancy.Tx) error {
		var oldest []string
		err := tx.DB().Model(&eventRow{}).Where("upstream_id = ?", upstreamID).Order("id DESC").Offset(recentWindow-1).Limit(1).Pluck("id", &oldest).Error
		if err != nil {
			return err
		}
		find := tx.DB().Where("upstream_id = ? AND subject = ? AND client_id = ?", upstreamID, subject, clientID)
		if len(oldest) == 1 {
			find = find.Where("id >= ?", oldest[0])
		}
		return find.Order("id DESC").Limit(min(limit, MaxLimit)).Find(&rows).Error
	})
	if err != nil {
		return nil, fmt.Errorf("list a person's events: %w", err)
	}
	events := make([]event.Event, len(rows))
	for i := range rows {
		events[i] = rows[i].event()
	}
	return events, nil
}
