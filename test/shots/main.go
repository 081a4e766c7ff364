package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/emcy/gateway/test/shots/tour"
	"github.com/emcy/gateway/ui/stories"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "shots:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Minute)
	defer cancel()
	console, stop, err := gateway(ctx)
	if err != nil {
		return err
	}
	defer stop()
	filled, err := tour.Walk(ctx, console)
	if err != nil {
		return err
	}
	defer filled.Close()
	stops := filled.Stops
	for _, story := range stories.Screens("", stories.Plain) { // what people see of a workspace in every state
		if strings.HasPrefix(story.Name, "tenant/") {
			stops = append(stops, tour.Stop{Name: "kit-" + strings.ReplaceAll(story.Name, "/", "-"), URL: console + "/ui-kit/" + story.Name})
		}
	}
	list, err := json.Marshal(stops)
	if err != nil {
		return fmt.Errorf("list pictures: %w", err)
	}
	node := exec.CommandContext(ctx, "node", "test/e2e/shots.mjs")
	node.Stdin, node.Stdout, node.Stderr = strings.NewReader(string(list)), os.Stdout, os.Stderr
	return node.Run()
}

// gateway builds and starts the binary on a folder of its own.
func gateway(ctx context.Context) (console string, stop func(), err error) {
	dir, err := os.MkdirTemp("", "emcy-shots-")
	if err != nil {
		return "", nil, fmt.Errorf("make folder: %w", err)
	}
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", dir+"/emcy", "./cmd/emcy").CombinedOutput(); err != nil {
		return "", nil, fmt.Errorf("build: %w: %s", err, out)
	}
	port, edge := freePort(), 20_000+rand.IntN(8_000) // below the ports that the kernel gives out by itself
	serve := exec.CommandContext(ctx, dir+"/emcy", "serve")
	serve.Dir, serve.Stderr = dir, os.Stderr
	serve.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "EMCY_LOG_LEVEL=warn", "EMCY_PUBLIC_URL=http://localhost:" + strconv.Itoa(port), fmt.Sprintf("EMCY_EDGE_PORTS=%d-%d", edge, edge+20)}
	out, err := serve.StdoutPipe()
	if err != nil {
		return "", nil, fmt.Errorf("pipe: %w", err)
	}
	if err := serve.Start(); err != nil {
		return "", nil, fmt.Errorf("start: %w", err)
	}
	stop = func() {
		_ = serve.Process.Signal(syscall.SIGTERM)
		_ = serve.Wait()
		_ = os.RemoveAll(dir)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.Contains(line, "is ready") {
		stop()
		return "", nil, errors.New("the gateway does not start")
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	return "http://localhost:" + strconv.Itoa(port), stop, nil
}

func freePort() int {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		panic(err) // without a loopback port there is nothing to show
	}
	defer func() { _ = l.Close() }()
	addr, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		panic("a TCP listener has a TCP address")
	}
	return addr.Port
}
