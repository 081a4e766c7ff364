package web

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/httpx"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/tenancy/accounts"
	"github.com/emcy/gateway/web/forms"
)

// guestPrefix starts the random value behind the tokens of signed-out forms.
const guestPrefix = "emc_cg"

// cookieNames are the console's two cookies. With https their names demand that
// they are Secure, without Domain and for the whole host; on plain http they carry
// the port, because browsers send a cookie to every port of a host.
type cookieNames struct{ session, guest string }

func nameCookies(secure bool, u *url.URL) cookieNames {
	if secure {
		return cookieNames{session: "__Host-emcy_console", guest: "__Host-emcy_guest"}
	}
	port := u.Port()
	if port == "" {
		port = "80"
	}
	return cookieNames{session: "emcy_console_" + port, guest: "emcy_guest_" + port}
}

// cookie is the value of our cookie, or empty. Two values of one name mean that
// somebody else set one of them; neither is believed then.
func cookie(c echo.Context, name string) string {
	value := ""
	for _, found := range c.Request().CookiesNamed(name) {
		if value != "" && found.Value != value {
			return ""
		}
		value = found.Value
	}
	return value
}

func (k *Console) setCookie(c echo.Context, name, value string, life time.Duration) {
	c.SetCookie(&http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: int(life.Seconds()),
		Secure: k.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

func (k *Console) dropCookie(c echo.Context, name string) {
	c.SetCookie(&http.Cookie{Name: name, Path: "/", MaxAge: -1, Secure: k.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

// session is the signed-in browser; Unauthenticated where there is none.
func (k *Console) session(c echo.Context) (accounts.Session, error) {
	s, err := k.cfg.Accounts.Session(c.Request().Context(), cookie(c, k.cookies.session), k.origin)
	if err != nil {
		return accounts.Session{}, err
	}
	c.Set(keySession, s)
	return s, nil
}

// startSession signs the browser in. The session that it had before ends.
func (k *Console) startSession(c echo.Context, account accounts.Account) error {
	value, err := k.cfg.Accounts.StartSession(c.Request().Context(), account.ID, k.origin, cookie(c, k.cookies.session))
	if err != nil {
		return err
	}
	k.setCookie(c, k.cookies.session, value, accounts.SessionLife)
	return nil
}

// guestToken is the token for a signed-out form: a MAC over a random value that
// the browser keeps in a cookie. The value stays, so that several tabs work.
func (k *Console) guestToken(c echo.Context) string {
	value := cookie(c, k.cookies.guest)
	if !ids.ValidSecret(guestPrefix, value) {
		value = ids.Secret(guestPrefix)
		k.setCookie(c, k.cookies.guest, value, 0) // until the browser is closed
	}
	return k.guestMAC(value)
}

func (k *Console) guestMAC(value string) string {
	mac := k.cfg.DB.KEK().MAC("console guest form", k.origin, value)
	return base64.RawURLEncoding.EncodeToString(mac[:])
}

func (k *Console) checkGuestToken(c echo.Context, form forms.Values) error {
	value := cookie(c, k.cookies.guest)
	if !ids.ValidSecret(guestPrefix, value) {
		return refuse(http.StatusForbidden, "This form cannot be accepted", "The browser sent no cookie with it. Allow cookies for this address, open the page again and send the form once more.")
	}
	return checkToken(form, k.guestMAC(value))
}

func checkToken(form forms.Values, want string) error {
	if want == "" || subtle.ConstantTimeCompare([]byte(form.Token()), []byte(want)) != 1 {
		return refuse(http.StatusForbidden, "This form is out of date", "You signed in or out since the page was opened, or it came from elsewhere. Go back, load the page again and send the form once more.")
	}
	return nil
}

// readForm reads the body, once.
func (k *Console) readForm(c echo.Context) (forms.Values, error) {
	r := c.Request()
	httpx.BoundBody(c.Response(), c.Request(), k.bodyTime) // anew: finding the session may have taken its time
	body, err := io.ReadAll(r.Body)
	if err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			// The server takes the deadline for the end of the connection and cancels the
			// request. Its sender may still read why.
			c.SetRequest(r.WithContext(context.WithoutCancel(r.Context())))
			return forms.Values{}, tooSlow(err)
		}
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return forms.Values{}, tooLarge()
		}
		if r.Context().Err() != nil {
			return forms.Values{}, r.Context().Err()
		}
		return forms.Values{}, malformed(err)
	}
	// What follows, such as a probe, may take longer than a body.
	httpx.FreeBody(c.Response())
	form, err := forms.Parse(r.Header.Get(echo.HeaderContentType), body)
	if errors.Is(err, forms.ErrMediaType) {
		return forms.Values{}, refuse(http.StatusUnsupportedMediaType, "This is not a form", "The console takes forms as browsers send them: "+forms.MediaType+".")
	}
	if err != nil {
		return forms.Values{}, malformed(err)
	}
	return form, nil
}

func malformed(cause error) error {
	return &refusal{status: http.StatusBadRequest, title: "This request cannot be read", text: "It is not what a page of the console sends. Go back, load the page again and send the form once more.", cause: cause}
}

// signedOut reports whether the error says that nobody is signed in.
func signedOut(err error) bool { return errs.Is(err, errs.Unauthenticated) }
