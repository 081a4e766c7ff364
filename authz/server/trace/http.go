package trace

import (
	"context"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/emcy/gateway/tenancy"
)

// Visit is a request to the authorization server, as far as it does not stand in it.
type Visit struct {
	Handle tenancy.Handle
	Issuer string
	Addr   netip.Addr
}

// Paths with a meaning of their own: where browsers come back from a sign-in provider,
// and where the attempt of a device ends.
const (
	callback = "/callback/"
	done     = "/done"
)

// kindOf says which step an endpoint's requests are; page is a page on the way.
func kindOf(r *http.Request) (step Step, page bool) {
	post := r.Method == http.MethodPost
	switch path := r.URL.Path; {
	case strings.Contains(path, "/.well-known/"):
		return ServerMetadata, false
	case path == "/register" && post:
		return Register, false
	case path == "/authorize" && !post:
		return Authorize, true
	case path == "/par" && post, path == "/device_authorization" && post:
		return Authorize, false
	case path == "/token" && post:
		return Token, false
	case strings.HasPrefix(path, "/sign-in"), strings.HasPrefix(path, callback):
		return SignIn, true
	case strings.HasPrefix(path, "/consent"):
		return Consent, true
	case path == "/device" && post:
		return Authorize, true
	case path == "/device", path == done:
		return "", true
	}
	return "", false
}

// Trail is what one request tells about its attempt while it is served.
type Trail struct {
	recorder *Recorder
	visit    Visit
	request  *http.Request
	step     Step
	page     bool
	id       string
	code     string
	upstream string
	body     *capture
}

type trailKey struct{}

func from(ctx context.Context) *Trail {
	t, _ := ctx.Value(trailKey{}).(*Trail)
	return t
}

// ID is the trace of the request that ctx belongs to; "" where it has none (yet).
func ID(ctx context.Context) string {
	if t := from(ctx); t != nil {
		return t.id
	}
	return ""
}

// Use tells the trace of the request, once its attempt is known.
func Use(ctx context.Context, id string) {
	if t := from(ctx); t != nil && t.id == "" {
		t.id = id
	}
}

// UseAttempt tells the authorization attempt of a request that does not name it.
func UseAttempt(ctx context.Context, attempt string) {
	if t := from(ctx); t != nil && t.id == "" {
		t.id = t.recorder.ofAttempt(ctx, t.visit, attempt)
	}
}

// Begin finds or makes the trace of a client that begins without a browser, and gives it:
// "" where there is none. Never call it inside a transaction.
func Begin(ctx context.Context, client, upstreamID string) string {
	t := from(ctx)
	if t == nil {
		return ""
	}
	now := t.recorder.db.Clock().Now()
	t.upstream = upstreamID
	if t.id == "" && t.recorder.gate.admit(t.visit.Issuer, NetworkOf(t.visit.Addr), now) {
		t.id = t.recorder.begin(ctx, t.visit, t.who(), Event{Step: Authorize, At: now, ClientID: clientID(client), UpstreamID: upstreamID, fresh: true})
	}
	return t.id
}

// Refuse tells why the request is refused, before a page says so, and gives the trace
// to show there; "" where there is none. It may write to the database: never call it
// inside a transaction.
func Refuse(ctx context.Context, code string) string {
	t := from(ctx)
	if t == nil {
		return ""
	}
	t.code = code
	if t.id == "" {
		t.id = t.seek()
	}
	return t.id
}

// seek finds the trace of a request whose handler did not say.
func (t *Trail) seek() string {
	r := t.request
	attempt := r.URL.Query().Get("attempt")
	if attempt == "" {
		attempt = r.PostForm.Get("attempt")
	}
	if attempt != "" {
		return t.recorder.ofAttempt(r.Context(), t.visit, attempt)
	}
	return ""
}

func (t *Trail) who() Origin {
	return Origin{Network: NetworkOf(t.visit.Addr), UserAgent: Agent(t.request.UserAgent())}
}

// Serve serves a request of the authorization server and records what it was. Errors
// that leave as JSON or in a redirect get the trace's id at the end of their
// error_description.
func (r *Recorder) Serve(w http.ResponseWriter, req *http.Request, v Visit, next http.HandlerFunc) {
	step, page := kindOf(req)
	if r == nil || step == "" && !page {
		next(w, req)
		return
	}
	t := &Trail{recorder: r, visit: v, step: step, page: page}
	req = req.WithContext(context.WithValue(req.Context(), trailKey{}, t))
	t.request = req
	if step == Register {
		t.body = &capture{ReadCloser: req.Body}
		req.Body = t.body
	}
	if step == Authorize && page && req.Method != http.MethodPost && r.gate.admit(v.Issuer, NetworkOf(v.Addr), r.db.Clock().Now()) {
		t.id = r.begin(req.Context(), v, t.who(), t.authorizeEvent())
	}
	out := &writer{ResponseWriter: w, trail: t, hold: !page && step != ServerMetadata}
	next(out, req)
	out.finish()
}

// maxCapture is how much of a registration is read for its trace, in bytes.
const maxCapture = 16 << 10

// capture keeps the beginning of a body that somebody else reads.
type capture struct {
	io.ReadCloser
	head []byte
	size int
}

func (c *capture) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.size += n
	if room := maxCapture - len(c.head); room > 0 {
		c.head = append(c.head, p[:min(n, room)]...)
	}
	return n, err
}

// Noted is an error description with the trace's id behind it (RFC 6749, section 5.2
// allows these characters).
func Noted(description, id string) string {
	if id == "" || strings.Contains(description, id) {
		return description
	}
	return strings.TrimSpace(description + " (Trace " + id + ")")
}

// noteRedirect puts the id into the error_description of a redirect; every other byte
// stays.
func noteRedirect(location, id string) string {
	const name = "error_description="
	i := strings.Index(location, name)
	if i < 1 || location[i-1] != '?' && location[i-1] != '&' {
		return location
	}
	i += len(name)
	end := i + strings.IndexByte(location[i:]+"&", '&')
	text, err := url.QueryUnescape(location[i:end])
	if err != nil {
		return location
	}
	return location[:i] + url.QueryEscape(Noted(text, id)) + location[end:]
}
