package tenancy

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Topic is what a notice is about: a kind and a tenant, nothing else. Whoever
// hears it reads the rows.
type Topic string

// ConfigTopic says that a tenant's edge configuration changed: origins, runtimes,
// keys, revocations.
func ConfigTopic(tenant string) Topic { return Topic("config:" + tenant) }

// EventsTopic says that a tenant has new usage events.
func EventsTopic(tenant string) Topic { return Topic("events:" + tenant) }

// TracesTopic says that a connection attempt at a tenant got further, or failed.
func TracesTopic(tenant string) Topic { return Topic("traces:" + tenant) }

// ProbesTopic says that a probe of one of a tenant's runtimes got further.
func ProbesTopic(tenant string) Topic { return Topic("probes:" + tenant) }

// GrantsTopic says that a tenant's downstream grants changed: tokens, states, leases.
func GrantsTopic(tenant string) Topic { return Topic("grants:" + tenant) }

// Grants gives the tenant of a grants topic.
func (t Topic) Grants() (tenant string, ok bool) { return strings.CutPrefix(string(t), "grants:") }

// ResyncTopic says that notices may have been lost: read everything again.
const ResyncTopic Topic = "resync"

// Config gives the tenant of a config topic.
func (t Topic) Config() (tenant string, ok bool) { return strings.CutPrefix(string(t), "config:") }

const (
	noticeChannel = "emcy"
	listenerName  = "emcy notices"
)

// Notices hands change notices to the parts of this process. On PostgreSQL they
// arrive through LISTEN, so that one process hears the others; on SQLite they are
// delivered after the commit.
type Notices struct {
	log    *slog.Logger
	cancel context.CancelFunc
	done   chan struct{}

	mu   sync.Mutex
	subs map[*Subscription]struct{}
}

// Subscription receives the notices that its filter lets through. Topics that
// come while one is waiting are merged, so a slow reader never blocks a commit
// and never misses a topic.
type Subscription struct {
	n       *Notices
	want    func(Topic) bool
	mu      sync.Mutex
	pending map[Topic]struct{}
	wake    chan struct{}
}

func newNotices(pool *pgxpool.Pool, log *slog.Logger) *Notices {
	ctx, cancel := context.WithCancel(context.Background())
	n := &Notices{log: log, cancel: cancel, done: make(chan struct{}), subs: map[*Subscription]struct{}{}}
	if pool == nil {
		close(n.done)
		return n
	}
	go n.listen(ctx, pool)
	return n
}

// Subscribe starts receiving. Close the subscription when done.
func (n *Notices) Subscribe(want func(Topic) bool) *Subscription {
	s := &Subscription{n: n, want: want, pending: map[Topic]struct{}{}, wake: make(chan struct{}, 1)}
	n.mu.Lock()
	n.subs[s] = struct{}{}
	n.mu.Unlock()
	return s
}

// Wake is signalled when Take has something to give.
func (s *Subscription) Wake() <-chan struct{} { return s.wake }

// Take gives the topics since the last call.
func (s *Subscription) Take() []Topic {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Topic, 0, len(s.pending))
	for t := range s.pending {
		out = append(out, t)
	}
	clear(s.pending)
	return out
}

// Close ends the subscription.
func (s *Subscription) Close() {
	s.n.mu.Lock()
	delete(s.n.subs, s)
	s.n.mu.Unlock()
}

func (n *Notices) deliver(t Topic) {
	n.mu.Lock()
	subs := make([]*Subscription, 0, len(n.subs))
	for s := range n.subs {
		subs = append(subs, s)
	}
	n.mu.Unlock()
	for _, s := range subs {
		if t != ResyncTopic && !s.want(t) {
			continue
		}
		s.mu.Lock()
		s.pending[t] = struct{}{}
		s.mu.Unlock()
		select {
		case s.wake <- struct{}{}:
		default: // already awake
		}
	}
}

const (
	// beat is how long nothing may be heard before the listening connection is asked
	// whether it still lives, and patience how long it may take to say so. A connection
	// that a network swallowed gives no error of its own, and a revocation has to be
	// heard within two seconds.
	beat     = 500 * time.Millisecond
	patience = time.Second
	// connecting is how long a new connection may take.
	connecting = 5 * time.Second
	// retry is the least time between two connections.
	retry = time.Second
)

// listen holds one connection for LISTEN. After a loss it reconnects, at once the
// first time, and asks everybody to read again, because notices of the gap are gone.
func (n *Notices) listen(ctx context.Context, pool *pgxpool.Pool) {
	defer close(n.done)
	for ctx.Err() == nil {
		next := time.NewTimer(retry)
		err := n.listenOnce(ctx, pool)
		if ctx.Err() != nil {
			next.Stop()
			return
		}
		n.log.WarnContext(ctx, "change notices interrupted, reconnecting", "error", err)
		select {
		case <-ctx.Done():
		case <-next.C:
		}
		next.Stop()
	}
}

func (n *Notices) listenOnce(ctx context.Context, pool *pgxpool.Pool) error {
	// A connection of its own: it keeps its LISTEN, so it must not come from the pool or go back to it.
	raw, err := within(ctx, connecting, func(ctx context.Context) (*pgx.Conn, error) {
		return pgx.ConnectConfig(ctx, pool.Config().ConnConfig)
	})
	if err != nil {
		return err
	}
	defer hangUp(ctx, raw)
	// The name is for whoever looks at pg_stat_activity.
	for _, statement := range []string{"set application_name = '" + listenerName + "'", "listen " + noticeChannel} {
		_, err := within(ctx, patience, func(ctx context.Context) (pgconn.CommandTag, error) { return raw.Exec(ctx, statement) })
		if err != nil {
			return err
		}
	}
	n.deliver(ResyncTopic)
	for {
		msg, err := within(ctx, beat, raw.WaitForNotification)
		switch {
		case err == nil:
			n.deliver(Topic(msg.Payload))
		case ctx.Err() != nil || !pgconn.Timeout(err):
			return err
		default:
			if _, err := within(ctx, patience, func(ctx context.Context) (struct{}, error) { return struct{}{}, raw.Ping(ctx) }); err != nil {
				return err
			}
		}
	}
}

func within[T any](ctx context.Context, d time.Duration, do func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return do(ctx)
}

// hangUp closes the connection without waiting for a server that may be gone.
func hangUp(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	_ = conn.Close(ctx)
}

func (n *Notices) close() {
	n.cancel()
	<-n.done
}
