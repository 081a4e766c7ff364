// Command go is a small runtime on the MCP Go SDK that stands behind Emcy Gateway.
// README.md names the settings.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/emcy/gateway/sdk/go/emcyworker"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	server := newServer(os.Getenv("TODO_API_URL"))
	handler := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, &mcp.StreamableHTTPOptions{Stateless: true})

	mux := http.NewServeMux()
	mux.Handle("/mcp", handler)
	guarded := emcyworker.Middleware(mux) // the adapter: this line and its import

	address := net.JoinHostPort(cmp.Or(os.Getenv("HOST"), "127.0.0.1"), cmp.Or(os.Getenv("PORT"), "9004"))
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	log.Printf("Go example: http://%s/mcp", listener.Addr())
	web := &http.Server{Handler: record(os.Getenv("EMCY_EXAMPLE_RECORD"), guarded), ReadHeaderTimeout: 10 * time.Second}

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, func() { _ = web.Close() })
	if err := web.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}
