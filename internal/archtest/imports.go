package archtest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Check returns every breach of the plan by the module in dir, each with its
// cure, in the order of the packages. Where a package does not compile, it
// returns what it found without types together with the error.
func Check(dir string) ([]string, error) {
	t, err := load(dir)
	if err != nil {
		return nil, err
	}
	found, err := t.checkSources()
	if err != nil {
		return nil, err
	}
	queries, err := t.checkGORM()
	return append(found, queries...), err
}

// checkSources holds the module to every rule that needs no type-checking.
func (t *tree) checkSources() ([]string, error) {
	var found []string
	for _, p := range t.ours {
		rel, _ := t.relative(p.ImportPath)
		found = append(found, t.checkPlan(rel, p)...)
		found = append(found, t.checkNevers(rel, p)...)
		found = append(found, t.checkImporters(rel, p)...)
		if len(p.GoFiles) > 0 && !fileExists(p.Dir, "doc.go") && !matchesAny(outside, rel) {
			found = append(found, fmt.Sprintf("%s has no doc.go: say there what the package owns and what it must not do", rel))
		}
		calls, err := checkCalls(rel, p)
		if err != nil {
			return nil, err
		}
		found = append(found, calls...)
	}
	return found, nil
}

func (t *tree) checkPlan(rel string, p *listed) []string {
	i := slices.IndexFunc(floorPlan, func(e entry) bool { return matchesAny(e.packages, rel) })
	if i < 0 {
		return []string{fmt.Sprintf("%s has no place on the floor plan: move it into a package that has one, or add it to internal/archtest/plan.go with a record in docs/adr", rel)}
	}
	var found []string
	for _, imported := range p.Imports {
		to, ours := t.relative(imported)
		if !ours || matchesAny(floorPlan[i].mayOurs, to) {
			continue
		}
		cure := "declare what it needs as an interface in " + rel + " and satisfy it in cmd"
		switch {
		case matches("cmd/...", to):
			cure = "cmd is the composition root and nothing imports it: move the code to the package that owns it"
		case testOnly(to):
			cure = "it is for tests only"
		case matchesAny(siblings, rel) && matchesAny(siblings, to):
			cure = "siblings never import each other: " + cure
		case matchesAny(leaves, rel):
			cure = "a leaf imports leaves only: pass the value in, or move the code to the package that owns it"
		}
		found = append(found, fmt.Sprintf("%s imports %s, which the floor plan denies: %s", rel, to, cure))
	}
	if !matchesAny(outside, rel) && !testOnly(rel) {
		for _, imported := range p.Imports {
			to, ours := t.relative(imported)
			if ours && testOnly(to) && matchesAny(floorPlan[i].mayOurs, to) {
				found = append(found, fmt.Sprintf("%s imports %s outside its tests: it is for tests only", rel, to))
			}
		}
	}
	return found
}

// testOnly tells whether a package serves tests alone: it is under test/, or its
// name says so, as dbtest's does.
func testOnly(rel string) bool {
	return matches("test/...", rel) || strings.HasSuffix(rel, "test")
}

func (t *tree) checkNevers(rel string, p *listed) []string {
	var found []string
	for _, rule := range nevers {
		if !matchesAny(rule.packages, rel) {
			continue
		}
		for _, never := range rule.never {
			if way := t.way(p, never); way != nil {
				found = append(found, fmt.Sprintf("%s reaches %s, which it never may: %s", rel, strings.Join(way, " -> "), rule.cure))
			}
		}
	}
	return found
}

// way returns the shortest chain of imports from p to what the pattern means,
// or nil. It does not look behind the standard library's own doors: what the
// standard library imports is no choice of ours.
func (t *tree) way(p *listed, to pattern) []string {
	from := map[string]string{p.ImportPath: ""}
	for queue := []string{p.ImportPath}; len(queue) > 0; queue = queue[1:] {
		at := t.packages[queue[0]]
		if at == nil || at.Standard {
			continue
		}
		for _, next := range at.Imports {
			if _, seen := from[next]; seen {
				continue
			}
			from[next] = at.ImportPath
			if matches(to, next) {
				var way []string
				for at := next; at != p.ImportPath; at = from[at] {
					name := at
					if rel, ours := t.relative(at); ours {
						name = rel
					}
					way = append([]string{name}, way...)
				}
				return way
			}
			queue = append(queue, next)
		}
	}
	return nil
}

func (t *tree) checkImporters(rel string, p *listed) []string {
	if matchesAny(outside, rel) {
		return nil
	}
	var found []string
	for _, imported := range p.Imports {
		for _, rule := range onlyImporters {
			if matches(rule.imported, imported) && !matchesAny(rule.importers, rel) {
				found = append(found, fmt.Sprintf("%s imports %s, which only %s may: %s", rel, imported, strings.Join(rule.importers, ", "), rule.cure))
			}
		}
	}
	return found
}

func fileExists(dir, name string) bool {
	_, err := os.Stat(filepath.Join(dir, name))
	return err == nil
}
