package usage

import (
	"context"
	"fmt"
	"time"

	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/usage/event"
)

const (
	// longestStream is longer than any stream can be open: the edge ends a stream
	// when its access token does.
	longestStream = 3 * time.Hour
	reasonStopped = "gateway_stopped"
)

// Settle ends the events of streams whose process was killed before it could
// record their end, in all tenants.
func (l *Log) Settle(ctx context.Context) error {
	before := l.db.Clock().Now().Add(-longestStream)
	err := l.db.System(ctx, tenancy.ReasonUsage, func(tx *tenancy.Tx) error {
		return tx.DB().Model(&eventRow{}).Where("finished = ? AND at < ?", false, before).
			Updates(map[string]any{"finished": true, "outcome": string(event.Failure), "reason": reasonStopped}).Error
	})
	if err != nil {
		return fmt.Errorf("settle usage events: %w", err)
	}
	return nil
}
