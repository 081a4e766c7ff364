package trace

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/emcy/gateway/internal/ids"
)

// line is a request's first line as it may be kept: a path, and no query.
func (t *Trail) line() string {
	return t.request.Method + " " + Clean(t.request.URL.Path, maxValue)
}

func (t *Trail) event(step Step, status int) Event {
	return Event{
		Step: step, At: t.recorder.db.Clock().Now(), OK: status < http.StatusBadRequest,
		Asked: Message{Line: t.line()}, Answered: Message{Line: strconv.Itoa(status)},
	}
}

func (t *Trail) metadataEvent(status int) Event {
	return t.event(ServerMetadata, status)
}

// query is the request's own, where it can be read.
func (t *Trail) query() url.Values {
	values, err := url.ParseQuery(t.request.URL.RawQuery)
	if err != nil {
		return url.Values{}
	}
	return values
}

func (t *Trail) authorizeEvent() Event {
	values := t.query()
	return Event{Step: Authorize, At: t.recorder.db.Clock().Now(), ClientID: clientID(values.Get("client_id")), browser: true}
}

// documented says whether a client id is the address of its document.
func documented(client string) bool { return strings.HasPrefix(client, "https://") }

// authorized is the step, with the reading of a client's document before it.
func (t *Trail) authorized(status int, code string) []Event {
	values := t.query()
	e := t.event(Authorize, status)
	e.browser = true
	e.Asked = parameters(e.Asked, values)
	e.ClientID, e.Code, e.OK = clientID(values.Get("client_id")), code, code == "" && e.OK
	e.Answered = e.Answered.with("error", plain(code))
	if !documented(values.Get("client_id")) {
		return []Event{e}
	}
	document := Event{Step: ClientDocument, browser: true, At: e.At, OK: code != "invalid_client", ClientID: e.ClientID, Asked: Message{Line: "GET " + e.ClientID}}
	if !document.OK {
		document.Code, document.Answered = code, e.Answered
		return []Event{document}
	}
	document.Answered = Message{Line: "accepted"}
	return []Event{document, e}
}

// redirectEvents are what a redirect of a page means.
func (t *Trail) redirectEvents(status int, location string) []Event {
	var events []Event
	back := url.Values{}
	if outward(location) {
		back = codeIn(location)
	}
	refused := plain(back.Get("error"))
	switch t.step { //nolint:exhaustive // pages are steps of a person
	case Authorize:
		if t.request.URL.Path == "/device" {
			return t.typed(status)
		}
		events = t.authorized(status, refused)
	case SignIn:
		if outward(location) && strings.HasPrefix(t.request.URL.Path, "/sign-in/") {
			return nil // on to the sign-in at the identity provider
		}
		e := t.event(SignIn, status)
		switch {
		case t.request.Method == http.MethodPost || t.request.URL.Path != "/sign-in":
			e.OK, e.Code = !outward(location) || refused == "", refused
		case refused != "":
			return nil
		case !outward(location) || back.Has("code"):
			e.Answered = e.Answered.with("session", "signed in already")
		}
		if !outward(location) && !strings.HasPrefix(location, "/consent") {
			return nil // back to the start
		}
		events = append(events, e)
	case Consent:
		if !outward(location) {
			return t.answeredDevice(status, location)
		}
	}
	if !outward(location) || t.step == Authorize && !back.Has("code") {
		return events
	}
	return append(events, t.decided(status, back)...)
}

// typed is the person who said that a device is their own. The code stays out of it.
func (t *Trail) typed(status int) []Event {
	e := t.event(Authorize, status)
	e.browser = true
	e.Asked = parameters(e.Asked, url.Values{"decision": t.request.PostForm["decision"]})
	return []Event{e}
}

// answeredDevice is the person's answer to a device, which asks for it by itself.
func (t *Trail) answeredDevice(status int, location string) []Event {
	u, err := url.Parse(location)
	if err != nil || u.Path != done || t.request.Method != http.MethodPost {
		return nil
	}
	back := url.Values{}
	if u.Query().Has("answer") {
		back.Set("error", "access_denied")
	}
	return t.decided(status, back)
}

// decided are the person's answer and the code.
func (t *Trail) decided(status int, back url.Values) []Event {
	refused := plain(back.Get("error"))
	consent := t.event(Consent, status)
	consent.OK, consent.Code = refused == "", refused
	consent.Answered = consent.Answered.with("error", refused)
	if t.request.Method == http.MethodPost {
		consent.Asked = parameters(consent.Asked, t.request.PostForm)
	} else {
		consent.Answered = consent.Answered.with("consent", "given earlier")
	}
	if !back.Has("code") {
		return []Event{consent}
	}
	code := Event{Step: Code, At: consent.At, OK: true, Asked: consent.Asked, Answered: Message{Line: consent.Answered.Line}}
	code.Answered = code.Answered.with("code", fingerprint(back.Get("code"))).with("state", length(back.Get("state"))).with("iss", address(back.Get("iss")))
	return []Event{consent, code}
}

