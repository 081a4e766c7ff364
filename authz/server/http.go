package server

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/emcy/gateway/authz/server/flow"
	"github.com/emcy/gateway/authz/server/oplib"
	"github.com/emcy/gateway/authz/server/trace"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/httpx"
)

const maxBody = 64 << 10 // bytes; every request here is a small form or document

// route is one endpoint. A path is exact; pattern routes have one segment in braces.
type route struct {
	method string
	path   string
	// cors lets any origin read the answer: public documents and the endpoints that
	// browser clients call with nothing but what they hold. Never /authorize or pages.
	cors   bool
	handle func(w http.ResponseWriter, r *http.Request)
}

// Route names an endpoint, for the test that walks them all.
type Route struct{ Method, Path string }

// Routes lists every endpoint.
func (s *Server) Routes() []Route {
	out := make([]Route, len(s.routes))
	for i, r := range s.routes {
		out[i] = Route{r.method, r.path}
	}
	return out
}

func (s *Server) table() []route {
	get := func(path string, cors bool, h http.HandlerFunc) route { return route{http.MethodGet, path, cors, h} }
	post := func(path string, cors bool, h http.HandlerFunc) route { return route{http.MethodPost, path, cors, h} }
	routes := []route{
		get("/jwks", true, s.jwks),
		post("/register", true, s.register),
		get(registrationPath, true, s.readRegistration),
		{http.MethodPut, registrationPath, true, s.updateRegistration},
		{http.MethodDelete, registrationPath, true, s.deleteRegistration},
		get(oplib.AuthorizePath, false, s.authorize),
		post(oplib.AuthorizePath, false, s.authorizePost),
		post(oplib.TokenPath, true, s.formEndpoint),
		post(oplib.RevokePath, true, s.formEndpoint),
		post(oplib.DeviceAuthorizationPath, true, s.deviceAuthorization),
		get(DevicePath, false, s.devicePage),
		post(DevicePath, false, s.device),
		post(oplib.IntrospectPath, false, s.formEndpoint),
		post(parPath, true, s.push),
		get("/sign-in", false, s.signInPage),
		post("/sign-in", false, s.signIn),
		post("/sign-out", false, s.signOut),
		get(providerPath, false, s.providerPage),
		post(providerPath, false, s.providerStart),
		get(callbackPath, false, s.providerCallback),
		get("/consent", false, s.consentPage),
		post("/consent", false, s.consent),
		get(flow.DonePath, false, s.donePage),
		get(flow.ConnectPath, false, s.connectPage),
		post(flow.ConnectPath, false, s.connect),
		get(connectCallbackPath, false, s.connectCallback),
		get(connectDonePath, false, s.connectDone), // before the next, which would take it for a token
		get(connectLinkPath, false, s.connectLink),
		get(clientDocumentPath, false, s.clientDocument),
		get(clientKeysPath, false, s.clientKeys),
		get(disconnectPath, false, s.disconnectPage),
		post(disconnectPath, false, s.disconnect),
		get(appsPath, false, s.appsPage),
		post(appsPath+"/revoke", false, s.revokeApp),
		post(appsPath+"/revoke-all", false, s.revokeApps),
		post("/me/sign-out", false, s.signOutHere),
		post("/me/sign-out-everywhere", false, s.signOutEverywhere),
		get("/", false, s.home),
	}
	for _, path := range []string{"/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"} {
		routes = append(routes, get(path, true, s.metadata))
		for _, pattern := range []string{path + "/{upstream}/mcp", "/{upstream}/mcp" + path} {
			routes = append(routes, get(pattern, true, s.metadataOf(pattern)))
		}
	}
	return routes
}

// Serve answers a request at a tenant's origin. The origin was found in the
// snapshot; the gate is asked again here, because only it mints handles.
func (s *Server) Serve(w http.ResponseWriter, r *http.Request, issuer string) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	httpx.BoundBody(w, r, s.bodyTime)
	if strings.HasPrefix(r.URL.Path, s.prefix) {
		h.Del("Cache-Control") // assets say themselves how long they live
		s.assets.ServeHTTP(w, r)
		return
	}
	matched, allow := s.match(r)
	if len(allow) == 0 {
		if strings.HasPrefix(r.URL.Path, "/.well-known/") {
			h.Set("Access-Control-Allow-Origin", "*") // a browser client reads the 404 and tries the next address
			s.writeError(w, r, errNothingHere)
			return
		}
		s.nothingHere(w, r, issuer)
		return
	}
	if len(matched) > 0 && matched[0].cors {
		h.Set("Access-Control-Allow-Origin", "*")
		if r.Method == http.MethodOptions {
			preflight(w, r, allow)
			return
		}
	}
	endpoint, ok := pick(matched, r.Method)
	if !ok {
		h.Set("Allow", strings.Join(allow, ", "))
		s.writeError(w, r, &oauthError{Code: "invalid_request", Description: "Use " + strings.Join(allow, " or ") + " here.", Status: http.StatusMethodNotAllowed})
		return
	}
	handle, err := s.origins.of(r.Context(), issuer)
	if err != nil {
		s.writeError(w, r, err)
		return
	}
	httpx.BoundBody(w, r, s.bodyTime) // anew: the database may have taken its time
	r.Body = http.MaxBytesReader(w, timedBody{r.Body, w}, maxBody)
	req := request{handle: handle, issuer: issuer, browser: browserOf(r, issuer), answer: h, site: r.Header.Get("Sec-Fetch-Site")}
	r = r.WithContext(withRequest(r.Context(), req))
	s.trace.Serve(w, r, trace.Visit{Handle: handle, Issuer: issuer, Addr: s.clientIP(r)}, endpoint.handle)
}

