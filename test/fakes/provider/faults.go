package provider

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"time"
)

// Fault is a way to misbehave.
type Fault struct {
	name string
	// before answers in place of the endpoint, which does nothing then.
	before func(p *Provider, w http.ResponseWriter, r *http.Request)
	// after spoils the answer of what the endpoint has done already.
	after func(w http.ResponseWriter, done *httptest.ResponseRecorder)
	delay time.Duration
	hold  <-chan struct{}
}

// armed is a fault that waits for requests.
type armed struct {
	Fault
	endpoint, grant string
	times           int
}

// Fail plays a fault for an endpoint's next requests; a negative number is until Heal.
// The endpoint is one of Entry's, or "refresh" for the token requests that refresh.
func (p *Provider) Fail(endpoint string, f Fault, times int) {
	a := &armed{Fault: f, endpoint: endpoint, times: times}
	if endpoint == "refresh" {
		a.endpoint, a.grant = "token", "refresh_token"
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = append(p.faults, a)
}

// Heal ends all faults.
func (p *Provider) Heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = nil
}

// fault takes the next one for a request.
func (p *Provider) fault(endpoint, grant string) *Fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range p.faults {
		if a.times != 0 && a.endpoint == endpoint && (a.grant == "" || a.grant == grant) {
			a.times--
			return &a.Fault
		}
	}
	return nil
}

func page(name string, status int, header http.Header, body string) Fault {
	return Fault{name: name, before: func(_ *Provider, w http.ResponseWriter, _ *http.Request) {
		for k, v := range header {
			w.Header()[k] = v
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}}
}

// Status answers a status and nothing that can be read.
func Status(code int) Fault {
	return page("status "+strconv.Itoa(code), code, http.Header{"Content-Type": {"text/plain"}}, "failed")
}

// Limited answers 429, with Retry-After unless it is 0.
func Limited(retryAfter time.Duration) Fault {
	header := http.Header{"Content-Type": {"application/json"}}
	if retryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(int(retryAfter.Seconds())))
	}
	return page("limited", http.StatusTooManyRequests, header, `{"error":"rate_limit_exceeded","error_description":"Too many requests"}`)
}

// Refuse answers an OAuth error.
func Refuse(status int, code, description string) Fault {
	return page("refuse "+code, status, http.Header{"Content-Type": {"application/json"}}, `{"error":"`+code+`","error_description":"`+description+`"}`)
}

// HTML answers a web page, as proxies and pages of maintenance do.
func HTML(status int) Fault {
	return page("html", status, http.Header{"Content-Type": {"text/html; charset=utf-8"}}, "<!doctype html><title>Maintenance</title><p>Back soon.")
}

// Redirect sends the request elsewhere.
func Redirect(to string) Fault {
	return page("redirect", http.StatusTemporaryRedirect, http.Header{"Location": {to}}, "")
}

// Huge answers more than anybody reads.
func Huge() Fault {
	return page("huge", http.StatusOK, http.Header{"Content-Type": {"application/json"}}, `{"access_token":"`+strings.Repeat("x", 4<<20)+`"}`)
}

// CutBefore closes the connection and does nothing.
func CutBefore() Fault {
	return Fault{name: "cut before", before: func(*Provider, http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }}
}

// Cut does what was asked for and closes the connection without an answer.
func Cut() Fault {
	return Fault{name: "cut", after: func(http.ResponseWriter, *httptest.ResponseRecorder) { panic(http.ErrAbortHandler) }}
}

// Half does what was asked for and closes the connection in the middle of the answer.
func Half() Fault {
	return Fault{name: "half", after: func(w http.ResponseWriter, done *httptest.ResponseRecorder) {
		body := done.Body.Bytes()
		w.Header().Set("Content-Type", done.Header().Get("Content-Type"))
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(done.Code)
		_, _ = w.Write(body[:len(body)/2])
		panic(http.ErrAbortHandler)
	}}
}

// BadJSON does what was asked for and answers JSON that cannot be read.
func BadJSON() Fault {
	return Fault{name: "bad JSON", after: func(w http.ResponseWriter, done *httptest.ResponseRecorder) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(append([]byte("}"), done.Body.Bytes()...))
	}}
}

// Slow waits, does what was asked for even if nobody waits for it any more, and answers.
func Slow(d time.Duration) Fault { return Fault{name: "slow", delay: d} }

// Hold waits until the channel is closed, then does what was asked for and answers.
func Hold(until <-chan struct{}) Fault { return Fault{name: "hold", hold: until} }

// SlowAnswer does what was asked for and answers later.
func SlowAnswer(d time.Duration) Fault {
	return Fault{name: "slow answer", after: func(w http.ResponseWriter, done *httptest.ResponseRecorder) {
		timer := time.NewTimer(d)
		defer timer.Stop()
		<-timer.C
		send(w, done)
	}}
}

func send(w http.ResponseWriter, done *httptest.ResponseRecorder) {
	for k, v := range done.Header() {
		w.Header()[k] = v
	}
	w.WriteHeader(done.Code)
	_, _ = w.Write(done.Body.Bytes())
}
