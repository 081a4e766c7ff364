package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/ui/pages"
	"github.com/emcy/gateway/upstreams"
)

const (
	// streamPause keeps a stream at four updates a second, however much happens.
	streamPause = 250 * time.Millisecond
	// streamBeat is how often an idle stream says that it is still there.
	streamBeat = 15 * time.Second
	// streamCheck is how often a stream asks whether its person may still see it.
	streamCheck = time.Minute
	// streamWrite is how long a client may take to read one update.
	streamWrite = 10 * time.Second
	// maxStreams bounds what one person can hold open.
	maxStreams = 20
	// maxTopics bounds what one stream can ask for.
	maxTopics = 4
)

// streams are the open streams: their number per account, and the signal that ends
// all of them.
type streams struct {
	mu     sync.Mutex
	open   map[string]int
	ending chan struct{}
	once   sync.Once
}

func newStreams() *streams { return &streams{open: map[string]int{}, ending: make(chan struct{})} }

func (s *streams) close() { s.once.Do(func() { close(s.ending) }) }

func (s *streams) enter(account string) (leave func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[account] >= maxStreams {
		e := errs.E(errs.RateLimited, fmt.Sprintf("You have %d pages with live updates open. Close some of them.", maxStreams), nil)
		e.RetryAfter = streamBeat
		return nil, e
	}
	s.open[account]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.open[account]--; s.open[account] == 0 {
			delete(s.open, account)
		}
	}, nil
}

// topic is one thing that a stream tells about.
type topic interface {
	// update gives the bytes to send, none when nothing changed since the last call.
	update(ctx context.Context) ([]byte, error)
	// hears are the notices that something may have changed.
	hears(tenant string) []tenancy.Topic
	// restless says that something may also change without a notice.
	restless() bool
}

// stream sends live updates for as long as the person may see them.
func (k *Console) stream(c echo.Context, v Visit) error {
	topics, err := k.topics(c, v)
	if err != nil {
		return err
	}
	leave, err := k.streams.enter(v.Session.Account.ID)
	if err != nil {
		return err
	}
	defer leave()
	tenant := v.Handle.Tenant()
	// Before the first read, so that nothing falls between it and the first wait.
	sub := k.cfg.DB.Notices().Subscribe(func(t tenancy.Topic) bool {
		return t == tenancy.ConfigTopic(tenant) || slices.ContainsFunc(topics, func(topic topic) bool { return slices.Contains(topic.hears(tenant), t) })
	})
	defer sub.Close()
	w := &streamWriter{out: c.Response(), control: http.NewResponseController(c.Response())}
	// The server's time for reading a request must not end a stream.
	if err := w.control.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("lift read deadline: %w", err)
	}
	c.Response().Header().Set(echo.HeaderContentType, "text/event-stream")
	c.Response().Header().Set("X-Accel-Buffering", "no") // proxies that hold answers back let this one pass
	c.Response().WriteHeader(http.StatusOK)
	if err := w.send([]byte(": open\n\n")); err != nil {
		return nil // the client is gone, which is how streams end
	}
	return k.follow(c, v, w, sub, topics)
}

// follow sends what is new, waits for a change, and again.
func (k *Console) follow(c echo.Context, v Visit, w *streamWriter, sub *tenancy.Subscription, topics []topic) error {
	ctx := c.Request().Context()
	beat, check := time.NewTicker(streamBeat), time.NewTicker(streamCheck)
	defer beat.Stop()
	defer check.Stop()
	for {
		// All topics look before anything is sent: whoever acts on one topic's message
		// then finds the others already watching.
		var updates []byte
		for _, t := range topics {
			update, err := t.update(ctx)
			if err != nil {
				return ended(err)
			}
			updates = append(updates, update...)
		}
		if len(updates) > 0 && w.send(updates) != nil {
			return nil
		}
		pause := time.NewTimer(streamPause)
		var wake <-chan struct{} // nothing is heard until the pause is over; what comes meanwhile waits
		for changed := false; !changed; {
			select {
			case <-ctx.Done():
				pause.Stop()
				return nil
			case <-k.streams.ending:
				pause.Stop()
				return nil
			case <-pause.C:
				wake = sub.Wake()
			case <-beat.C:
				if w.send([]byte(": hb\n\n")) != nil {
					return nil
				}
				changed = slices.ContainsFunc(topics, topic.restless)
			case <-check.C:
				if err := k.still(c, v); err != nil {
					return ended(err)
				}
			case <-wake:
				changed = true
				if configChanged(sub.Take()) {
					if err := k.still(c, v); err != nil {
						return ended(err)
					}
				}
			}
		}
	}
}

// ended tells a stream that is over from one that failed: whoever lost the right to
// it, or whose runtime was removed, is not an error of ours.
func ended(err error) error {
	switch errs.KindOf(err) {
	case errs.Unauthenticated, errs.NotFound, errs.Forbidden, errs.Canceled:
		return nil
	case errs.Internal, errs.Invalid, errs.Conflict, errs.Stale, errs.NeedsConsent, errs.RateLimited, errs.BudgetExceeded,
		errs.UpstreamFailed, errs.DownstreamRejected, errs.Unavailable:
	}
	return err
}

