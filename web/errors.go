package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/logx"
	"github.com/emcy/gateway/tenancy/accounts"
	"github.com/emcy/gateway/ui/pages"
)

// refusal is an answer that is about HTTP and not about the domain: a wrong host, a
// foreign form, a body that is none. Its texts are shown; its cause is logged.
type refusal struct {
	status      int
	title, text string
	cause       error
}

func (r *refusal) Error() string {
	if r.cause == nil {
		return r.title
	}
	return r.title + ": " + r.cause.Error()
}

func (r *refusal) Unwrap() error { return r.cause }

func refuse(status int, title, text string) error {
	return &refusal{status: status, title: title, text: text}
}

// statusCanceled is what a request is logged with when nobody waits for its answer.
const statusCanceled = 499

// answer is an error as a page. What is in it leaves the process.
type answer struct {
	status      int
	title, text string
	action      string
	href        string
	retryAfter  time.Duration
}

// writeError is the only place where the console answers an error.
func (k *Console) writeError(err error, c echo.Context) {
	r := c.Request()
	a := k.answer(c, err)
	if a.status >= http.StatusInternalServerError {
		k.cfg.Log.ErrorContext(r.Context(), "console request failed", logx.RequestID, requestID(c), logx.Method, r.Method, logx.Path, c.Path(), logx.Status, a.status, logx.Err, err)
	} else if a.status != http.StatusSeeOther && a.status != statusCanceled {
		k.cfg.Log.DebugContext(r.Context(), "console request refused", logx.RequestID, requestID(c), logx.Path, c.Path(), logx.Status, a.status, logx.Err, err)
	}
	if c.Response().Committed {
		return // a stream that broke off: the client sees its end
	}
	if a.retryAfter > 0 {
		c.Response().Header().Set("Retry-After", strconv.Itoa(retrySeconds(a.retryAfter)))
	}
	if err := k.writeAnswer(c, a); err != nil {
		k.cfg.Log.ErrorContext(r.Context(), "console cannot write an error", logx.RequestID, requestID(c), logx.Err, err)
	}
}

func (k *Console) writeAnswer(c echo.Context, a answer) error {
	switch {
	case a.status == http.StatusSeeOther:
		return c.Redirect(http.StatusSeeOther, a.href)
	case a.status == statusCanceled || c.Request().Method == http.MethodHead:
		return c.NoContent(a.status)
	case !wantsPage(c):
		return c.String(a.status, a.title+"\n")
	}
	return k.page(c, a.status, pages.ErrorPage(pages.ErrorPageView{
		Shell: k.errorShell(c, a.status), Code: strconv.Itoa(a.status), Title: a.title, Text: a.text,
		RequestID: requestID(c), ActionText: a.action, ActionHref: a.href,
	}))
}

// wantsPage says whether a person reads the answer. The stream and the machines'
// routes get a line of text.
func wantsPage(c echo.Context) bool {
	return c.Path() != streamPath && c.Path() != reportPath && !health[c.Path()]
}

// answer turns an error into what is shown. Texts of 5xx are fixed: whatever an
// error of ours carries, only the request id leaves.
func (k *Console) answer(c echo.Context, err error) answer {
	if ref, ok := errors.AsType[*refusal](err); ok {
		return answer{status: ref.status, title: ref.title, text: ref.text}
	}
	if he, ok := errors.AsType[*echo.HTTPError](err); ok {
		return k.routing(c, he.Code)
	}
	e, _ := errors.AsType[*errs.Error](err)
	text := errs.Public(err)
	switch kind := errs.KindOf(err); kind {
	case errs.Invalid:
		return answer{status: http.StatusUnprocessableEntity, title: "That will not do", text: text}
	case errs.Unauthenticated:
		return k.toSignIn(c)
	case errs.Forbidden:
		return answer{status: http.StatusForbidden, title: "You may not do this", text: text, action: "Back", href: k.home(c)}
	case errs.NotFound:
		return k.notFound(c)
	case errs.Conflict, errs.Stale:
		return answer{status: http.StatusConflict, title: "It changed meanwhile", text: text, action: "Look at it as it is now", href: k.home(c)}
	case errs.NeedsConsent, errs.DownstreamRejected:
		return answer{status: http.StatusConflict, title: "The account has to be connected again", text: text}
	case errs.RateLimited:
		return answer{status: http.StatusTooManyRequests, title: "Too many at once", text: text, retryAfter: e.RetryAfter}
	case errs.BudgetExceeded:
		return answer{status: http.StatusForbidden, title: "The budget is used up", text: text}
	case errs.UpstreamFailed:
		return answer{status: http.StatusBadGateway, title: "The runtime did not answer as it should", text: "Look at it on its page and probe it again.", action: "Back", href: k.home(c)}
	case errs.Unavailable:
		var wait time.Duration
		if e != nil {
			wait = e.RetryAfter
		}
		return answer{status: http.StatusServiceUnavailable, title: "Not at the moment", text: "The gateway is busy or restarting. Try again in a few seconds.", retryAfter: max(wait, time.Second)}
	case errs.Canceled:
		if c.Request().Context().Err() != nil {
			return answer{status: statusCanceled}
		}
	case errs.Internal:
	}
	return answer{
		status: http.StatusInternalServerError, title: "Something went wrong on our side",
		text: "It is in our log under the request id below. Try again; if it stays, tell whoever runs this gateway the id.", action: "Start page", href: "/",
	}
}

