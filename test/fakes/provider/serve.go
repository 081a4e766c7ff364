package provider

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"
)

// serve records a request, plays what Fail asked for, and hands the rest to its endpoint.
func (p *Provider) serve(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
	name := p.endpoint(r.URL.Path)
	e := &Entry{At: p.settings.now(), Endpoint: name}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") || r.Method == http.MethodGet {
		if err := r.ParseForm(); err != nil {
			http.Error(w, "bad form", http.StatusBadRequest)
			return
		}
		e.Form, e.Grant = cloned(r.Form), r.Form.Get("grant_type")
	}
	fault := p.fault(name, e.Grant)
	if fault != nil {
		e.Fault = fault.name
		if fault.before != nil {
			p.record(e)
			fault.before(p, w, r)
			return
		}
		p.wait(fault)
	}
	done := httptest.NewRecorder()
	p.handle(name, done, r, e)
	e.Status = done.Code
	p.record(e)
	if fault != nil && fault.after != nil {
		fault.after(w, done)
		return
	}
	send(w, done)
}

// wait ends early only where the provider itself ends.
func (p *Provider) wait(f *Fault) {
	timer := time.NewTimer(f.delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-p.closed:
		return
	}
	if f.hold == nil {
		return
	}
	select {
	case <-f.hold:
	case <-p.closed:
	}
}

func cloned(form url.Values) url.Values {
	out := url.Values{}
	for k, v := range form {
		out[k] = append([]string(nil), v...)
	}
	return out
}

func (p *Provider) record(e *Entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ledger = append(p.ledger, *e)
}

// endpoint names the one that a path belongs to.
func (p *Provider) endpoint(path string) string {
	if path == apiPath {
		return "api"
	}
	for _, one := range []struct{ name, address string }{
		{"authorize", p.vendor.authorize},
		{"token", p.vendor.token},
		{"revoke", p.vendor.revoke},
		{"userinfo", p.vendor.userinfo},
		{"introspect", p.vendor.introspect},
		{"register", p.vendor.register},
		{"jwks", p.vendor.jwks},
		{"metadata", p.vendor.metadata},
		{"metadata", p.vendor.oauthMetadata},
	} {
		if one.address == "" {
			continue
		}
		u, err := url.Parse(strings.ReplaceAll(strings.ReplaceAll(one.address, "{tenant}", p.settings.tenant), "{client_id}", p.ClientID))
		if err == nil && u.Path == path {
			return one.name
		}
	}
	return ""
}

func (p *Provider) handle(name string, w http.ResponseWriter, r *http.Request, e *Entry) {
	switch name {
	case "authorize":
		p.authorize(w, r, e)
	case "token":
		p.token(w, r, e)
	case "revoke":
		p.revoke(w, r, e)
	case "userinfo":
		p.userinfo(w, r, e)
	case "introspect":
		p.introspect(w, r, e)
	case "register":
		p.register(w, r, e)
	case "jwks":
		p.jwks(w)
	case "metadata":
		p.metadata(w)
	case "api":
		p.api(w, r, e)
	default:
		http.NotFound(w, r)
	}
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// refuse answers an error as the vendor does.
func (p *Provider) refuse(w http.ResponseWriter, r *http.Request, e *Entry, status int, code, description string) {
	e.Error = code
	if p.vendor.errors200 {
		status = http.StatusOK
	}
	p.write(w, r, status, map[string]any{"error": code, "error_description": description})
}

// write answers JSON, or a form where the vendor does unless it is asked for JSON.
func (p *Provider) write(w http.ResponseWriter, r *http.Request, status int, body map[string]any) {
	if !p.vendor.forms || strings.Contains(r.Header.Get("Accept"), "json") {
		writeJSON(w, status, body)
		return
	}
	form := url.Values{}
	for k, v := range body {
		if s, ok := v.(string); ok {
			form.Set(k, s)
		}
	}
	w.Header().Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(form.Encode()))
}
