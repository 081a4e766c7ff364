package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// A tally is what one suite did. Skipped tests are listed, because a test that
// did not run must never look like one that passed.
type tally struct {
	passed, failed int
	skipped        []string
}

// A counter reads a suite's output, shows what a person wants to see of it and
// counts. It reads to the end of the output.
type counter func(output io.Reader, show io.Writer) (tally, error)

// countExit is for checks that either hold or not: the exit code decides.
func countExit(output io.Reader, show io.Writer) (tally, error) {
	_, err := io.Copy(show, output)
	return tally{}, err
}

// goEvent is a line of `go test -json`.
type goEvent struct {
	Action      string
	Package     string
	ImportPath  string
	Test        string
	Output      string
	Elapsed     float64
	FailedBuild string
}

type goPackage struct {
	running        map[string]bool
	output         map[string][]string // by test; "" is the package's own
	passed, failed int
	skipped        []string
}

// countGo counts every test and subtest of `go test -json`. A package that
// fails without a failed test (it does not build, it panics, it runs out of
// time) counts as one failure.
func countGo(output io.Reader, show io.Writer) (tally, error) {
	var sum tally
	packages := map[string]*goPackage{}
	builds := map[string][]string{}

	in := bufio.NewReader(output)
	for {
		line, readErr := in.ReadString('\n')
		if line != "" {
			var e goEvent
			if !strings.HasPrefix(line, "{") || json.Unmarshal([]byte(line), &e) != nil {
				fmt.Fprint(show, line) // the go command itself speaks
			} else {
				countGoEvent(&sum, packages, builds, e, show)
			}
		}
		if readErr == io.EOF {
			return sum, nil
		}
		if readErr != nil {
			return sum, readErr
		}
	}
}

func countGoEvent(sum *tally, packages map[string]*goPackage, builds map[string][]string, e goEvent, show io.Writer) {
	if e.Package == "" {
		if e.Action == "build-output" {
			builds[e.ImportPath] = append(builds[e.ImportPath], e.Output)
		}
		return
	}
	p := packages[e.Package]
	if p == nil {
		p = &goPackage{running: map[string]bool{}, output: map[string][]string{}}
		packages[e.Package] = p
	}
	switch e.Action {
	case "run":
		p.running[e.Test] = true
	case "output":
		if turnLine.MatchString(e.Output) {
			return // who ran when says nothing about what failed
		}
		p.output[e.Test] = append(p.output[e.Test], e.Output)
	case "pass", "fail", "skip":
		if e.Test != "" {
			delete(p.running, e.Test)
			countGoTest(p, e, show)
			return
		}
		finishGoPackage(sum, p, builds, e, show)
		delete(packages, e.Package)
	}
}

func countGoTest(p *goPackage, e goEvent, show io.Writer) {
	switch e.Action {
	case "pass":
		p.passed++
		for _, line := range p.output[e.Test] {
			if m := reportLine.FindStringSubmatch(line); m != nil {
				fmt.Fprintln(show, "     ", strings.TrimSpace(m[1]))
			}
		}
	case "fail":
		p.failed++
		fmt.Fprintf(show, "--- FAIL: %s %s\n", e.Package, e.Test)
		fmt.Fprint(show, strings.Join(p.output[e.Test], ""))
	case "skip":
		p.skipped = append(p.skipped, e.Package+" "+e.Test+skipReason(p.output[e.Test]))
	}
	delete(p.output, e.Test)
}

func finishGoPackage(sum *tally, p *goPackage, builds map[string][]string, e goEvent, show io.Writer) {
	if e.Action == "fail" {
		// A test that began and never ended took the package down with it.
		for test := range p.running {
			p.failed++
			fmt.Fprintf(show, "--- FAIL: %s %s (did not end)\n%s", e.Package, test, strings.Join(p.output[test], ""))
		}
		if p.failed == 0 {
			p.failed = 1
			fmt.Fprint(show, strings.Join(builds[e.FailedBuild], ""))
		}
		fmt.Fprint(show, strings.Join(p.output[""], ""))
	}
	if n := p.passed + p.failed; n > 0 {
		word := "ok  "
		if p.failed > 0 {
			word = "FAIL"
		}
		fmt.Fprintf(show, "%s  %-60s %4d tests %6.1fs\n", word, e.Package, n, e.Elapsed)
	}
	sum.passed += p.passed
	sum.failed += p.failed
	sum.skipped = append(sum.skipped, p.skipped...)
}

