package trace

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// writer sees an answer pass. JSON of the endpoints that clients call is held back
// until it is whole, because an error in it gets the trace's id.
type writer struct {
	http.ResponseWriter
	trail  *Trail
	hold   bool
	body   bytes.Buffer
	status int
	events []Event // recorded by the redirect
}

// Unwrap lets a response controller through.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *writer) WriteHeader(status int) {
	if w.status != 0 {
		return
	}
	w.status = status
	if w.hold {
		return
	}
	if status >= 300 && status < 400 {
		w.redirect()
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *writer) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if w.hold {
		return w.body.Write(p)
	}
	return w.ResponseWriter.Write(p)
}

// redirect records where a page's request leads, before it leads there.
func (w *writer) redirect() {
	t, location := w.trail, w.Header().Get("Location")
	if t.id == "" {
		return
	}
	w.events = t.redirectEvents(w.status, location)
	if len(w.events) > 0 {
		t.recorder.now(t.request.Context(), t.visit, t.id, t.who(), w.events...)
	}
	if outward(location) {
		w.Header().Set("Location", noteRedirect(location, t.id))
	}
}

// outward is a redirect to a client; those of our own pages are paths.
func outward(location string) bool { return location != "" && !strings.HasPrefix(location, "/") }

// finish records what was not recorded on the way, and lets a held answer go.
func (w *writer) finish() {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	t := w.trail
	ctx := t.request.Context()
	switch {
	case w.hold:
		w.release()
	case t.step == ServerMetadata:
		e := t.metadataEvent(w.status)
		t.recorder.Record(t.visit.Issuer, t.who(), e)
	case w.status >= http.StatusBadRequest && t.id != "" && t.step != "":
		t.recorder.now(ctx, t.visit, t.id, t.who(), t.refusedPage(w.status)...)
	}
}

// release records a held answer and sends it.
func (w *writer) release() {
	t := w.trail
	body := w.body.Bytes()
	if events, wait := t.answered(w.status, body); len(events) > 0 {
		switch {
		case !wait:
			for _, e := range events {
				t.recorder.Record(t.visit.Issuer, t.who(), e)
			}
		case t.id != "" || t.recorder.gate.admit(t.visit.Issuer, NetworkOf(t.visit.Addr), t.recorder.db.Clock().Now()):
			t.id = t.recorder.now(t.request.Context(), t.visit, t.id, t.who(), events...)
		default:
			t.recorder.drop()
		}
	}
	if w.status >= http.StatusBadRequest {
		body = w.noted(body)
	}
	w.ResponseWriter.WriteHeader(w.status)
	_, _ = w.ResponseWriter.Write(body) // the client may be gone, which nobody can help
}

// noted is an OAuth error with the trace's id in its description.
func (w *writer) noted(body []byte) []byte {
	var fields map[string]json.RawMessage
	if w.trail.id == "" || json.Unmarshal(body, &fields) != nil || fields["error"] == nil {
		return body
	}
	var description string
	_ = json.Unmarshal(fields["error_description"], &description) // absent is empty
	text, err := json.Marshal(Noted(description, w.trail.id))
	if err != nil {
		return body
	}
	fields["error_description"] = text
	out, err := json.Marshal(fields)
	if err != nil {
		return body
	}
	if w.Header().Get("Content-Length") != "" {
		w.Header().Set("Content-Length", strconv.Itoa(len(out)))
	}
	return out
}

func codeIn(location string) (query url.Values) {
	u, err := url.Parse(location)
	if err != nil {
		return nil
	}
	return u.Query()
}
