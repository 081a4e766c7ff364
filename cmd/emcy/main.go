package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"text/tabwriter"
)

// Exit codes: a wrong setting is told apart from a failure while running, so that
// a supervisor need not restart into the same error.
const (
	exitFailure = 1
	exitUsage   = 2
	exitConfig  = 78 // EX_CONFIG of sysexits.h
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is main without the process around it.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	command := "help"
	if len(args) > 0 {
		command = args[0]
	}
	if len(args) > 1 && command != "help" && command != "grants" {
		_, _ = fmt.Fprintf(stderr, "emcy: %s takes no arguments, settings come from the environment (emcy help)\n", command)
		return exitUsage
	}
	var act func(context.Context, config, io.Writer, io.Writer) error
	switch command {
	case "serve":
		held := ballast(environ)
		defer runtime.KeepAlive(held)
		act = serve
	case "migrate":
		act = migrate
	case "healthcheck":
		act = healthcheck
	case "grants":
		d, ok := readDrill(args[1:], stderr)
		if !ok {
			return exitUsage
		}
		act = d.run
	case "version":
		_, _ = fmt.Fprintln(stdout, "emcy", version())
		return 0
	case "help", "-h", "--help":
		help(stdout)
		return 0
	default:
		_, _ = fmt.Fprintf(stderr, "emcy: unknown command %q (emcy help lists them)\n", command)
		return exitUsage
	}
	cfg, err := readConfig(environ)
	if err != nil {
		_, _ = fmt.Fprintln(stderr, "emcy:", err)
		return exitConfig
	}
	if err := act(ctx, cfg, stdout, stderr); err != nil {
		_, _ = fmt.Fprintln(stderr, "emcy:", oneLine(err))
		if _, ok := errors.AsType[configError](err); ok {
			return exitConfig
		}
		return exitFailure
	}
	return 0
}

// configError is a start that cannot succeed before somebody changes something.
type configError struct{ error }

func (e configError) Unwrap() error { return e.error }

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}

func help(w io.Writer) {
	_, _ = fmt.Fprint(w, `Emcy Gateway, the public MCP edge in front of the MCP servers that you already run.

Usage: emcy <command>

  serve        serve the console, the workspaces and the workers
  migrate      bring the database up to date and end (serve does it, too)
  grants       revoke the downstream grants of a workspace or of all (emcy grants revoke --help)
  healthcheck  ask the running process whether it is ready
  version      print the version
  help         print this

Settings come from the environment:

`)
	t := tabwriter.NewWriter(w, 2, 0, 2, ' ', 0)
	for _, v := range variables {
		def := v.def
		if def == "" {
			def = "-"
		}
		_, _ = fmt.Fprintf(t, "  %s\t%s\t%s\n", v.name, def, v.what)
	}
	_ = t.Flush()
}