// match finds the routes of a path, and the methods that they have.
func (s *Server) match(r *http.Request) (matched []route, allow []string) {
	for _, route := range s.routes {
		if _, ok := matchPath(route.path, r.URL.Path); !ok {
			continue
		}
		matched = append(matched, route)
		if slices.Contains(allow, route.method) {
			continue // an exact path that a pattern fits, too
		}
		allow = append(allow, route.method)
		if route.method == http.MethodGet {
			allow = append(allow, http.MethodHead)
		}
	}
	return matched, allow
}

func pick(matched []route, method string) (route, bool) {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	for _, r := range matched {
		if r.method == method {
			return r, true
		}
	}
	return route{}, false
}

// matchPath also gives the segment that stands for what is in braces.
func matchPath(pattern, path string) (segment string, ok bool) {
	before, rest, wild := strings.Cut(pattern, "{")
	if !wild {
		return "", pattern == path
	}
	_, after, _ := strings.Cut(rest, "}")
	middle, ok := strings.CutPrefix(path, before)
	if !ok {
		return "", false
	}
	middle, ok = strings.CutSuffix(middle, after)
	return middle, ok && middle != "" && !strings.Contains(middle, "/")
}

func preflight(w http.ResponseWriter, r *http.Request, allow []string) {
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", strings.Join(allow, ", "))
	if asked := r.Header.Get("Access-Control-Request-Headers"); asked != "" {
		// A wildcard would not cover Authorization, so the request's own list is given back.
		h.Set("Access-Control-Allow-Headers", asked)
	}
	h.Set("Access-Control-Max-Age", "600")
	h.Set("Vary", "Access-Control-Request-Headers")
	w.WriteHeader(http.StatusNoContent)
}

// authorizePost turns a form into the same request by GET. A form comes from
// another site, without the cookies of this one: to start an attempt there would
// give the browser a new name, and its other attempts would be lost.
func (s *Server) authorizePost(w http.ResponseWriter, r *http.Request) {
	values, err := form(r)
	if err == error(errSlowBody) { //nolint:errorlint // a sentinel that is returned bare
		s.slowPage(w, r)
		return
	}
	if err != nil {
		s.errorPage(w, r, http.StatusBadRequest, pageError{code: "invalid_request", title: "This request cannot be read", text: "The app sent an authorization request that is not a plain form.", cure: "Start again from the app. If it happens again, tell its makers."})
		return
	}
	s.redirect(w, oplib.AuthorizePath+"?"+values.Encode())
}

// authorizeParameters are the ones that are read. The library sees no others: it
// answers some that it cannot read with JSON, in the person's browser.
var authorizeParameters = []string{
	"client_id", "redirect_uri", "response_type", "response_mode", "state", "scope", "code_challenge", "code_challenge_method",
	"prompt", "request", "request_uri", "resource", "dpop_jkt",
}

// authorize is the first phase: single parameters, a known client, a registered
// redirect URI. Only then the library, and with it redirects to the client, may act.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || single(values) != nil {
		s.errorPage(w, r, http.StatusBadRequest, pageError{code: "invalid_request", title: "This request cannot be read", text: "The app sent a parameter twice, or in a form that cannot be read.", cure: "Start again from the app. If it happens again, tell its makers."})
		return
	}
	req := requestFrom(r.Context())
	// Before the client is looked for: that may fetch its document, from wherever it says.
	if wait := s.attempts.Take(req.handle.Tenant(), s.clientIP(r)); wait > 0 {
		w.Header().Set("Retry-After", retryAfter(wait))
		s.pageFor(w, r, errs.E(errs.RateLimited, "Too many sign-ins were started from this address.", nil))
		return
	}
	r, values, err = s.unfold(r, values)
	if err == nil {
		err = s.checkRedirect(r.Context(), values.Get("client_id"), values.Get("redirect_uri"))
	}
	switch {
	case err == nil:
	case err == errRequestURI: //nolint:errorlint // a sentinel that is returned bare
		s.errorPage(w, r, http.StatusBadRequest, pageError{
			code: "invalid_request_uri", title: "This sign-in link is used or too old", text: "The app prepared this sign-in for one use within a minute.", cure: "Start again from the app.",
		})
		return
	case refusalOf(err) != nil:
		status, p := refusalPage(refusalOf(err), values.Get("client_id"))
		s.errorPage(w, r, status, p)
		return
	case err == errRedirect: //nolint:errorlint // a sentinel that is returned bare
		s.errorPage(w, r, http.StatusBadRequest, redirectPage())
		return
	default:
		s.pageFor(w, r, err)
		return
	}
	req = requestFrom(r.Context())
	if req.browser == "" {
		req.browser = setBrowser(w, req.issuer)
	}
	r = r.WithContext(withRequest(r.Context(), req))
	r.Form = url.Values{}
	for _, name := range authorizeParameters {
		if v, ok := values[name]; ok {
			r.Form[name] = v
		}
	}
	s.op.ServeHTTP(w, r)
}

// home says what this origin is, to a person who opens it.
func (s *Server) home(w http.ResponseWriter, r *http.Request) {
	s.errorPage(w, r, http.StatusOK, pageError{
		title: "This is an MCP address", text: "Runtimes of this workspace are served here to MCP clients such as Claude, VS Code or Cursor.",
		cure: "Add the full MCP URL, which ends in /mcp, to your client. What your apps may do is at " + appsPath + ".",
	})
}
