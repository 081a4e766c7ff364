package web

import (
	"context"
	"time"

	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/upstreams"
	"github.com/emcy/gateway/usage"
	"github.com/emcy/gateway/usage/event"
)

// recent is how many of the newest events are looked at for what the log's own
// questions do not ask.
const recent = 100

// seen looks at a runtime's events for how far clients came.
func (k *Console) seen(ctx context.Context, h tenancy.Handle, upstreamID string) (seen, error) {
	status, err := k.cfg.Usage.ConnectStatus(ctx, h, upstreamID)
	if err != nil {
		return seen{}, err
	}
	events, err := k.cfg.Usage.List(ctx, h, usage.Query{UpstreamID: upstreamID, Limit: recent})
	if err != nil {
		return seen{}, err
	}
	s := seen{
		accepted: status.Connected, requests: int64(status.Calls), more: status.More,
		lastCall: status.Last, client: status.ClientID, subject: status.Subject,
	}
	// With more requests than are looked at, the first ones are long past.
	s.opened = status.Calls > recent
	s.called = s.opened
	for _, e := range events {
		s.look(e)
	}
	return s, nil
}

// lastCalls gives the time of each runtime's latest request with a token.
func (k *Console) lastCalls(ctx context.Context, h tenancy.Handle, list []upstreams.Upstream) (map[string]time.Time, error) {
	last := map[string]time.Time{}
	if len(list) == 0 {
		return last, nil
	}
	// Most runtimes that are in use are among the newest events of the workspace.
	events, err := k.cfg.Usage.List(ctx, h, usage.Query{Limit: usage.MaxLimit})
	if err != nil {
		return nil, err
	}
	for _, e := range events {
		if e.ClientID != "" && e.Outcome != event.Denied && last[e.UpstreamID].Before(e.At) {
			last[e.UpstreamID] = e.At
		}
	}
	for _, u := range list {
		if !last[u.ID].IsZero() || len(events) < usage.MaxLimit {
			continue
		}
		status, err := k.cfg.Usage.ConnectStatus(ctx, h, u.ID)
		if err != nil {
			return nil, err
		}
		last[u.ID] = status.Last
	}
	return last, nil
}
