package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// row is one figure, with the goal it is held against where there is one.
type row struct {
	what, value, goal string
	met               bool
}

type section struct {
	name string
	rows []row
}

// report gathers the figures.
type report struct{ sections []section }

func (r *report) begin(name string) { r.sections = append(r.sections, section{name: name}) }

func (r *report) add(one row) {
	last := &r.sections[len(r.sections)-1]
	last.rows = append(last.rows, one)
}

// figure is a value without a goal.
func (r *report) figure(what, format string, values ...any) {
	r.add(row{what: what, value: fmt.Sprintf(format, values...)})
}

// atLeast and atMost are values with a goal.
func (r *report) atLeast(what string, value, goal float64, format string) {
	r.add(row{what: what, value: fmt.Sprintf(format, value), goal: ">= " + fmt.Sprintf(format, goal), met: value >= goal})
}

func (r *report) atMost(what string, value, goal float64, format string) {
	r.add(row{what: what, value: fmt.Sprintf(format, value), goal: "<= " + fmt.Sprintf(format, goal), met: value <= goal})
}

func (one row) verdict() string {
	switch {
	case one.goal == "":
		return ""
	case one.met:
		return "met"
	}
	return "NOT MET"
}

func (r *report) print(out io.Writer, name string) error {
	fmt.Fprintf(out, "\n%s\n", name)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, one := range r.sections[len(r.sections)-1].rows {
		fmt.Fprintf(table, "  %s\t%s\t%s\t%s\n", one.what, one.value, one.goal, one.verdict())
	}
	return table.Flush()
}

func (r *report) verdict() string {
	goals, met := 0, 0
	for _, s := range r.sections {
		for _, one := range s.rows {
			if one.goal != "" {
				goals++
			}
			if one.met {
				met++
			}
		}
	}
	return fmt.Sprintf("%d of %d goals met", met, goals)
}

// The marks in the document between which the tables stand.
const (
	tablesBegin = "<!-- bench:begin -->\n"
	tablesEnd   = "<!-- bench:end -->\n"
)

// write replaces the tables in the document.
func (r *report) write(ctx context.Context, path, command string, rounds int, window time.Duration) error {
	document, err := os.ReadFile(path) //nolint:gosec // a path of this repository
	if err != nil {
		return err
	}
	before, rest, ok := bytes.Cut(document, []byte(tablesBegin))
	_, after, closed := bytes.Cut(rest, []byte(tablesEnd))
	if !ok || !closed {
		return fmt.Errorf("%s has no place for the tables", path)
	}
	var b bytes.Buffer
	b.Write(before)
	b.WriteString(tablesBegin)
	fmt.Fprintf(&b, "%s, commit %s, %s, %s. Command: `%s` (%d rounds, %s for each target in each round).\n",
		time.Now().UTC().Format(time.DateOnly), commit(ctx), machine(), runtime.Version(), command, rounds, window)
	for _, s := range r.sections {
		fmt.Fprintf(&b, "\n### %s\n\n| figure | value | goal | |\n|---|---|---|---|\n", s.name)
		for _, one := range s.rows {
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", one.what, one.value, one.goal, one.verdict())
		}
	}
	b.WriteString("\n" + tablesEnd)
	b.Write(after)
	return os.WriteFile(path, b.Bytes(), 0o644) //nolint:gosec // a page of this repository
}

func commit(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

func machine() string {
	model := "unknown processor"
	info, _ := os.ReadFile("/proc/cpuinfo") // elsewhere there is none
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			model = strings.TrimSpace(value)
			break
		}
	}
	return fmt.Sprintf("%s with %d cores", model, runtime.NumCPU())
}

// median of a list that is not empty.
func median[T cmp.Ordered](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// ratios divides two lists of the same rounds.
func ratios(a, b []float64) []float64 {
	out := make([]float64, len(a))
	for i := range a {
		out[i] = a[i] / b[i]
	}
	return out
}

// spread is the least and the largest of a list.
func spread(values []float64) string {
	return fmt.Sprintf("%.2f to %.2f", slices.Min(values), slices.Max(values))
}
