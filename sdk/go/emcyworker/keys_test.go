package emcyworker

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// issuer is a key set that changes and fails as the test says.
type issuer struct {
	t       *testing.T
	sets    *keySets
	now     time.Time
	kids    []string
	down    bool
	fetches atomic.Int32
}

func newIssuer(t *testing.T, kids ...string) *issuer {
	t.Helper()
	i := &issuer{t: t, now: time.Unix(1_000_000_000, 0), kids: kids}
	i.sets = &keySets{now: func() time.Time { return i.now }, entries: map[string]*keyEntry{}, fetch: func(context.Context, string) ([]byte, error) {
		i.fetches.Add(1)
		if i.down {
			return nil, errors.New("connection refused")
		}
		list := make([]string, len(i.kids))
		for n, kid := range i.kids {
			list[n] = fmt.Sprintf(`{"kid":%q}`, kid)
		}
		return []byte(`{"keys":[` + strings.Join(list, ",") + `]}`), nil
	}}
	return i
}

// want asks for a key: there, not there, or not to be known.
func (i *issuer) want(kid string, there bool, fetches int32) {
	i.t.Helper()
	key, err := i.sets.get(i.t.Context(), "https://i", kid)
	if err != nil || (key != nil) != there || i.fetches.Load() != fetches {
		i.t.Fatalf("key %v, error %v, after %d fetches", key, err, i.fetches.Load())
	}
}

func (i *issuer) unavailable() {
	i.t.Helper()
	if _, err := i.sets.get(i.t.Context(), "https://i", "a"); !errors.Is(err, errKeys) {
		i.t.Fatalf("the error is %v", err)
	}
}

func TestKeysAreFetchedOnceForManyAndForAWhile(t *testing.T) {
	t.Parallel()

	i := newIssuer(t, "a")
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if key, err := i.sets.get(t.Context(), "https://i", "a"); err != nil || key == nil {
				t.Errorf("key %v, error %v", key, err)
			}
		})
	}
	all.Wait()
	i.now = i.now.Add(keysFresh - time.Second)
	i.want("a", true, 1)
	i.now = i.now.Add(time.Second)
	i.want("a", true, 2)
}

func TestKeysUnknownIsLookedForButNotEachTime(t *testing.T) {
	t.Parallel()

	i := newIssuer(t, "a")
	i.want("a", true, 1)
	i.kids = append(i.kids, "b")
	i.want("b", false, 1)
	i.now = i.now.Add(keysAgain)
	i.want("b", true, 2)
	i.want("c", false, 2)
	i.want("c", false, 2)
}

func TestKeysTakenAwayAreGone(t *testing.T) {
	t.Parallel()

	i := newIssuer(t, "a", "b")
	i.want("a", true, 1)
	i.kids = []string{"b"}
	i.now = i.now.Add(keysFresh)
	i.want("a", false, 2)
}

func TestKeysOutageIsBridgedForAnHour(t *testing.T) {
	t.Parallel()

	i := newIssuer(t, "a")
	i.want("a", true, 1)
	i.down = true
	i.now = i.now.Add(keysStale - time.Second)
	i.want("a", true, 2)
	i.now = i.now.Add(keysBackOff)
	i.unavailable()
	i.down = false
	i.now = i.now.Add(keysBackOff)
	i.want("a", true, 4)
}

func TestKeysFailedFetchIsNotTriedWithEveryRequest(t *testing.T) {
	t.Parallel()

	i := newIssuer(t, "a")
	i.down = true
	for range 5 {
		i.unavailable()
	}
	if i.fetches.Load() != 1 {
		t.Fatalf("there were %d fetches", i.fetches.Load())
	}
}

func TestFetcher(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		status int
		body   string
		want   bool
	}{
		"a key set":      {http.StatusOK, `{"keys":[]}`, true},
		"a redirect":     {http.StatusFound, `{"keys":[]}`, false},
		"a fault":        {http.StatusInternalServerError, `{"keys":[]}`, false},
		"one too large":  {http.StatusOK, strings.Repeat(" ", keysLimit) + `{"keys":[]}`, false},
		"one just right": {http.StatusOK, strings.Repeat(" ", keysLimit-11) + `{"keys":[]}`, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			var asked []string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked = append(asked, r.Method+" "+r.URL.Path)
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(tc.status)
				_, _ = w.Write([]byte(tc.body))
			}))
			t.Cleanup(server.Close)
			_, err := fetcher(server.Client())(t.Context(), server.URL)
			if (err == nil) != tc.want || len(asked) != 1 || asked[0] != "GET /jwks" {
				t.Fatalf("error %v after %v", err, asked)
			}
		})
	}
}
