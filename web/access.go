package web

import (
	"cmp"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy/accounts"
	"github.com/emcy/gateway/ui/pages"
	"github.com/emcy/gateway/web/forms"
)

// start sends people where they begin.
func (k *Console) start(c echo.Context) error {
	_, err := k.session(c)
	if signedOut(err) {
		return k.see(c, "/sign-in")
	}
	if err != nil {
		return err
	}
	return k.see(c, "/workspaces")
}

// alreadyIn sends a person who is signed in past the forms for those who are not.
func (k *Console) alreadyIn(c echo.Context) (bool, error) {
	_, err := k.session(c)
	if signedOut(err) {
		return false, nil
	}
	return err == nil, err
}

func (k *Console) signUpPage(c echo.Context, _ forms.Values) error {
	next := forms.Next(c.QueryParam("next"), "")
	in, err := k.alreadyIn(c)
	if err != nil {
		return err
	}
	if in {
		return k.see(c, cmp.Or(next, "/workspaces"))
	}
	return k.page(c, http.StatusOK, pages.SignUp(pages.SignUpPage{Shell: k.bareShell(c, k.guestToken(c)), Values: pages.SignUpValues{Next: next}}))
}

func (k *Console) signUp(c echo.Context, form forms.Values) error {
	in := forms.ReadSignUp(form)
	account, err := accounts.Account{}, errs.Fields(form.Unreadable())
	if err == nil {
		account, err = k.cfg.Accounts.SignUp(c.Request().Context(), in.Name, in.Email, in.Password, c.RealIP())
	}
	if err != nil {
		status, ok := k.again(c, err)
		if !ok {
			return err
		}
		return k.page(c, status, pages.SignUp(pages.SignUpPage{
			Shell: k.bareShell(c, k.guestToken(c)), Values: pages.SignUpValues{Name: in.Name, Email: in.Email, Next: in.Next},
			Errors: errs.FieldsOf(err), Summary: errs.Public(err),
		}))
	}
	if err := k.startSession(c, account); err != nil {
		return err
	}
	return k.see(c, cmp.Or(in.Next, "/workspaces/new"))
}

func (k *Console) signInPage(c echo.Context, _ forms.Values) error {
	next := forms.Next(c.QueryParam("next"), "")
	in, err := k.alreadyIn(c)
	if err != nil {
		return err
	}
	if in {
		return k.see(c, cmp.Or(next, "/workspaces"))
	}
	return k.page(c, http.StatusOK, pages.SignIn(pages.SignInPage{Shell: k.bareShell(c, k.guestToken(c)), Values: pages.SignInValues{Next: next}}))
}

func (k *Console) signIn(c echo.Context, form forms.Values) error {
	in := forms.ReadSignIn(form)
	account, err := accounts.Account{}, errs.Fields(form.Unreadable())
	if err == nil {
		account, err = k.cfg.Accounts.SignIn(c.Request().Context(), in.Email, in.Password, c.RealIP())
	}
	if err != nil {
		status, ok := k.again(c, err)
		if !ok {
			return err
		}
		return k.page(c, status, pages.SignIn(pages.SignInPage{
			Shell: k.bareShell(c, k.guestToken(c)), Values: pages.SignInValues{Email: in.Email, Next: in.Next},
			Errors: errs.FieldsOf(err), Summary: errs.Public(err),
		}))
	}
	if err := k.startSession(c, account); err != nil {
		return err
	}
	return k.see(c, cmp.Or(in.Next, "/workspaces"))
}

// again says whether an error is answered with the form it came from, and the
// status: the typed values are not lost then. A wrong sign-in is a wrong form.
func (k *Console) again(c echo.Context, err error) (status int, ok bool) {
	switch errs.KindOf(err) {
	case errs.Invalid:
		return http.StatusUnprocessableEntity, true
	case errs.Unauthenticated:
		return http.StatusUnprocessableEntity, errors.Is(err, accounts.ErrWrongSignIn)
	case errs.Conflict:
		return http.StatusConflict, true
	case errs.RateLimited:
		if e, found := errors.AsType[*errs.Error](err); found && e.RetryAfter > 0 {
			c.Response().Header().Set("Retry-After", strconv.Itoa(retrySeconds(e.RetryAfter)))
		}
		return http.StatusTooManyRequests, true
	case errs.Internal, errs.Forbidden, errs.NotFound, errs.Stale, errs.NeedsConsent, errs.BudgetExceeded,
		errs.UpstreamFailed, errs.DownstreamRejected, errs.Unavailable, errs.Canceled:
	}
	return 0, false
}

// retrySeconds rounds up: a client that waits so long is let in.
func retrySeconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

func (k *Console) signOut(c echo.Context, p Person) error {
	if err := k.cfg.Accounts.EndSession(c.Request().Context(), p.Session); err != nil {
		return err
	}
	k.dropCookie(c, k.cookies.session)
	return k.see(c, "/sign-in")
}
