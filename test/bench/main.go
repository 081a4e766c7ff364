package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// settings are what the command line decides.
type settings struct {
	only   string
	rounds int
	window time.Duration
	write  bool
	binary string
	pgo    string
}

// bench is one run.
type bench struct {
	settings
	report *report
	out    io.Writer
	dir    string // for everything that the run writes; removed at its end
}

// parts are the measurements, in their order.
var parts = []struct {
	name string
	run  func(*bench, context.Context) error
}{
	{"coldstart", (*bench).coldStart},
	{"throughput", (*bench).throughput},
	{"recording", (*bench).recording},
	{"allocs", (*bench).allocs},
	{"streams", (*bench).streams},
	{"ingestion", (*bench).ingestion},
	{"token", (*bench).token},
	{"snapshot", (*bench).snapshots},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) (err error) {
	if len(args) > 0 && roles[args[0]] != nil {
		return serveRole(ctx, args[0], args[1:])
	}
	b := &bench{report: &report{}, out: out}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&b.only, "only", "", "parts to run, separated by commas; all by default")
	flags.IntVar(&b.rounds, "rounds", 5, "rounds of each measurement")
	flags.DurationVar(&b.window, "window", 500*time.Millisecond, "how long one target is measured in one round")
	flags.BoolVar(&b.write, "write", false, "write the tables into docs/performance.md")
	flags.StringVar(&b.binary, "binary", "", "a gateway that is built already")
	flags.StringVar(&b.pgo, "profile", "", "write a processor profile of the edge here instead, for the compiler")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "emcy-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	if b.pgo != "" {
		return b.profile(ctx, b.pgo)
	}
	wanted, err := b.wanted()
	if err != nil {
		return err
	}
	if b.binary == "" {
		if b.binary, err = b.build(ctx); err != nil {
			return err
		}
	}
	started := time.Now()
	for _, part := range parts {
		if !slices.Contains(wanted, part.name) {
			continue
		}
		b.report.begin(part.name)
		if err := part.run(b, ctx); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
		if err := b.report.print(out, part.name); err != nil {
			return err
		}
	}
	fmt.Fprintf(out, "\n%s after %s\n", b.report.verdict(), time.Since(started).Round(time.Second))
	if b.write {
		return b.report.write(ctx, "docs/performance.md", "make bench"+commandLine(args), b.rounds, b.window)
	}
	return nil
}

func commandLine(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return " BENCH=\"" + strings.Join(args, " ") + "\""
}

func (b *bench) wanted() ([]string, error) {
	var all []string
	for _, part := range parts {
		all = append(all, part.name)
	}
	if b.only == "" {
		return all, nil
	}
	wanted := strings.Split(b.only, ",")
	for _, name := range wanted {
		if !slices.Contains(all, name) {
			return nil, fmt.Errorf("no part %q: there are %s", name, strings.Join(all, ", "))
		}
	}
	return wanted, nil
}