// routing answers what the router found out by itself.
func (k *Console) routing(c echo.Context, status int) answer {
	switch status {
	case http.StatusMethodNotAllowed:
		k.recognize(c)
		return answer{status: status, title: "That cannot be done here", text: "This address does not take " + method(c) + " requests.", action: "Start page", href: "/"}
	case http.StatusNotFound:
		k.recognize(c)
		return k.notFound(c)
	}
	return answer{status: http.StatusInternalServerError, title: "Something went wrong on our side", text: "It is in our log under the request id below."}
}

// recognize finds out who asks and in which workspace, for the frame of a page that no route is behind. What cannot be
// found out is left out.
func (k *Console) recognize(c echo.Context) {
	s, err := k.session(c)
	if err != nil {
		return
	}
	slug, _, _ := strings.Cut(strings.TrimPrefix(c.Request().URL.Path, "/"), "/")
	if !validSlug(slug) {
		return
	}
	if handle, member, err := k.cfg.DB.ForMember(c.Request().Context(), s.Account.ID, slug); err == nil {
		c.Set(keyVisit, Visit{Handle: handle, Member: member, Person: Person{Session: s}})
	}
}

// method is the request's, if it is one that exists.
func method(c echo.Context) string {
	switch m := c.Request().Method; m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return m
	}
	return "such"
}

// notFound says what is not there, as far as the person may know: not theirs and not
// there at all read the same.
func (k *Console) notFound(c echo.Context) answer {
	a := answer{status: http.StatusNotFound, title: "There is no such page", text: "The address may be mistyped.", action: "Start page", href: "/"}
	pattern := c.Path()
	v, inside := c.Get(keyVisit).(Visit)
	switch {
	case inside && strings.Contains(pattern, ":event"):
		a.title, a.text = "There is no such request in "+v.Member.TenantName, "It may be older than what the log keeps, or the address is mistyped."
		a.action, a.href = "All requests", v.path("logs")
	case inside && strings.Contains(pattern, ":tool"):
		a.title, a.text = "There is no such tool in "+v.Member.TenantName, "It may have been removed long ago, or the address is mistyped."
		a.action, a.href = "All runtimes", v.path("runtimes")
	case inside && !strings.Contains(pattern, ":runtime"):
		a.title, a.action, a.href = "There is no such page in "+v.Member.TenantName, "All runtimes", v.path("runtimes")
	case inside:
		a.title, a.text = "There is no such runtime in "+v.Member.TenantName, "It may have been removed, or the address is mistyped."
		a.action, a.href = "All runtimes", v.path("runtimes")
	case strings.Contains(pattern, ":workspace") && c.Get(keySession) != nil:
		a.title, a.text = "There is no such workspace", "Or you are not a member of it. Somebody who is can invite you."
		a.action, a.href = "My workspaces", "/workspaces"
	}
	return a
}

// toSignIn sends a person to sign in, and from there back to a page that can be
// opened. A stream has no person who could.
func (k *Console) toSignIn(c echo.Context) answer {
	if !wantsPage(c) {
		return answer{status: http.StatusUnauthorized, title: "Sign in to continue."}
	}
	a := answer{status: http.StatusSeeOther, href: "/sign-in"}
	u := c.Request().URL
	next := u.EscapedPath()
	if c.Request().Method == http.MethodGet && u.RawQuery != "" {
		next += "?" + u.RawQuery
	}
	if k.gets[c.Path()] && next != "/" {
		a.href += "?next=" + url.QueryEscape(next)
	}
	return a
}

// home is the way back from an error.
func (k *Console) home(c echo.Context) string {
	if v, ok := c.Get(keyVisit).(Visit); ok {
		if slug := c.Param("runtime"); validSlug(slug) {
			return v.path("runtimes", slug)
		}
		return v.path("runtimes")
	}
	return "/"
}

// errorShell is the frame of an error page. A failure of ours gets a bare one,
// because reading what the frame needs may be what failed.
func (k *Console) errorShell(c echo.Context, status int) pages.Shell {
	s, ok := c.Get(keySession).(accounts.Session)
	if !ok || status >= http.StatusInternalServerError {
		return k.bareShell(c, "")
	}
	var shell pages.Shell
	var err error
	if v, inside := c.Get(keyVisit).(Visit); inside {
		shell, err = k.tenantShell(c, v, pages.SectionNone)
	} else {
		shell, err = k.personShell(c, s)
	}
	if err != nil {
		return k.bareShell(c, "")
	}
	return shell
}

// needsRole is the answer to a member whose role is not enough.
func needsRole(v Visit, need authz.Permission) error {
	return errs.E(errs.Forbidden, roleTooLow(v, need), nil)
}

// roleTooLow says which role is needed, and who can give it.
func roleTooLow(v Visit, need authz.Permission) string {
	return fmt.Sprintf("Your role in %s is %s; this needs the role %s. An owner of the workspace can give it to you.",
		v.Member.TenantName, roleName(v.Member.Role), roleName(authz.Needs(need)))
}
