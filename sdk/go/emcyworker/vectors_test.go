package emcyworker

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

// vectors is the file that all adapters share.
type vectors struct {
	Now        int64             `json:"now"`
	Keys       json.RawMessage   `json:"keys"`
	Assertions map[string]string `json:"assertions"`
	Vectors    []struct {
		Name        string            `json:"name"`
		Env         map[string]string `json:"env"`
		Headers     [][2]string       `json:"headers"`
		Unreachable bool              `json:"unreachable"`
		Status      int               `json:"status"`
		Challenge   string            `json:"challenge"`
		Body        map[string]any    `json:"body"`
		Caller      map[string]any    `json:"caller"`
		Gone        []string          `json:"gone"`
		Kept        []string          `json:"kept"`
	} `json:"vectors"`
}

func (v *vectors) value(text string) string {
	for name, token := range v.Assertions {
		text = strings.ReplaceAll(text, "{"+name+"}", token)
	}
	return text
}

// seen is what the application was given. What is empty in Go is null in the vectors.
type seen struct {
	Caller  map[string]any `json:"caller"`
	Headers []string       `json:"headers"`
}

func application(w http.ResponseWriter, r *http.Request) {
	c, ok := FromContext(r.Context())
	again, okHeader := FromHeader(r.Header)
	if !ok || !okHeader || !reflect.DeepEqual(c, again) {
		http.Error(w, "no caller", http.StatusTeapot)
		return
	}
	orNull := func(text string) any {
		if text == "" {
			return nil
		}
		return text
	}
	var scopes any
	if c.Scopes != nil {
		scopes = c.Scopes
	}
	s := seen{Caller: map[string]any{
		"subject": orNull(c.Subject), "tenant": orNull(c.Tenant), "client": orNull(c.Client), "request_id": orNull(c.RequestID),
		"scopes": scopes, "issuer": orNull(c.Issuer), "assertion": orNull(c.Assertion()), "upstream_access_token": orNull(c.UpstreamAccessToken()),
	}}
	for name := range r.Header {
		s.Headers = append(s.Headers, name)
	}
	_ = json.NewEncoder(w).Encode(s)
}

func TestVectors(t *testing.T) {
	t.Parallel()

	raw, err := os.ReadFile("../../vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var shared vectors
	if err := json.Unmarshal(raw, &shared); err != nil {
		t.Fatal(err)
	}
	if len(shared.Vectors) < 80 {
		t.Fatalf("there are %d vectors", len(shared.Vectors))
	}
	for _, v := range shared.Vectors {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()

			guard := New(Options{
				Getenv: func(name string) string { return v.Env[name] },
				Keys: func(context.Context, string) ([]byte, error) {
					if v.Unreachable {
						return nil, errors.New("there is no key set")
					}
					return shared.Keys, nil
				},
				Now: func() time.Time { return time.Unix(shared.Now, 0) },
			})
			server := httptest.NewServer(guard.Middleware(http.HandlerFunc(application)))
			t.Cleanup(server.Close)
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/mcp", http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			for _, header := range v.Headers {
				req.Header.Add(header[0], shared.value(header[1]))
			}
			res, err := server.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = res.Body.Close() }()

			if res.StatusCode != v.Status || res.Header.Get("WWW-Authenticate") != v.Challenge {
				t.Fatalf("answered %d with challenge %q", res.StatusCode, res.Header.Get("WWW-Authenticate"))
			}
			if v.Body != nil {
				var body map[string]any
				if err := json.NewDecoder(res.Body).Decode(&body); err != nil || !reflect.DeepEqual(body, v.Body) {
					t.Fatalf("answered %v, %v", body, err)
				}
				return
			}
			var got seen
			if err := json.NewDecoder(res.Body).Decode(&got); err != nil {
				t.Fatal(err)
			}
			has := map[string]bool{}
			for _, name := range got.Headers {
				has[name] = true
				if strings.HasPrefix(name, "X-Emcy-") {
					t.Errorf("the application sees %s", name)
				}
			}
			for _, name := range v.Gone {
				if has[http.CanonicalHeaderKey(name)] {
					t.Errorf("the application sees %s", name)
				}
			}
			for _, name := range v.Kept {
				if !has[http.CanonicalHeaderKey(name)] {
					t.Errorf("the application does not see %s", name)
				}
			}
			for member, want := range v.Caller {
				if text, ok := want.(string); ok {
					want = shared.value(text)
				}
				if !reflect.DeepEqual(got.Caller[member], want) {
					t.Errorf("%s is %v, not %v", member, got.Caller[member], want)
				}
			}
		})
	}
}
