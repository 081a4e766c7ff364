package server

import (
	"errors"
	"log/slog"
	"net/http"
	"regexp"
	"strings"

	"github.com/emcy/gateway/authz/server/clients"
	"github.com/emcy/gateway/authz/server/flow"
	"github.com/emcy/gateway/authz/server/trace"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/internal/logx"
	"github.com/emcy/gateway/ui/enduser"
)

// pageError is a page for a person whose request cannot go on.
type pageError struct {
	code, title, text, cure string
	steps                   []enduser.Cure
}

const startAgain = "Start again from the app that you want to connect."

// problems are the classes that have a page of their own.
var problems = []struct {
	err    error
	status int
	pageError
}{
	{flow.ErrGone, http.StatusNotFound, pageError{code: "expired", title: "This page is no longer valid", cure: startAgain}},
	{flow.ErrOtherBrowser, http.StatusForbidden, pageError{code: "other_browser", title: "Go on where you started", cure: "Open this in the browser that the app opened, or start again from the app. If somebody sent you this link, close it: they may want you to allow something for them."}},
	{flow.ErrNoCookies, http.StatusForbidden, pageError{code: "cookies_blocked", title: "Cookies are blocked here", cure: "Allow cookies for this site, or open the link in the browser that the app opened; then start again from the app. Private windows and in-app browsers often block them."}},
	{flow.ErrUnbound, http.StatusBadRequest, pageError{code: "not_started_here", title: "This browser did not set out for this", cure: "Nothing was done. Start again from the app. If somebody sent you this link, close it."}},
	{flow.ErrOtherAccount, http.StatusForbidden, pageError{code: "other_account", title: "You are signed in with another account now", cure: startAgain}},
	{flow.ErrHeld, http.StatusForbidden, pageError{code: "client_held", title: "An administrator has to approve this app", cure: "Ask an administrator of this workspace to approve it under Clients, then start again from the app."}},
	{flow.ErrRedirect, http.StatusBadRequest, pageError{code: "invalid_redirect_uri", title: "The app returns to another address now", cure: startAgain}},
	{flow.ErrBlocked, http.StatusForbidden, pageError{code: "client_blocked", title: "This app is blocked here", cure: "If you need it, ask an administrator of this workspace."}},
}

// pageFor shows an error by its kind; its cause goes to the log only.
func (s *Server) pageFor(w http.ResponseWriter, r *http.Request, err error) {
	for _, known := range problems {
		if errors.Is(err, known.err) {
			p := known.pageError
			p.text = errs.Public(known.err)
			s.errorPage(w, r, known.status, p, err)
			return
		}
	}
	p := pageError{text: errs.Public(err), cure: startAgain}
	status := http.StatusInternalServerError
	switch errs.KindOf(err) {
	case errs.NotFound:
		status, p.code, p.title = http.StatusNotFound, "expired", "This page is no longer valid"
	case errs.Forbidden, errs.Unauthenticated:
		status, p.code, p.title = http.StatusForbidden, "forbidden", "This was not accepted"
	case errs.Invalid, errs.Conflict, errs.Stale, errs.NeedsConsent, errs.BudgetExceeded, errs.DownstreamRejected:
		status, p.code, p.title = http.StatusBadRequest, "invalid_request", "This request cannot be served"
	case errs.RateLimited:
		status, p.code, p.title, p.cure = http.StatusTooManyRequests, "slow_down", "Please wait a moment", "Wait some minutes, then try again."
	case errs.Unavailable, errs.Canceled, errs.UpstreamFailed:
		status, p.code, p.title, p.cure = http.StatusServiceUnavailable, "temporarily_unavailable", "The service is busy", "Reload this page in a moment; nothing is lost."
	case errs.Internal:
		p.code, p.title, p.cure = "server_error", "Something went wrong on our side", "Reload this page. If it happens again, tell the workspace's owner the number below."
	}
	s.errorPage(w, r, status, p, err)
}

