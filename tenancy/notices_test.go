package tenancy_test

import (
	"io"
	"net"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/internal/clock"
	"github.com/emcy/gateway/internal/logx"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/tenancytest"
	"github.com/emcy/gateway/tenancy/workspaces"
)

func TestGenerationCountsConfigurationChanges(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		a, b := tenancytest.Tenant(t, env, "alpha"), tenancytest.Tenant(t, env, "beta")
		generation := func(h tenancy.Handle) (out uint64) {
			require.NoError(t, env.DB.Read(t.Context(), h, func(tx *tenancy.Tx) error {
				loaded, err := workspaces.Load(tx)
				out = loaded.Generation
				return err
			}))
			return out
		}
		change := func(end error, topics ...tenancy.Topic) error {
			return env.DB.Write(t.Context(), a, func(tx *tenancy.Tx) error {
				for _, topic := range topics {
					tx.Notify(topic)
				}
				return end
			})
		}
		start, others := generation(a), generation(b)
		require.NoError(t, change(nil, tenancy.ConfigTopic(a.Tenant()), tenancy.ConfigTopic(a.Tenant())))
		require.Equal(t, start+1, generation(a), "one transaction is one change")
		require.ErrorIs(t, change(io.EOF, tenancy.ConfigTopic(a.Tenant())), io.EOF)
		require.NoError(t, change(nil, tenancy.EventsTopic(a.Tenant())))
		require.Equal(t, start+1, generation(a), "neither what failed nor an event counts")

		var all sync.WaitGroup
		for range 20 {
			all.Go(func() { _ = change(nil, tenancy.ConfigTopic(a.Tenant())) })
		}
		all.Wait()
		require.Equal(t, start+21, generation(a), "none is lost between writers")
		require.Equal(t, others, generation(b))
	})
}

// swallower stands between a process and the database. Once told, it passes
// nothing on any more on the connections that it has, and closes none of them.
type swallower struct {
	listener net.Listener
	to       string
	mu       sync.Mutex
	silence  chan struct{}
}

func newSwallower(t *testing.T, to string) *swallower {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &swallower{listener: l, to: to, silence: make(chan struct{})}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go s.serve(conn)
		}
	}()
	return s
}

func (s *swallower) serve(client net.Conn) {
	s.mu.Lock()
	silence := s.silence
	s.mu.Unlock()
	server, err := net.Dial("tcp", s.to)
	if err != nil {
		_ = client.Close()
		return
	}
	pass := func(to, from net.Conn) {
		buf := make([]byte, 32<<10)
		for {
			n, err := from.Read(buf)
			select {
			case <-silence:
				return
			default:
			}
			if err != nil {
				_ = to.Close()
				return
			}
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
	}
	go pass(server, client)
	pass(client, server)
}

func (s *swallower) swallow() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.silence)
	s.silence = make(chan struct{})
}

// TestASwallowedListenerIsNoticed: a network that drops packets gives no error, so
// the listener finds out by itself and asks everybody to read again.
func TestASwallowedListenerIsNoticed(t *testing.T) {
	t.Parallel()
	env := tenancytest.Postgres(t)
	address, err := url.Parse(env.URL)
	require.NoError(t, err)
	between := newSwallower(t, address.Host)
	through := *address
	through.Host = between.listener.Addr().String()
	node, err := tenancy.Open(t.Context(), tenancy.Config{
		DatabaseURL: through.String(), KEK: tenancytest.KEK(t), Clock: clock.System{}, Log: logx.New(t.Output(), 0, false),
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = node.Close() })
	sub := node.Notices().Subscribe(func(tenancy.Topic) bool { return true })
	defer sub.Close()
	resynced := func() bool { return slices.Contains(sub.Take(), tenancy.ResyncTopic) }
	pool, _ := env.DB.Native()
	listeners := func() (n int) {
		require.NoError(t, pool.QueryRow(t.Context(),
			"select count(*) from pg_stat_activity where datname = current_database() and application_name = 'emcy notices'").Scan(&n))
		return n
	}
	require.Eventually(t, func() bool { return listeners() == 2 }, 30*time.Second, 10*time.Millisecond, "this node and the test's own")
	resynced() // what the start said

	between.swallow()
	require.Eventually(t, resynced, 30*time.Second, 10*time.Millisecond, "it listens on a connection that lives")
}
