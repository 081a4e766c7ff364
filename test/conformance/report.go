package conformance

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
)

// The suite's words for how a check ended; it also has INFO, which judges nothing.
const (
	Success = "SUCCESS"
	Warning = "WARNING"
	Failure = "FAILURE"
	Skipped = "SKIPPED"
)

// Check is one finding within a scenario.
type Check struct {
	ID           string `json:"id"`
	Status       string `json:"status"`
	ErrorMessage string `json:"errorMessage"`
}

// Report is what one run found.
type Report struct {
	// Scenarios are the checks by the name of their scenario, in the suite's order.
	Scenarios map[string][]Check
	// Exit is the suite's own verdict.
	Exit int
	// Output is what the suite printed.
	Output string
}

// resultDir is how the suite names the folder of a scenario's results; those of
// the authorization suite have no kind in front.
var resultDir = regexp.MustCompile(`^(?:server-|authorization-server-)?(.+)-\d{4}-\d\d-\d\dT[\d-]+Z$`)

func readReport(dir string) (*Report, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*", "checks.json"))
	if err != nil {
		return nil, fmt.Errorf("find the results: %w", err)
	}
	if len(files) == 0 {
		return nil, errors.New("the suite left no results")
	}
	report := &Report{Scenarios: map[string][]Check{}}
	for _, file := range files {
		folder := filepath.Base(filepath.Dir(file))
		match := resultDir.FindStringSubmatch(folder)
		if match == nil {
			return nil, fmt.Errorf("the results are in a folder %q that names no scenario", folder)
		}
		raw, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read the results: %w", err)
		}
		var checks []Check
		if err := json.Unmarshal(raw, &checks); err != nil {
			return nil, fmt.Errorf("read the results of %s: %w", match[1], err)
		}
		if _, twice := report.Scenarios[match[1]]; twice {
			return nil, fmt.Errorf("the scenario %s has two results", match[1])
		}
		report.Scenarios[match[1]] = checks
	}
	return report, nil
}

// Count is the number of checks that ended so.
func (r *Report) Count(status string) int {
	n := 0
	for _, checks := range r.Scenarios {
		for _, check := range checks {
			if check.Status == status {
				n++
			}
		}
	}
	return n
}

// Statuses are the checks of all scenarios by id, where each has its own.
func (r *Report) Statuses() map[string]string {
	statuses := map[string]string{}
	for _, checks := range r.Scenarios {
		for _, check := range checks {
			statuses[check.ID] = check.Status
		}
	}
	return statuses
}

// Unmet says what is wrong with the scenarios that have to pass. A scenario that
// was not executed, or that skipped a check or made none, has not passed.
func (r *Report) Unmet(required []string) []string {
	var unmet []string
	for _, name := range required {
		checks, executed := r.Scenarios[name]
		if !executed {
			unmet = append(unmet, name+" was not executed")
			continue
		}
		succeeded := false
		for _, check := range checks {
			switch check.Status {
			case Success:
				succeeded = true
			case Failure, Skipped:
				unmet = append(unmet, fmt.Sprintf("%s: %s %s %s", name, check.ID, check.Status, check.ErrorMessage))
			}
		}
		if !succeeded {
			unmet = append(unmet, name+" has no check that succeeded")
		}
	}
	return unmet
}

// Differences says where two runs part: in the scenarios that were executed, or
// in a scenario's checks and how each of them ended.
func Differences(a, b *Report) []string {
	names := slices.Collect(maps.Keys(a.Scenarios))
	for name := range b.Scenarios {
		if _, both := a.Scenarios[name]; !both {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var found []string
	for _, name := range names {
		one, two := a.Scenarios[name], b.Scenarios[name]
		for i := range max(len(one), len(two)) {
			if first, second := ended(one, i), ended(two, i); first != second {
				found = append(found, fmt.Sprintf("%s: %s, and %s", name, first, second))
			}
		}
	}
	return found
}

// ended leaves the error message out: it may name ids and addresses of a run.
func ended(checks []Check, i int) string {
	if i >= len(checks) {
		return "no such check"
	}
	return checks[i].ID + " " + checks[i].Status
}