var turnLine = regexp.MustCompile(`^=== (RUN|PAUSE|CONT|NAME) `)

// reportLine is what a test logs for everybody to see, also where it passes.
var reportLine = regexp.MustCompile(`^\s+\S+\.go:\d+: report: (.*)`)

var skipLine = regexp.MustCompile(`^\s+\S+\.go:\d+: (.*)`)

func skipReason(output []string) string {
	for _, line := range output {
		if m := skipLine.FindStringSubmatch(line); m != nil {
			return ": " + strings.TrimSpace(m[1])
		}
	}
	return ""
}

var (
	unittestRan    = regexp.MustCompile(`^Ran (\d+) tests? in `)
	unittestEnd    = regexp.MustCompile(`^(OK|FAILED)\b`)
	unittestNumber = regexp.MustCompile(`(failures|errors|skipped|expected failures|unexpected successes)=(\d+)`)
	tapNumber      = regexp.MustCompile(`^# (pass|fail|cancelled|skipped|todo) (\d+)$`)
)

// countUnittest reads the closing lines of Python's unittest, such as
// "Ran 6 tests in 0.1s" and "FAILED (failures=1, errors=2)".
func countUnittest(output io.Reader, show io.Writer) (tally, error) {
	var sum tally
	ran := 0
	err := eachLine(output, func(line string) {
		fmt.Fprintln(show, line)
		if m := unittestRan.FindStringSubmatch(line); m != nil {
			ran, _ = strconv.Atoi(m[1]) // the expression matches digits only
			return
		}
		if !unittestEnd.MatchString(line) {
			return
		}
		for _, m := range unittestNumber.FindAllStringSubmatch(line, -1) {
			n, _ := strconv.Atoi(m[2]) // the expression matches digits only
			switch m[1] {
			case "failures", "errors", "unexpected successes":
				sum.failed += n
			default:
				sum.skipped = append(sum.skipped, fmt.Sprintf("%d in unittest (%s)", n, m[1]))
				ran -= n
			}
		}
	})
	// Failed subtests are counted one by one, so they can outnumber the tests.
	sum.passed = max(ran-sum.failed, 0)
	return sum, err
}

// countNode reads the closing lines of node's TAP reporter and shows only what
// failed, for TAP prints a block per passing test.
func countNode(output io.Reader, show io.Writer) (tally, error) {
	var sum tally
	var all []string
	err := eachLine(output, func(line string) {
		all = append(all, line)
		m := tapNumber.FindStringSubmatch(line)
		if m == nil {
			return
		}
		n, _ := strconv.Atoi(m[2]) // the expression matches digits only
		switch m[1] {
		case "pass":
			sum.passed += n
		case "skipped", "todo":
			if n > 0 {
				sum.skipped = append(sum.skipped, fmt.Sprintf("%d in node --test (%s)", n, m[1]))
			}
		default:
			sum.failed += n
		}
	})
	if sum.failed > 0 || sum.passed == 0 {
		fmt.Fprintln(show, strings.Join(all, "\n"))
	}
	return sum, err
}

// countFuzz reads the lines of scripts/fuzz, one for each target.
func countFuzz(output io.Reader, show io.Writer) (tally, error) {
	var sum tally
	err := eachLine(output, func(line string) {
		fmt.Fprintln(show, line)
		switch {
		case strings.HasPrefix(line, "ok    Fuzz"):
			sum.passed++
		case strings.HasPrefix(line, "FAIL  "):
			sum.failed++
		}
	})
	return sum, err
}

func eachLine(r io.Reader, do func(string)) error {
	in := bufio.NewReader(r)
	for {
		line, err := in.ReadString('\n')
		if line != "" {
			do(strings.TrimRight(line, "\r\n"))
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}
