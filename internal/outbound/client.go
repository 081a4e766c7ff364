package outbound

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// Client fetches bounded answers. It is safe for concurrent use.
type Client struct {
	cfg   Config
	guard *guard
	http  *http.Client
}

// New returns a client with the configuration's bounds.
func New(cfg Config) *Client {
	cfg = cfg.withDefaults()
	g := newGuard(cfg)
	t := newTransport(cfg, g)
	t.DisableKeepAlives = !cfg.KeepConnections
	return &Client{cfg: cfg, guard: g, http: &http.Client{
		Transport: t,
		Timeout:   cfg.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}}
}

// CloseIdleConnections closes the connections that KeepConnections kept.
func (c *Client) CloseIdleConnections() { c.http.CloseIdleConnections() }

// Do sends the request and returns the answer with a body that errors beyond the cap. A redirect and a
// compressed answer are errors; any other status is the caller's to judge. Every error, the body's
// included, is an *Error. The caller closes the body.
func (c *Client) Do(req *http.Request) (*http.Response, error) {
	if InTx(req.Context()) {
		return nil, errInTx()
	}
	u, err := c.CheckURL(req.URL.String())
	if err != nil {
		return nil, err
	}
	req = req.Clone(req.Context())
	req.URL, req.Host = u, ""
	if req.Header == nil {
		req.Header = make(http.Header)
	}
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", c.cfg.UserAgent)
	}
	req.Header.Set("Accept-Encoding", "identity")
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, Classify(err)
	}
	if err := c.judge(u, resp); err != nil {
		_ = resp.Body.Close() // the answer is refused as a whole
		return nil, err
	}
	resp.Body = &cappedBody{body: resp.Body, left: c.cfg.MaxBody}
	return resp, nil
}

func (c *Client) judge(u *url.URL, resp *http.Response) error {
	switch {
	case resp.StatusCode >= 300 && resp.StatusCode < 400 && resp.StatusCode != http.StatusNotModified:
		return redirected(resp.StatusCode, c.origin(u, resp.Header.Get("Location")))
	case !plain(resp.Header.Values("Content-Encoding")):
		return fail(KindEncoding, "the answer is compressed although that was not asked for", nil)
	case resp.ContentLength > c.cfg.MaxBody:
		return fail(KindTooLarge, "the answer is too large", nil)
	default:
		return nil
	}
}

func plain(encodings []string) bool {
	for _, e := range encodings {
		if e != "" && !strings.EqualFold(e, "identity") {
			return false
		}
	}
	return true
}

// origin returns where a redirect leads, "" when the host is none that the guard would let be named.
func (c *Client) origin(base *url.URL, location string) string {
	if location == "" || checkSpelling(strings.TrimSuffix(location, "#")) != nil {
		return ""
	}
	target, err := base.Parse(location)
	if err != nil || target.Scheme != "https" && target.Scheme != "http" {
		return ""
	}
	authority, err := c.guard.authority(target.Scheme, target.Host)
	if err != nil {
		return ""
	}
	return target.Scheme + "://" + authority
}

// cappedBody errors on the first byte beyond the cap.
type cappedBody struct {
	body io.ReadCloser
	left int64
}

func (b *cappedBody) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if b.left < 0 {
		return 0, errBodyTooLarge()
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.body.Read(p)
	b.left -= int64(n)
	if b.left < 0 {
		return n - 1, errBodyTooLarge()
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return n, Classify(err)
	}
	return n, err
}

func (b *cappedBody) Close() error { return b.body.Close() }

func errBodyTooLarge() *Error { return fail(KindTooLarge, "the answer is too large", nil) }

// newGet builds a GET for GetJSON.
func newGet(ctx context.Context, u *url.URL) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, fail(KindURL, "this is not a URL", err)
	}
	req.Header.Set("Accept", "application/json")
	return req, nil
}
