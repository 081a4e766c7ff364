package emcyworker

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// ask sends a request with the user's token through a guard with that hold.
func ask(t *testing.T, hold time.Duration, method, token string, handler func(w http.ResponseWriter, c Caller)) *http.Response {
	t.Helper()
	guard := New(Options{HoldStart: hold, Getenv: func(name string) string {
		return map[string]string{"EMCY_WORKER_SHARED_SECRET": "a"}[name]
	}})
	server := httptest.NewServer(guard.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, _ := FromContext(r.Context())
		handler(w, c)
	})))
	t.Cleanup(server.Close)
	req, err := http.NewRequestWithContext(t.Context(), method, server.URL, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Emcy-Worker-Secret", "a")
	if token != "" {
		req.Header.Set("X-Emcy-Upstream-Access-Token", token)
	}
	res, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	return res
}

func body(t *testing.T, res *http.Response) string {
	t.Helper()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func head(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	w.(http.Flusher).Flush() //nolint:forcetypeassert // both kinds of writer flush
}

func TestRefusalBeforeTheFirstByteIsA401(t *testing.T) {
	t.Parallel()

	res := ask(t, time.Hour, http.MethodPost, "downstream-1", func(w http.ResponseWriter, c Caller) {
		head(w)
		err := c.RefuseUpstreamToken()
		_, _ = fmt.Fprintf(w, "data: %v\n\n", err)
		_, _ = io.WriteString(w, "data: more\n\n")
	})
	if res.StatusCode != http.StatusUnauthorized || res.Header.Get("WWW-Authenticate") != `Bearer error="invalid_token"` ||
		res.Header.Get("Content-Type") != "application/json" || body(t, res) != `{"error":"upstream_token_refused"}`+"\n" {
		t.Fatalf("answered %v", res)
	}
}

func TestRefusalWithoutAnAnswerIsA401(t *testing.T) {
	t.Parallel()

	res := ask(t, time.Hour, http.MethodPost, "downstream-1", func(_ http.ResponseWriter, c Caller) { _ = c.RefuseUpstreamToken() })
	if res.StatusCode != http.StatusUnauthorized {
		t.Fatalf("answered %v", res)
	}
}

func TestRefusalAfterTheFirstByteComesTooLate(t *testing.T) {
	t.Parallel()

	res := ask(t, time.Hour, http.MethodPost, "downstream-1", func(w http.ResponseWriter, c Caller) {
		head(w)
		_, _ = io.WriteString(w, "data: x\n\n")
		_, _ = fmt.Fprintf(w, "data: %v\n\n", c.RefuseUpstreamToken())
	})
	if got := body(t, res); res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/event-stream" || !strings.Contains(got, "connect the account again") {
		t.Fatalf("answered %v: %s", res, got)
	}
}

func TestRefusalChangesNothingWhereItIsOff(t *testing.T) {
	t.Parallel()

	res := ask(t, -1, http.MethodPost, "downstream-1", func(w http.ResponseWriter, c Caller) { _, _ = fmt.Fprint(w, c.RefuseUpstreamToken()) })
	if res.StatusCode != http.StatusOK {
		t.Fatalf("answered %v", res)
	}
}

func TestRefusalAnswersAsTheyAre(t *testing.T) {
	t.Parallel()

	res := ask(t, time.Hour, http.MethodPost, "downstream-1", func(w http.ResponseWriter, _ Caller) {
		w.Header().Set("X-Mine", "yes")
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, "done")
	})
	if res.StatusCode != http.StatusCreated || res.Header.Get("X-Mine") != "yes" || body(t, res) != "done" {
		t.Fatalf("answered %v", res)
	}
	res = ask(t, time.Hour, http.MethodPost, "downstream-1", func(w http.ResponseWriter, _ Caller) { w.Header().Set("X-Mine", "yes") })
	if res.StatusCode != http.StatusOK || res.Header.Get("X-Mine") != "yes" {
		t.Fatalf("answered %v", res)
	}
}

// TestRefusalStartWaits has a handler that goes on only when the client has seen the
// status: where the wait were longer than it may be, neither would ever go on.
func TestRefusalStartWaitsNoLongerThanItMay(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		hold          time.Duration
		method, token string
	}{
		"until the time is over": {time.Millisecond, http.MethodPost, "downstream-1"},
		"not without a token":    {time.Hour, http.MethodPost, ""},
		"not on a GET":           {time.Hour, http.MethodGet, "downstream-1"},
		"not where it is off":    {-1, http.MethodPost, "downstream-1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			began := make(chan struct{})
			res := ask(t, tc.hold, tc.method, tc.token, func(w http.ResponseWriter, _ Caller) {
				head(w)
				select {
				case <-began:
					_, _ = io.WriteString(w, "data: end\n\n")
				case <-time.After(10 * time.Second):
				}
			})
			close(began)
			if got := body(t, res); got != "data: end\n\n" {
				t.Fatalf("answered %q", got)
			}
		})
	}
}

func TestCallerShowsNoToken(t *testing.T) {
	t.Parallel()

	ask(t, 0, http.MethodPost, "downstream-1", func(_ http.ResponseWriter, c Caller) {
		raw, err := json.Marshal(c)
		shown := fmt.Sprintf("%v %+v %#v %s %v", c, c, &c, raw, err)
		if strings.Contains(shown, "downstream-1") || c.UpstreamAccessToken() != "downstream-1" {
			t.Errorf("it shows %s", shown)
		}
	})
}

func TestCallerIsGoneWithItsRequest(t *testing.T) {
	t.Parallel()

	if _, ok := FromContext(t.Context()); ok {
		t.Error("a context of nobody's has a caller")
	}
	var kept http.Header
	guard := New(Options{Getenv: func(name string) string {
		return map[string]string{"EMCY_WORKER_SHARED_SECRET": "a"}[name]
	}})
	req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)
	req.Header.Set("X-Emcy-Worker-Secret", "a")
	guard.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { kept = r.Header })).ServeHTTP(httptest.NewRecorder(), req)
	if _, ok := FromHeader(kept); ok || kept == nil {
		t.Errorf("the header %v still has a caller", kept)
	}
}
