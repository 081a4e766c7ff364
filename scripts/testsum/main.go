package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

func main() {
	root, err := os.Getwd()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(2)
	}
	chosen, err := choose(suites(root), os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(2)
	}
	var results []result
	for _, s := range chosen {
		results = append(results, run(root, s, os.Stdout))
	}
	if !summarise(results, os.Getenv("CI") == "true", os.Stdout) {
		os.Exit(1)
	}
}

// choose keeps the suites named on the command line; none named means all.
func choose(all []suite, names []string) ([]suite, error) {
	if len(names) == 0 {
		return all, nil
	}
	var chosen []suite
	for _, name := range names {
		i := slices.IndexFunc(all, func(s suite) bool { return s.name == name })
		if i < 0 {
			var known []string
			for _, s := range all {
				known = append(known, s.name)
			}
			return nil, fmt.Errorf("no suite %q: there are %s", name, strings.Join(known, ", "))
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

type result struct {
	name   string
	tally  tally
	notRun string // the reason why the whole suite was not run
	took   time.Duration
}

func run(root string, s suite, show io.Writer) result {
	r := result{name: s.name}
	if s.present != "" {
		if _, err := os.Stat(filepath.Join(root, s.present)); err != nil {
			r.notRun = s.present + " does not exist"
			return r
		}
	}
	if r.notRun = s.missing(root); r.notRun != "" {
		return r
	}
	fmt.Fprintf(show, "\n=== %s\n", s.name)
	start := time.Now()
	r.tally = execute(root, s, show)
	r.took = time.Since(start)
	return r
}

func execute(root string, s suite, show io.Writer) tally {
	cmd := exec.Command(s.command[0], s.command[1:]...)
	if strings.HasPrefix(s.command[0], "scripts/") {
		cmd.Path = filepath.Join(root, s.command[0])
	}
	cmd.Dir = filepath.Join(root, s.dir)
	pipe, write, err := os.Pipe()
	if err != nil {
		fmt.Fprintln(show, err)
		return tally{failed: 1}
	}
	cmd.Stdout, cmd.Stderr = write, write
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(show, err)
		return tally{failed: 1}
	}
	// A server that a test leaves behind may hold the pipe open for ever, so the
	// end of the command, not of the pipe, ends the reading.
	exited := make(chan error, 1)
	go func() {
		exited <- cmd.Wait()
		_ = write.Close() // the child's copy is what counts
		_ = pipe.SetReadDeadline(time.Now().Add(10 * time.Second))
	}()
	sum, readErr := s.count(pipe, show)
	err = <-exited
	if readErr != nil && !os.IsTimeout(readErr) {
		fmt.Fprintln(show, readErr)
	}
	switch {
	case err != nil && sum.failed == 0:
		fmt.Fprintf(show, "%s: %v\n", s.name, err)
		sum.failed = 1
	case s.check:
		sum.passed = 1
	case sum.passed+sum.failed == 0 && len(sum.skipped) == 0:
		fmt.Fprintf(show, "%s ran no test\n", s.name)
		sum.failed = 1
	}
	return sum
}

// summarise prints the table and the closing line; it reports success.
func summarise(results []result, ci bool, show io.Writer) bool {
	var passed, failed, skipped, notRun int
	fmt.Fprint(show, "\n=== summary\n")
	table := tabwriter.NewWriter(show, 0, 4, 2, ' ', 0)
	for _, r := range results {
		if r.notRun != "" {
			notRun++
			fmt.Fprintf(table, "%s\tNOT RUN\t%s\n", r.name, r.notRun)
			continue
		}
		word := "ok"
		if r.tally.failed > 0 {
			word = "FAILED"
		}
		fmt.Fprintf(table, "%s\t%s\t%d passed, %d failed\t%s\n", r.name, word, r.tally.passed, r.tally.failed, r.took.Round(time.Second/10))
		passed += r.tally.passed
		failed += r.tally.failed
		skipped += len(r.tally.skipped)
	}
	_ = table.Flush() // the summary goes where the rest of the output went
	for _, r := range results {
		for _, test := range r.tally.skipped {
			fmt.Fprintf(show, "NOT RUN  %s\n", test)
		}
	}
	ok := failed == 0
	if ci && notRun+skipped > 0 {
		fmt.Fprintln(show, "CI=true: what was not run counts as failed")
		failed += notRun + skipped
		ok = false
	}
	fmt.Fprintf(show, "\n%d passed, %d failed\n", passed, failed)
	return ok && passed > 0
}