func (s *Server) errorPage(w http.ResponseWriter, r *http.Request, status int, p pageError, cause ...error) {
	requestID := ids.NewAt("req", s.db.Clock().Now())
	level := slog.LevelInfo // what the person sees and may quote
	if status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	if status >= http.StatusBadRequest {
		s.log.Log(r.Context(), level, "end-user page refused", logx.RequestID, requestID, logx.Path, r.URL.Path, "code", p.code, logx.Err, errors.Join(cause...))
	}
	s.render(w, r, status, "'self'", enduser.ErrorPage(enduser.ErrorPageView{
		Page: s.page(r, flow.Attempt{}), Code: p.code, Title: p.title, Text: p.text, Steps: p.steps, Cure: p.cure, RequestID: requestID,
		TraceID: trace.Refuse(r.Context(), p.code),
	}))
}

// forget says how each program forgets a registration, as of 2026-11.
var forget = []enduser.Cure{
	{Where: "Claude", What: "Settings, Connectors: remove the connector and add it again."},
	{Where: "Claude Code", What: "Run /mcp, choose the server, then “Clear authentication”."},
	{Where: "ChatGPT", What: "Settings, Apps: remove the app and add it again."},
	{Where: "VS Code", What: "Run the command “Authentication: Remove Dynamic Authentication Providers”."},
	{Where: "Cursor", What: "Settings, MCP: remove the server and add it again."},
	{Where: "mcp-remote", What: "Delete the folder ~/.mcp-auth (rm -rf ~/.mcp-auth)."},
	{Where: "Elsewhere", What: "Remove the server and add it again."},
}

// shownID is a client id that can be shown without saying anything else.
var shownID = regexp.MustCompile(`^[A-Za-z0-9_.:/~-]{1,120}$`)

// refusalPage says to the person why the app cannot go on, and who can change that.
func refusalPage(refused *clients.Refusal, id string) (status int, p pageError) {
	switch refused.Reason {
	case clients.Waiting:
		p = pageError{code: "client_held", title: "An administrator has to approve this app", cure: "Ask an administrator of this workspace to approve it under Clients, then start again from the app."}
		status = http.StatusForbidden
	case clients.Barred:
		p = pageError{code: "client_blocked", title: "This app is blocked here", cure: "If you need it, ask an administrator of this workspace."}
		status = http.StatusForbidden
	case clients.NotAdmitted:
		p = pageError{code: "client_not_admitted", title: "This workspace does not take this app", cure: "Ask an administrator of this workspace to let it in."}
		status = http.StatusForbidden
	case clients.Unreachable:
		p = pageError{code: "invalid_client", title: "This app cannot be checked", cure: "Try again in a minute. If it happens again, tell the app's makers."}
		status = http.StatusBadRequest
	case clients.Unknown:
		p = pageError{
			code: "invalid_client", title: "This app is not registered here", text: "The app uses a registration that this workspace does not know, or that has expired.",
			steps: forget, cure: "Make the app forget its registration as above, then connect again.",
		}
		if shownID.MatchString(id) {
			p.text += " It calls itself by the id " + id + "."
		}
		return http.StatusBadRequest, p
	}
	p.text = refused.Words
	return status, p
}

// redirectPage says that nothing was sent to an address that is not registered.
func redirectPage() pageError {
	return pageError{
		code: "invalid_redirect_uri", title: "The app asks to return to an address it has not registered", text: "For your safety nothing was sent there.",
		cure: "Remove the server in the app and add it again, so that it registers anew. If it happens again, tell the app's makers.",
	}
}

// nothingHere answers a path that is none: with a page where a browser asks.
func (s *Server) nothingHere(w http.ResponseWriter, r *http.Request, issuer string) {
	w.Header().Add("Vary", "Accept")
	if !strings.Contains(r.Header.Get("Accept"), "text/html") || (r.Method != http.MethodGet && r.Method != http.MethodHead) {
		s.writeError(w, r, errNothingHere)
		return
	}
	handle, err := s.origins.of(r.Context(), issuer)
	if err != nil {
		s.writeError(w, r, err)
		return
	}
	r = r.WithContext(withRequest(r.Context(), request{handle: handle, issuer: issuer}))
	s.errorPage(w, r, http.StatusNotFound, pageError{
		code: "not_found", title: "There is nothing here", text: "This address belongs to the workspace, and no page or runtime is at it.",
		cure: "An MCP URL of this workspace ends in /mcp and is opened by an MCP client, not by a browser.",
	})
}
