package main

import (
	"os"
	"path/filepath"
)

// A suite is one line of the summary.
type suite struct {
	name string
	// needs names what scripts/setup must have got from a registry; where it
	// did not, .cache/missing has a file of that name with the reason.
	needs []string
	// present is a file or folder without which there is nothing to run yet.
	present string
	dir     string
	command []string
	count   counter
	// check is a suite that is judged by its exit code alone and counts as one.
	check bool
}

// suites lists everything in the order of cost: what fails fast comes first.
func suites(root string) []suite {
	python := filepath.Join(root, ".cache/venv/bin/python")
	return []suite{
		{name: "format", command: []string{"scripts/fmt", "--check"}, count: countExit, check: true},
		{name: "vet", command: []string{"go", "vet", "-tags", "e2e", "./..."}, count: countExit, check: true},
		{name: "generated files", command: []string{"scripts/verify"}, count: countExit, check: true},
		{name: "go", command: []string{"go", "test", "-json", "./..."}, count: countGo},
		{name: "fuzz", command: []string{"scripts/fuzz", "--short"}, count: countFuzz},
		{
			name: "sdk/python", present: "sdk/python", needs: []string{"python"},
			command: []string{python, "-m", "unittest", "discover", "-s", "sdk/python/tests"}, count: countUnittest,
		},
		{
			name: "sdk/typescript", present: "sdk/typescript/package.json", needs: []string{"node", "npm-sdk-typescript"},
			dir: "sdk/typescript", command: []string{"node", "--test", "--test-reporter=tap"}, count: countNode,
		},
		{
			name: "sdk/go", present: "sdk/go/go.mod", needs: []string{"go-sdk-go"},
			dir: "sdk/go", command: []string{"go", "test", "-json", "./..."}, count: countGo,
		},
		{
			name: "examples/todo-api", present: "examples/todo-api/package.json", needs: []string{"node", "npm-examples-todo-api"},
			dir: "examples/todo-api", command: []string{"node", "--test", "--test-reporter=tap", "test/todo-api.test.js"}, count: countNode,
		},
		{
			// Its tests wait for browsers and processes most of the time, so four go at once also on two cores.
			name: "e2e", present: "test/e2e",
			needs:   []string{"python", "node", "npm-examples-typescript", "npm-examples-typescript-sdk1", "npm-examples-todo-api", "go-examples-go", "npm-test-e2e"},
			command: []string{"go", "test", "-json", "-tags", "e2e", "-count=1", "-parallel", "4", "-timeout", "25m", "./test/e2e/..."}, count: countGo,
		},
	}
}

// missing returns why a suite cannot run, or "".
func (s suite) missing(root string) string {
	for _, need := range s.needs {
		reason, err := os.ReadFile(filepath.Join(root, ".cache/missing", need))
		if err == nil {
			return firstLine(string(reason))
		}
	}
	return ""
}
