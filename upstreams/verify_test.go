package upstreams_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/upstreams"
)

// door is a runtime that lets in whom it is told to, and remembers what came.
type door struct {
	mu       sync.Mutex
	header   string
	takes    []string
	status   int    // of a refusal; 401 unless set
	says     string // WWW-Authenticate of a refusal
	legacy   bool   // knows initialize only, and keeps sessions
	requests []*http.Request
	bodies   []string
	open     map[string]bool
}

func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.requests, d.bodies = append(d.requests, r), append(d.bodies, string(body))
	if !slices.Contains(d.takes, r.Header.Get(d.header)) {
		if d.says != "" {
			w.Header().Set("WWW-Authenticate", d.says)
		}
		if d.status == 0 {
			d.status = http.StatusUnauthorized
		}
		w.WriteHeader(d.status)
		return
	}
	if r.Method == http.MethodDelete {
		delete(d.open, r.Header.Get("Mcp-Session-Id"))
		return
	}
	if d.legacy && strings.Contains(string(body), "server/discover") {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if d.legacy {
		d.open["s-1"] = true
		w.Header().Set("Mcp-Session-Id", "s-1")
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":1,"result":{}}`)
}

func (d *door) serve(t *testing.T) string {
	t.Helper()
	d.open = map[string]bool{}
	s := httptest.NewServer(d)
	t.Cleanup(s.Close)
	return s.URL + "/mcp"
}

func states(r upstreams.VerifyReport) []string {
	out := make([]string, len(r.Checks))
	for i, c := range r.Checks {
		out[i] = c.Name + ": " + string(c.State)
	}
	return out
}

const workerChallenge = `EmcyWorker error="invalid_secret"`

func TestVerify(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		ctx := t.Context()
		for _, legacy := range []bool{false, true} {
			d := &door{header: "X-Emcy-Worker-Secret", says: workerChallenge, legacy: legacy}
			u := b.create(t, b.a, input("files", d.serve(t), "X-Key", "k"))
			d.takes = []string{b.secret(t, b.a, "files")}
			report, err := b.registry.Verify(ctx, b.a, "files")
			require.NoError(t, err)
			require.Equal(t, upstreams.VerifyReport{
				At: b.Clock.Now(), OK: true, Summary: "The runtime takes the right secret and refuses everything else.",
				Checks: []upstreams.VerifyCheck{
					{Name: "The right secret", State: upstreams.VerifyOK, Want: 200, Got: 200, Text: "It is let in."},
					{Name: "A wrong secret", State: upstreams.VerifyOK, Want: 401, Got: 401, Text: "It is refused."},
					{Name: "Nothing", State: upstreams.VerifyOK, Want: 401, Got: 401, Text: "It is refused."},
				},
			}, report)
			require.Empty(t, d.open, "sessions are ended")
			last := d.requests[len(d.requests)-1]
			require.Empty(t, last.Header.Values("X-Emcy-Worker-Secret"))
			require.Equal(t, "k", last.Header.Get("X-Key"), "static headers belong to the way there")

			// Two secrets are valid while one takes the other's place.
			require.NoError(t, b.registry.RotateSecret(ctx, b.a, "files"))
			report, err = b.registry.Verify(ctx, b.a, "files")
			require.NoError(t, err)
			require.Equal(t, []string{"The old secret, which is still sent: ok", "The new secret: bad", "A wrong secret: ok", "Nothing: ok"}, states(report))
			require.False(t, report.OK)
			require.Contains(t, report.Checks[1].Next, "EMCY_WORKER_SHARED_SECRET")
			d.takes = append(d.takes, b.secret(t, b.a, "files"))
			report, err = b.registry.Verify(ctx, b.a, "files")
			require.NoError(t, err)
			require.True(t, report.OK, report)

			after := b.get(t, b.a, "files")
			require.Equal(t, u.State, after.State, "nothing is stored")
			require.NoError(t, b.registry.Remove(ctx, b.a, "files"))
		}
	})
}

func TestVerifyFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		ctx := t.Context()
		d := &door{header: "X-Emcy-Worker-Secret"}
		u := b.create(t, b.a, input("files", d.serve(t)))
		right := b.secret(t, b.a, "files")
		check := func() upstreams.VerifyReport {
			report, err := b.registry.Verify(ctx, b.a, "files")
			require.NoError(t, err)
			require.False(t, report.OK)
			return report
		}
		report := check()
		require.Equal(t, []string{"The right secret: bad", "A wrong secret: ok", "Nothing: ok"}, states(report))
		require.Equal(t, "The runtime refuses the gateway's secret: no call gets through.", report.Summary)
		require.Contains(t, report.Checks[1].Next, "EmcyWorker", "a bare 401 is told from a helper's")

		d.header = "X-Nobody" // everybody is let in
		d.takes = []string{""}
		report = check()
		require.Equal(t, []string{"The right secret: ok", "A wrong secret: bad", "Nothing: bad"}, states(report))
		require.Equal(t, "The runtime does not keep strangers out, or not with every secret.", report.Summary)

		d.header, d.takes, d.status = "X-Emcy-Worker-Secret", []string{right}, http.StatusInternalServerError
		report = check()
		require.Equal(t, []string{"The right secret: ok", "A wrong secret: unknown", "Nothing: unknown"}, states(report))
		require.Equal(t, "Whether the runtime honours the contract could not be told.", report.Summary)

		d.status = http.StatusForbidden
		got, err := b.registry.Verify(ctx, b.a, "files")
		require.NoError(t, err)
		require.True(t, got.OK)
		require.Contains(t, got.Checks[1].Text, "403")

		d.status, d.says, d.takes = http.StatusUnauthorized, `Bearer resource_metadata="https://r/"`, nil
		report = check()
		require.Equal(t, "The right secret: unknown", states(report)[0], "it asks for a person")

		_, _, err = b.registry.Update(ctx, b.a, "files", input("", somewhere), u.Version)
		require.NoError(t, err)
		report = check()
		require.Equal(t, []string{"The right secret: unknown", "A wrong secret: unknown", "Nothing: unknown"}, states(report))
		require.Zero(t, report.Checks[0].Got)
		require.NotContains(t, strings.Join([]string{report.Summary, report.Checks[0].Text}, " "), right)
	})
}

func TestVerifyAssertions(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		ctx := t.Context()
		b.registry.UseAssertions(asserter{"good", "foreign"})
		d := &door{header: "X-Signed", says: workerChallenge}
		url := d.serve(t)
		u := b.create(t, b.a, input("files", url))
		d.takes = []string{"good+" + url}
		_, err := b.registry.SetContract(ctx, b.a, "files", upstreams.Contract{Headers: map[string]string{upstreams.HeaderAssertion: "X-Signed"}, AssertionOnly: true}, u.Version)
		require.NoError(t, err)
		report, err := b.registry.Verify(ctx, b.a, "files")
		require.NoError(t, err)
		require.True(t, report.OK)
		require.True(t, report.Assertion)
		require.Equal(t, []string{"A good assertion: ok", "An assertion with a foreign key: ok", "Nothing: ok"}, states(report))
		require.Equal(t, "The runtime takes the right assertion and refuses everything else.", report.Summary)
		for _, r := range d.requests {
			require.Empty(t, r.Header.Values("X-Emcy-Worker-Secret"), "no secret leaves")
		}
		d.takes = append(d.takes, "foreign+"+url)
		report, err = b.registry.Verify(ctx, b.a, "files")
		require.NoError(t, err)
		require.Equal(t, "An assertion with a foreign key: bad", states(report)[1])

		// A probe is let in the same way.
		_, err = b.registry.Probe(ctx, b.a, "files")
		require.NoError(t, err)
		for _, r := range d.requests {
			require.Empty(t, r.Header.Values("X-Emcy-Worker-Secret"), "no secret leaves")
		}
		require.Equal(t, "good+"+url, d.requests[len(d.requests)-2].Header.Get("X-Signed"))

		b.registry.UseAssertions(broken{})
		_, err = b.registry.Verify(ctx, b.a, "files")
		require.ErrorIs(t, err, errSigning)
		b.registry.UseAssertions(nil)
		_, err = b.registry.Verify(ctx, b.a, "files")
		requireKind(t, err, errs.Unavailable)
	})
}
