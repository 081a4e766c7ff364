//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/test/e2e/httpflow"
	"github.com/emcy/gateway/test/e2e/leaks"
	"github.com/emcy/gateway/test/fakes/upstream"
)

// Every secret that a provider, or a test in a person's name, gives to a gateway in this
// run begins with leaks.Mark. It is looked for in everything that a gateway leaves
// behind: its folder (database, write-ahead log, spool, log), its PostgreSQL database,
// the server's write-ahead log, and every answer that a browser or client got.

var leaked struct {
	sync.Mutex
	found []leaks.Found
}

// watchAnswers looks through the answers of the whole run.
func watchAnswers() {
	look := leaks.For(leaks.Mark)
	httpflow.Watch = func(next http.RoundTripper) http.RoundTripper {
		return &leaks.Transport{Next: next, Look: look, Tell: func(f leaks.Found) {
			leaked.Lock()
			defer leaked.Unlock()
			leaked.found = append(leaked.found, f)
		}}
	}
}

// left is what a gateway has left behind up to now.
func (g *gateway) left(ctx context.Context, mark string) ([]leaks.Found, error) {
	look := leaks.For(mark)
	found, err := look.Files(g.dir)
	if err != nil || g.Database == "" {
		return found, err
	}
	rows, err := look.Postgres(ctx, g.Database)
	return append(found, rows...), err
}

func (g *gateway) search(t *testing.T) {
	t.Helper()
	found, err := g.left(context.WithoutCancel(t.Context()), leaks.Mark)
	if err != nil {
		t.Errorf("look for secrets: %v", err)
	}
	if len(found) > 0 {
		t.Errorf("secrets where none may be:\n%s", leaks.Words(found))
	}
}

// searchAtTheEnd is for a gateway that many tests shared.
func (g *gateway) searchAtTheEnd() {
	found, err := g.left(context.Background(), leaks.Mark)
	if err != nil {
		found = append(found, leaks.Found{Place: "a shared gateway", Form: "unread", Near: err.Error()})
	}
	leaked.Lock()
	defer leaked.Unlock()
	leaked.found = append(leaked.found, found...)
}

// nothingLeaked ends the run.
func nothingLeaked() bool {
	if url := os.Getenv("EMCY_TEST_POSTGRES"); url != "" {
		found, err := leaks.For(leaks.Mark).WAL(context.Background(), url)
		if err != nil {
			found = append(found, leaks.Found{Place: "the server's write-ahead log", Form: "unread", Near: err.Error()})
		}
		leaked.found = append(leaked.found, found...)
	}
	if len(leaked.found) == 0 {
		return true
	}
	_, _ = fmt.Fprintf(os.Stderr, "secrets where none may be:\n%s\n", leaks.Words(leaked.found))
	return false
}

// TestTheSearchSeesWhatIsPlanted: what could not be found would prove nothing, so a leak
// is planted in every place first.
func TestTheSearchSeesWhatIsPlanted(t *testing.T) {
	t.Parallel()
	for _, db := range databases {
		t.Run(string(db), func(t *testing.T) {
			t.Parallel()
			g := newGateway(t, db, freePorts(t, 4))
			nothing, err := g.left(t.Context(), leaks.Planted)
			require.NoError(t, err)
			require.Empty(t, nothing)
			var told []leaks.Found
			p := httpflow.NewPerson(g.Console, "Ana Ferreira", &leaks.Transport{Next: http.DefaultTransport, Look: leaks.For(leaks.Planted), Tell: func(f leaks.Found) { told = append(told, f) }})
			require.NoError(t, p.SignUp(t.Context()))
			require.NoError(t, p.CreateWorkspace(t.Context(), "House "+leaks.Planted+"name", "planted"))
			require.NotEmpty(t, told, "an answer")
			up := upstream.Start(upstream.Config{})
			t.Cleanup(up.Close)
			runtime, err := p.AddRuntime(t.Context(), "planted", httpflow.RuntimeForm{Name: "Billing", Slug: "billing", URL: up.URL()})
			require.NoError(t, err)
			up.SetSecrets(runtime.Secret)
			client := httpflow.NewClient(runtime.MCPURL, userAgent(leaks.Planted+"trace"))
			require.Eventually(t, func() bool { return client.Discover(t.Context()) == nil }, startTimeout, pollEvery)
			places := func() map[string]bool {
				found, err := g.left(t.Context(), leaks.Planted)
				require.NoError(t, err)
				out := map[string]bool{}
				for _, f := range found {
					out[f.Place] = true
				}
				return out
			}
			log, err := os.OpenFile(g.Log, os.O_APPEND|os.O_WRONLY, 0o600)
			require.NoError(t, err)
			_, err = fmt.Fprintln(log, leaks.Planted+"line")
			require.NoError(t, err)
			require.NoError(t, log.Close())
			want := []string{g.Log}
			if db == sqlite {
				want = append(want, g.dir+"/data/emcy.db-wal") // the row of the workspace, the audit log and the trace
			} else {
				conn, err := pgx.Connect(t.Context(), g.Database)
				require.NoError(t, err)
				_, err = conn.Exec(t.Context(), "insert into river_job (kind, args, max_attempts, queue, state, scheduled_at) values ('planted', $1, 1, 'nobody', 'available', now())", map[string]string{"token": leaks.Planted})
				require.NoError(t, err)
				require.NoError(t, conn.Close(t.Context()))
				want = append(want, "table public.tenants", "table public.audit_events", "table public.traces", "table public.river_job")
				wal, err := leaks.For(leaks.Planted).WAL(t.Context(), g.Database)
				require.NoError(t, err)
				require.NotEmpty(t, wal, "the server's write-ahead log")
			}
			for _, place := range want {
				require.Eventually(t, func() bool { return places()[place] }, startTimeout, pollEvery, "%s: %v", place, places())
			}
			g.stop(t)
			if db == sqlite {
				require.True(t, places()[g.dir+"/data/emcy.db"], "the database itself")
			}
		})
	}
}

const pollEvery = 20 * time.Millisecond

// userAgent is a transport of clients that call themselves so.
type userAgent string

func (u userAgent) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("User-Agent", string(u))
	return http.DefaultTransport.RoundTrip(req)
}