func configChanged(topics []tenancy.Topic) bool {
	for _, t := range topics {
		if _, config := t.Config(); config || t == tenancy.ResyncTopic {
			return true
		}
	}
	return false
}

// still reports whether the session, the membership and the role are what they were.
func (k *Console) still(c echo.Context, v Visit) error {
	s, err := k.session(c)
	if err != nil {
		return err
	}
	_, member, err := k.cfg.DB.ForMember(c.Request().Context(), s.Account.ID, v.Member.TenantSlug)
	if err != nil {
		return err
	}
	if s.Account.ID != v.Session.Account.ID || !authz.Allow(member.Role, authz.ReadLogs) {
		return errs.E(errs.Forbidden, "The permission is gone.", nil)
	}
	return nil
}

// topics reads ?topics=connect:todos,probe:todos,logs.
func (k *Console) topics(c echo.Context, v Visit) ([]topic, error) {
	var out []topic
	names := strings.Split(c.QueryParam("topics"), ",")
	if len(names) > maxTopics {
		return nil, refuse(http.StatusBadRequest, "Too many topics", fmt.Sprintf("A stream has at most %d topics.", maxTopics))
	}
	for _, name := range names {
		kind, slug, _ := strings.Cut(name, ":")
		switch {
		case name == "logs":
			out = append(out, &logsTopic{console: k, visit: v})
		case name == "traces":
			out = append(out, &tracesTopic{console: k, visit: v})
		case kind == "grant" && validID(slug):
			out = append(out, &grantTopic{console: k, visit: v, id: slug})
		case kind == "revocation" && validID(slug):
			out = append(out, &batchTopic{console: k, visit: v, id: slug})
		case (kind == "connect" || kind == "probe") && validSlug(slug):
			u, err := k.cfg.Upstreams.Get(c.Request().Context(), v.Handle, slug)
			if err != nil {
				return nil, err
			}
			if kind == "connect" {
				out = append(out, &connectTopic{console: k, visit: v, upstream: u})
			} else {
				out = append(out, &probeTopic{console: k, visit: v, upstream: u})
			}
		default:
			return nil, refuse(http.StatusBadRequest, "There is no such topic", "Topics are logs, traces, connect:<runtime>, probe:<runtime>, grant:<id> and revocation:<id>.")
		}
	}
	return out, nil
}

// connectTopic sends the connect page's card whenever it looks different.
type connectTopic struct {
	console  *Console
	visit    Visit
	upstream upstreams.Upstream
	last     []byte
}

func (t *connectTopic) hears(tenant string) []tenancy.Topic {
	return []tenancy.Topic{tenancy.EventsTopic(tenant), tenancy.TracesTopic(tenant)}
}

func (t *connectTopic) restless() bool { return false }

func (t *connectTopic) update(ctx context.Context) ([]byte, error) {
	status, err := t.console.connectStatus(ctx, t.visit, t.upstream)
	if err != nil {
		return nil, err
	}
	var fragment bytes.Buffer
	if err := pages.ConnectStatus(status).Render(ctx, &fragment); err != nil {
		return nil, fmt.Errorf("render connect status: %w", err)
	}
	if bytes.Equal(fragment.Bytes(), t.last) {
		return nil, nil
	}
	t.last = fragment.Bytes()
	return message("", fragment.String()), nil
}

// logsTopic announces how many rows are new on the log's first page. It compares
// ids and not times, because a request that took long is stored late.
type logsTopic struct {
	console *Console
	visit   Visit
	seen    map[string]bool
}

func (t *logsTopic) hears(tenant string) []tenancy.Topic {
	return []tenancy.Topic{tenancy.EventsTopic(tenant)}
}

func (t *logsTopic) restless() bool { return false }

func (t *logsTopic) update(ctx context.Context) ([]byte, error) {
	rows, err := t.console.newest(ctx, t.visit)
	if err != nil {
		return nil, err
	}
	fresh, now := 0, make(map[string]bool, len(rows))
	for _, e := range rows {
		now[e.ID] = true
		if !t.seen[e.ID] {
			fresh++
		}
	}
	first := t.seen == nil
	t.seen = now
	if first || fresh == 0 {
		return nil, nil
	}
	return message("logs", strconv.Itoa(fresh)), nil
}

// message is one event of a stream.
func message(name, data string) []byte {
	var out bytes.Buffer
	if name != "" {
		out.WriteString("event: " + name + "\n")
	}
	for line := range strings.SplitSeq(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(data), "\n") {
		out.WriteString("data: " + line + "\n")
	}
	out.WriteString("\n")
	return out.Bytes()
}

// streamWriter writes updates at once, each within its time.
type streamWriter struct {
	out     io.Writer
	control *http.ResponseController
}

func (w *streamWriter) send(b []byte) error {
	if err := w.control.SetWriteDeadline(time.Now().Add(streamWrite)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := w.out.Write(b); err != nil {
		return err
	}
	return w.control.Flush()
}
