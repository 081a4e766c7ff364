package server

import (
	"crypto/hmac"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"

	"github.com/emcy/gateway/authz/server/clients"
	"github.com/emcy/gateway/authz/server/flow"
	"github.com/emcy/gateway/authz/server/trace"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/ui/enduser"
)

// codesPerHour is how many user codes may be tried from one address at one tenant: a
// guess must not be worth its while (RFC 8628, section 5.1).
const codesPerHour = 60

const (
	noSuchCode = "There is no such code, or it has expired. Look at your device again."
	codeLimit  = "Too many codes were tried from this address."
)

// deviceAuthorization guards the library's endpoint: without the grant it is not there.
func (s *Server) deviceAuthorization(w http.ResponseWriter, r *http.Request) {
	on, err := s.offer(r.Context())
	if err != nil {
		s.writeError(w, r, err)
		return
	}
	if !on.set.Device {
		s.writeError(w, r, errNothingHere)
		return
	}
	if wait := s.attempts.Take(requestFrom(r.Context()).handle.Tenant(), s.clientIP(r)); wait > 0 {
		s.writeError(w, r, &oauthError{
			Code: "temporarily_unavailable", Description: "Too many sign-ins were started from this address.", Status: http.StatusTooManyRequests, RetryAfter: wait,
		})
		return
	}
	s.formEndpoint(w, r)
}

// devicePage shows the form, or asks about the code of verification_uri_complete: that a
// code came by a link says nothing about whose device it is (RFC 8628, section 5.4).
func (s *Server) devicePage(w http.ResponseWriter, r *http.Request) {
	r, csrf, ok := s.deviceVisit(w, r)
	if !ok {
		return
	}
	if typed := r.URL.Query().Get("user_code"); typed != "" {
		s.confirmDevice(w, r, csrf, typed)
		return
	}
	s.askCode(w, r, http.StatusOK, csrf, "", "")
}

// device takes a typed code, then the answer whether the device is the person's own.
// Only that begins an attempt; sign-in and consent come after it as always.
func (s *Server) device(w http.ResponseWriter, r *http.Request) {
	r, csrf, ok := s.deviceVisit(w, r)
	if !ok {
		return
	}
	values, err := form(r)
	if err == error(errSlowBody) { //nolint:errorlint // a sentinel that is returned bare
		s.slowPage(w, r)
		return
	}
	if err != nil || !sameOriginPost(r, requestFrom(r.Context()).issuer) || !hmac.Equal([]byte(csrf), []byte(values.Get("csrf"))) {
		s.pageFor(w, r, errs.E(errs.Forbidden, "This form is too old or came from another page. Go back, reload and try again.", err))
		return
	}
	switch values.Get("decision") {
	case "":
		s.confirmDevice(w, r, csrf, values.Get("user_code"))
	case "continue":
		s.beginDevice(w, r, csrf, values.Get("user_code"))
	default:
		s.render(w, r, http.StatusOK, "'self'", enduser.Done(enduser.DonePage{
			Page: s.page(r, flow.Attempt{}), Title: "Nothing was allowed", Text: "The device gets no access. You can close this page.",
		}))
	}
}

// deviceVisit gives the browser its name and the page its token. Where the tenant has no
// device grant, the answer has been written.
func (s *Server) deviceVisit(w http.ResponseWriter, r *http.Request) (_ *http.Request, csrf string, ok bool) {
	req := requestFrom(r.Context())
	on, err := s.offer(r.Context())
	if err != nil {
		s.pageFor(w, r, err)
		return r, "", false
	}
	if !on.set.Device {
		s.writeError(w, r, errNothingHere)
		return r, "", false
	}
	if req.browser == "" {
		req.browser = setBrowser(w, req.issuer)
		r = r.WithContext(withRequest(r.Context(), req))
	}
	err = s.db.Read(r.Context(), req.handle, func(tx *tenancy.Tx) error {
		mac, err := tx.MAC("device-csrf", req.browser)
		csrf = base64.RawURLEncoding.EncodeToString(mac[:])
		return err
	})
	if err != nil {
		s.pageFor(w, r, fmt.Errorf("make form token: %w", err))
		return r, "", false
	}
	return r, csrf, true
}

// typedDevice finds what a code is for. Where it is none, the form has been shown again.
func (s *Server) typedDevice(w http.ResponseWriter, r *http.Request, csrf, typed string) (row deviceRow, client flow.Client, runtime flow.Resource, ok bool) {
	req := requestFrom(r.Context())
	if wait := s.userCodes.Take(req.handle.Tenant(), s.clientIP(r)); wait > 0 {
		w.Header().Set("Retry-After", retryAfter(wait))
		s.pageFor(w, r, errs.E(errs.RateLimited, codeLimit, nil))
		return row, client, runtime, false
	}
	found := false
	err := s.db.Read(r.Context(), req.handle, func(tx *tenancy.Tx) (err error) {
		if row, found, err = pendingDevice(tx, readUserCode(typed)); err != nil || !found {
			return err
		}
		if client, err = (lookup{s}).Client(tx, row.ClientID); err != nil {
			return err
		}
		runtime, err = s.resources.ByID(tx, row.UpstreamID)
		return err
	})
	if err != nil && !errs.Is(err, errs.NotFound) {
		s.pageFor(w, r, fmt.Errorf("find device code: %w", err))
		return row, client, runtime, false
	}
	if err != nil || !found || client.Held || client.Blocked {
		s.askCode(w, r, http.StatusUnprocessableEntity, csrf, typed, noSuchCode)
		return row, client, runtime, false
	}
	return row, client, runtime, true
}

func (s *Server) askCode(w http.ResponseWriter, r *http.Request, status int, csrf, typed, problem string) {
	if len(typed) > 32 || !clients.Storable(typed) {
		typed = ""
	}
	page := s.page(r, flow.Attempt{})
	page.CSRF = csrf
	s.render(w, r, status, "'self'", enduser.Device(enduser.DevicePage{Page: page, Code: typed, Error: problem}))
}

func (s *Server) confirmDevice(w http.ResponseWriter, r *http.Request, csrf, typed string) {
	row, client, runtime, ok := s.typedDevice(w, r, csrf, typed)
	if !ok {
		return
	}
	page := s.page(r, flow.Attempt{})
	page.CSRF = csrf
	s.render(w, r, http.StatusOK, "'self'", enduser.DeviceConfirm(enduser.DeviceConfirmPage{
		Page: page, Code: showUserCode(row.UserCode), Identity: identityOf(client, enduser.Redirect{Kind: enduser.RedirectDevice}, page.Tenant, s.db.Clock().Now()), Runtime: runtime.Name,
	}))
}

func (s *Server) beginDevice(w http.ResponseWriter, r *http.Request, csrf, typed string) {
	row, _, _, ok := s.typedDevice(w, r, csrf, typed)
	if !ok {
		return
	}
	trace.Use(r.Context(), row.TraceID)
	req := requestFrom(r.Context())
	id, err := s.flow.Begin(r.Context(), req.handle, req.browser, flow.Start{
		ClientID: row.ClientID, UpstreamID: row.UpstreamID, Resource: row.Resource, Scope: row.Scope, DeviceHash: row.Hash, TraceID: row.TraceID,
	})
	if err != nil {
		s.pageFor(w, r, err)
		return
	}
	s.redirect(w, "/sign-in?attempt="+url.QueryEscape(id))
}
