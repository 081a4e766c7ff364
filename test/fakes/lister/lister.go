package lister

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
)

const discovered = `{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"lister","version":"1"}}}`

// Lister is a running fake.
type Lister struct {
	server *httptest.Server

	mu        sync.Mutex
	answer    func() (status int, result string)
	meanwhile func()
}

// Start runs a fake that lists these tools, until Close.
func Start(tools ...string) *Lister {
	l := &Lister{}
	l.List(tools...)
	l.server = httptest.NewServer(http.HandlerFunc(l.serve))
	return l
}

// URL is its address.
func (l *Lister) URL() string { return l.server.URL }

// Close stops serving and ends open connections. It is safe to call twice.
func (l *Lister) Close() {
	l.server.CloseClientConnections()
	l.server.Close()
}

// List makes these its tools, each a definition as JSON.
func (l *Lister) List(tools ...string) {
	l.Answer(func() (int, string) { return http.StatusOK, `{"tools":[` + strings.Join(tools, ",") + `]}` })
}

// Answer makes what a function gives its answer to tools/list: the status and the result.
func (l *Lister) Answer(answer func() (status int, result string)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answer = answer
}

// Meanwhile runs a function while an answer with tools is made and not yet sent; nil runs none.
func (l *Lister) Meanwhile(act func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.meanwhile = act
}

func (l *Lister) serve(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Method string
		ID     json.RawMessage
	}
	body, err := io.ReadAll(r.Body)
	if err != nil || json.Unmarshal(body, &asked) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	status, result := http.StatusOK, discovered
	switch asked.Method {
	case "server/discover":
	case "tools/list":
		l.mu.Lock()
		answer, meanwhile := l.answer, l.meanwhile
		l.mu.Unlock()
		status, result = answer()
		if meanwhile != nil {
			meanwhile()
		}
	default:
		status = http.StatusNotFound
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":%s}`, asked.ID, result)
}

// Tool is a sound definition with these words, and further members as JSON.
func Tool(name, description string, more ...string) string {
	members := append([]string{`"name":` + quoted(name), `"description":` + quoted(description), `"inputSchema":{"type":"object","properties":{"a":{},"b":{}}}`}, more...)
	return "{" + strings.Join(members, ",") + "}"
}

func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string is JSON
	}
	return string(b)
}
