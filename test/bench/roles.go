package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"runtime"
	"runtime/debug"
)

// readyMark begins the line with which a role says where it serves.
const readyMark = "ready "

// roles are the servers that this program can be. Each gives its handler and what
// is to be done at its end.
var roles = map[string]func(ctx context.Context, flags *flag.FlagSet, args []string) (http.Handler, func() error, error){
	"upstream": upstreamRole,
	"proxy":    proxyRole,
	"signer":   signerRole,
	"edge":     edgeRole,
}

// serveRole serves until stdin ends, which it does at the latest when the parent does.
func serveRole(ctx context.Context, name string, args []string) error {
	handler, end, err := roles[name](ctx, flag.NewFlagSet(name, flag.ContinueOnError), args)
	if err != nil {
		return err
	}
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	control, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /memory", serveMemory)
	mux.HandleFunc("GET /profile", pprof.Profile) // for whoever looks into a figure
	mux.HandleFunc("GET /profile/", pprof.Index)
	go func() { _ = http.Serve(control, mux) }()      //nolint:gosec // loopback, until the process ends
	go func() { _ = http.Serve(listener, handler) }() //nolint:gosec // as above
	fmt.Fprintln(os.Stdout, readyMark+listener.Addr().String(), control.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin)
	_ = listener.Close()
	return end()
}

// memory is what a process says of its own.
type memory struct {
	// Mallocs counts allocations since the start, Live the bytes of heap and stacks in use.
	Mallocs, Live uint64
}

func serveMemory(w http.ResponseWriter, _ *http.Request) {
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	_ = json.NewEncoder(w).Encode(memory{Mallocs: m.Mallocs, Live: m.HeapAlloc + m.StackInuse}) // the parent sees what is missing
}