// refusedPage is a page that says why it does not go on.
func (t *Trail) refusedPage(status int) []Event {
	code := t.code
	switch {
	case code != "":
	case status == http.StatusTooManyRequests:
		code = "slow_down"
	default:
		code = "not_accepted"
	}
	if t.step == Authorize && t.request.URL.Path != "/device" {
		return t.authorized(status, code)
	}
	e := t.event(t.step, status)
	e.Code = code
	e.Answered = e.Answered.with("error", plain(code))
	return []Event{e}
}

// answered reads the JSON that a client gets. wait is whether the answer has to wait
// until it is stored: a client goes on at once, maybe at another node.
func (t *Trail) answered(status int, body []byte) (events []Event, wait bool) {
	var got struct {
		Error       string          `json:"error"`
		ClientID    string          `json:"client_id"`
		ClientName  string          `json:"client_name"`
		Redirects   []string        `json:"redirect_uris"`
		Method      string          `json:"token_endpoint_auth_method"`
		AccessToken string          `json:"access_token"`
		TokenType   string          `json:"token_type"`
		ExpiresIn   json.Number     `json:"expires_in"`
		Refresh     json.RawMessage `json:"refresh_token"`
		Scope       string          `json:"scope"`
	}
	_ = json.Unmarshal(body, &got) // an answer of ours; what is not there stays empty
	e := t.event(t.step, status)
	e.Code = plain(got.Error)
	e.Answered = e.Answered.with("error", e.Code).with("client_id", clientID(got.ClientID)).with("redirect_uris", addresses(got.Redirects)).
		with("token_endpoint_auth_method", plain(got.Method)).with("token_type", plain(got.TokenType)).with("expires_in", plain(got.ExpiresIn.String())).
		with("scope", plain(got.Scope))
	if t.step == Register {
		var asked string
		e.Asked, asked = t.registration(e.Asked)
		e.ClientID, e.ClientName = clientID(got.ClientID), Clean(cmp.Or(got.ClientName, asked), maxName)
		return []Event{e}, true
	}
	form := t.request.PostForm
	e.Asked = parameters(e.Asked, form)
	e.ClientID = clientID(form.Get("client_id"))
	if user, _, ok := t.request.BasicAuth(); ok {
		e.ClientID = clientID(user)
		e.Asked = e.Asked.with("authorization", "Basic").with("client_id", e.ClientID)
	}
	if t.step != Token {
		e.UpstreamID = t.upstream
		return []Event{e}, true
	}
	grant := form.Get("grant_type")
	if e.Code == "authorization_pending" || e.Code == "slow_down" || e.OK && grant == "refresh_token" {
		return nil, false // part of every device's wait, and of every session's life
	}
	if !e.OK {
		if code := cmp.Or(form.Get("code"), form.Get("device_code")); code != "" {
			e.secret = ids.Hash(code)
		}
		return []Event{e}, true
	}
	if len(got.Refresh) > 0 {
		e.Answered = e.Answered.with("refresh_token", "issued")
	}
	e.FamilyID, e.Subject = familyOf(got.AccessToken)
	return []Event{e}, false
}

// registration is what a client said about itself.
func (t *Trail) registration(m Message) (_ Message, name string) {
	var asked struct {
		Name      string   `json:"client_name"`
		Redirects []string `json:"redirect_uris"`
		Grants    []string `json:"grant_types"`
		Method    string   `json:"token_endpoint_auth_method"`
		Type      string   `json:"application_type"`
		Scope     string   `json:"scope"`
	}
	if json.Unmarshal(t.body.head, &asked) != nil {
		return m.with("body", "no JSON object that can be read, "+strconv.Itoa(t.body.size)+" bytes"), ""
	}
	return m.with("client_name", Clean(asked.Name, maxName)).with("redirect_uris", addresses(asked.Redirects)).
		with("grant_types", plain(strings.Join(asked.Grants, " "))).with("token_endpoint_auth_method", plain(asked.Method)).
		with("application_type", plain(asked.Type)).with("scope", plain(asked.Scope)), asked.Name
}

// familyOf reads an access token that was just made here: nobody has to verify it.
func familyOf(token string) (family, subject string) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", ""
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", ""
	}
	var claims struct {
		Family  string `json:"fid"`
		Subject string `json:"sub"`
	}
	_ = json.Unmarshal(payload, &claims) // ours; nothing where it is not
	return claims.Family, claims.Subject
}
