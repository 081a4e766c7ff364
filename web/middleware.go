package web

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/emcy/gateway/internal/httpx"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/internal/logx"
	"github.com/emcy/gateway/ui/assets"
)

// Keys of what a request's page needs everywhere. They are read only by the
// functions of this package that carry their names.
const (
	keyRequestID = "request id"
	keyNonce     = "nonce"
	keySession   = "session"
	keyVisit     = "visit"
)

func requestID(c echo.Context) string { s, _ := c.Get(keyRequestID).(string); return s }

func nonce(c echo.Context) string { s, _ := c.Get(keyNonce).(string); return s }

// identify names the request, and writes one line about it when it is over. An id
// that the client sent is not used: it would let one forge another's.
func (k *Console) identify(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		start := time.Now()
		id := ids.New("req")
		c.Set(keyRequestID, id)
		c.Response().Header().Set("X-Request-Id", id)
		if err := next(c); err != nil {
			c.Error(err)
		}
		attrs := []slog.Attr{
			slog.String(logx.RequestID, id), slog.String(logx.Method, c.Request().Method), slog.String(logx.Path, c.Path()),
			slog.Int(logx.Status, c.Response().Status), slog.Float64(logx.Latency, float64(time.Since(start).Microseconds())/1000),
		}
		if v, ok := c.Get(keyVisit).(Visit); ok {
			attrs = append(attrs, slog.String(logx.Tenant, v.Handle.Tenant()))
		}
		level := slog.LevelInfo
		if anyHost(c) {
			level = slog.LevelDebug // machines ask these all the time
		}
		k.cfg.Log.LogAttrs(c.Request().Context(), level, "console request", attrs...)
		return nil
	}
}

// recover turns a panic into a 500 page. The stack goes to the log only.
func (k *Console) recover(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if p == http.ErrAbortHandler { //nolint:errorlint // net/http compares it the same way
				panic(p)
			}
			k.cfg.Log.ErrorContext(c.Request().Context(), "console handler panicked", logx.RequestID, requestID(c), logx.Path, c.Path(), "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", p)
		}()
		return next(c)
	}
}

const csp = "default-src 'none'; base-uri 'none'; connect-src 'self'; font-src 'self'; form-action 'self'; frame-ancestors 'none'; " +
	"img-src 'self' data:; script-src 'self' 'nonce-%s'; style-src 'self'; require-trusted-types-for 'script'; trusted-types htmx; report-uri /csp-report"

// protect sets the headers that every answer has, whatever becomes of it.
func (k *Console) protect(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		var b [16]byte
		_, _ = rand.Read(b[:]) // crypto/rand never fails since Go 1.24
		n := base64.RawURLEncoding.EncodeToString(b[:])
		c.Set(keyNonce, n)
		h := c.Response().Header()
		h.Set("Content-Security-Policy", fmt.Sprintf(csp, n))
		// Not no-referrer: browsers would then send "Origin: null" with our own forms.
		h.Set("Referrer-Policy", "same-origin")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "accelerometer=(), browsing-topics=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), hid=(), magnetometer=(), microphone=(), midi=(), payment=(), serial=(), usb=()")
		h.Set("X-Robots-Tag", "noindex, nofollow")
		h.Set("Cache-Control", "no-store")
		if k.secure {
			h.Set("Strict-Transport-Security", "max-age=63072000")
		}
		return next(c)
	}
}

// health are the routes that machines ask by an address of their own.
var health = map[string]bool{"/healthz": true, "/readyz": true}

// anyHost are the routes that say nothing about anybody: health, and the style of
// the page that says where the console is.
func anyHost(c echo.Context) bool { return health[c.Path()] || c.Path() == assets.Prefix+"*" }

// ownHost refuses requests that were meant for another host: a rebound name, a
// poisoned Host header, a tenant's origin.
func (k *Console) ownHost(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		scheme := "http"
		if k.secure {
			scheme = "https"
		}
		if canonicalHost(scheme, c.Request().Host) != k.host && !anyHost(c) {
			return refuse(http.StatusMisdirectedRequest, "This is not the console's address", "The console is at "+k.origin+".")
		}
		return next(c)
	}
}

// reportPath takes what browsers send by themselves.
const reportPath = "/csp-report"

// sameOrigin refuses unsafe requests that another site made a browser send. It is
// the second lock beside the form's token, and the one that holds where an attacker
// could plant a cookie. Every browser in use sends one of the two headers.
func (k *Console) sameOrigin(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		switch r.Method {
		case http.MethodGet, http.MethodHead, http.MethodOptions:
			return next(c)
		}
		if c.Path() != reportPath && !k.fromUs(r.Header) {
			return refuse(http.StatusForbidden, "This request came from another site", "Forms of the console are accepted from the console's own pages only. Open "+k.origin+" and try again.")
		}
		return next(c)
	}
}

func (k *Console) fromUs(h http.Header) bool {
	origins, sites := h.Values("Origin"), h.Values("Sec-Fetch-Site")
	if len(origins) > 1 || len(sites) > 1 {
		return false
	}
	origin, site := h.Get("Origin"), h.Get("Sec-Fetch-Site")
	switch {
	case origin != "" && origin != k.origin:
		return false
	case site != "" && site != "same-origin":
		return origin == k.origin && site == "none" // a person's own act, such as sending a form again from the history
	}
	return origin != "" || site != ""
}

// limitBody bounds what any handler can read, and for how long. It comes before
// whatever refuses a request: the server reads on behind a body that nobody wanted.
func (k *Console) limitBody(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		httpx.BoundBody(c.Response(), c.Request(), k.bodyTime)
		if r.ContentLength > maxBody {
			return tooLarge()
		}
		r.Body = http.MaxBytesReader(c.Response(), r.Body, maxBody)
		return next(c)
	}
}

func tooSlow(cause error) error {
	return &refusal{status: http.StatusRequestTimeout, title: "This form did not arrive in time", text: "The connection may be slow. Go back and send the form once more.", cause: cause}
}

func tooLarge() error {
	return refuse(http.StatusRequestEntityTooLarge, "That is too much", fmt.Sprintf("A form may have at most %d kB.", maxBody>>10))
}
