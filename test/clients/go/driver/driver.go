package driver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strconv"
)

// Run is one run of a client.
type Run struct {
	URL, Era string
	// MetadataURL is where the client's metadata document is, or "".
	MetadataURL string
	// Given is the client as it was entered elsewhere; without an ID it was not.
	Given struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
	}
	stateFile string
}

// Start reads the command line: URL, era and the file that outlives the run; and from
// the environment who the client is, where it does not register dynamically.
func Start() *Run {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: URL legacy|modern STATE.json")
		os.Exit(2)
	}
	r := &Run{URL: os.Args[1], Era: os.Args[2], stateFile: os.Args[3], MetadataURL: os.Getenv("EMCY_TEST_CLIENT_METADATA_URL")}
	if given := os.Getenv("EMCY_TEST_CLIENT_INFORMATION"); given != "" {
		if err := json.Unmarshal([]byte(given), &r.Given); err != nil {
			fmt.Fprintln(os.Stderr, "EMCY_TEST_CLIENT_INFORMATION:", err)
			os.Exit(2)
		}
	}
	return r
}

// Stage runs a stage and tells its outcome; a failed one ends the process.
func (r *Run) Stage(name string, run func() (map[string]any, error)) {
	told, err := run()
	if told == nil {
		told = map[string]any{}
	}
	told["stage"] = name
	if err != nil {
		told["error"] = err.Error()
	}
	if err := json.NewEncoder(os.Stdout).Encode(told); err != nil {
		os.Exit(2)
	}
	if err != nil {
		os.Exit(1)
	}
}

// Load reads what an earlier run stored, and reports whether there was one.
func (r *Run) Load(into any) (bool, error) {
	raw, err := os.ReadFile(r.stateFile)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, json.Unmarshal(raw, into)
}

// Store keeps something for the next run.
func (r *Run) Store(state any) error {
	raw, err := json.Marshal(state)
	if err != nil {
		return err
	}
	return os.WriteFile(r.stateFile, raw, 0o600)
}

// Sum is the error unless 40 + 2 came back as 42.
func Sum(text string) error {
	if sum, err := strconv.ParseFloat(text, 64); err != nil || sum != 42 {
		return fmt.Errorf("40 + 2 is %s", text)
	}
	return nil
}

// Loopback is where the browser comes back to.
type Loopback struct {
	RedirectURI string
	arrived     chan url.Values
}

// Listen starts a loopback listener that lives as long as the process.
func Listen(ctx context.Context) (*Loopback, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	l := &Loopback{RedirectURI: "http://" + listener.Addr().String() + "/callback", arrived: make(chan url.Values, 1)}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "You may close this tab.")
		l.arrived <- r.URL.Query()
	})
	go func() { _ = http.Serve(listener, handler) }() // until the process ends
	return l, nil
}

// Authorize sends the browser to an address and waits until it comes back.
func (l *Loopback) Authorize(ctx context.Context, address string) (url.Values, error) {
	if err := exec.CommandContext(ctx, os.Getenv("BROWSER"), address).Run(); err != nil {
		return nil, fmt.Errorf("open the browser: %w", err)
	}
	select {
	case query := <-l.arrived:
		if query.Get("code") == "" {
			return nil, fmt.Errorf("no code came back: %s", query.Encode())
		}
		return query, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
