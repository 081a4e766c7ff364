package server

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/emcy/gateway/internal/ids"
)

const browserPrefix = "emc_br"

// cookieName names a cookie of this origin. Browsers ignore the port in cookies,
// so on plain http, where __Host- is not to be had, the name carries it.
func cookieName(kind, issuer string) string {
	if strings.HasPrefix(issuer, "https://") {
		return "__Host-emcy_" + kind
	}
	u, err := url.Parse(issuer)
	if err != nil || u.Port() == "" {
		return "emcy_" + kind
	}
	return "emcy_" + kind + "_" + u.Port()
}

func setCookie(w http.ResponseWriter, kind, issuer, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{
		Name: cookieName(kind, issuer), Value: value, Path: "/", MaxAge: maxAge,
		Secure: strings.HasPrefix(issuer, "https://"), HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

func cookie(r *http.Request, kind, issuer string) string {
	c, err := r.Cookie(cookieName(kind, issuer))
	if err != nil {
		return ""
	}
	return c.Value
}

// browserOf is the random name that a browser carries here, which its attempts are
// bound to; "" where it has none yet.
func browserOf(r *http.Request, issuer string) string {
	v := cookie(r, "browser", issuer)
	if !ids.ValidSecret(browserPrefix, v) {
		return ""
	}
	return v
}

func setBrowser(w http.ResponseWriter, issuer string) string {
	v := ids.Secret(browserPrefix)
	setCookie(w, "browser", issuer, v, 0)
	return v
}
