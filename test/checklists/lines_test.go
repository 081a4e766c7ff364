package checklists_test

import (
	"encoding/csv"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// root is the folder of the repository.
const root = "../.."

// lists are the lines that need a test or a documented divergence: the checklists of the
// protocol, and the threats that an authorization server has to withstand.
var lists = []struct {
	prefix string
	last   int
	// named says that a test has to carry the line's name.
	named bool
}{
	{"AS-", 28, false}, {"RS-", 16, false}, {"A", 20, true}, {"B", 16, true}, {"C", 12, true},
}

type line struct{ line, kind, name, where string }

func read(t *testing.T) (lines []line) {
	t.Helper()
	file, err := os.Open("lines.csv")
	require.NoError(t, err)
	defer func() { _ = file.Close() }() // it was only read
	records, err := csv.NewReader(file).ReadAll()
	require.NoError(t, err)
	for _, r := range records[1:] {
		lines = append(lines, line{r[0], r[1], r[2], r[3]})
	}
	return lines
}

// tests gives the test functions of every test file, whatever its build tags.
func tests(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || (strings.HasPrefix(d.Name(), ".") && path != root)) {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		file, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		for _, decl := range parsed.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && len(f.Body.List) > 0 && strings.HasPrefix(f.Name.Name, "Test") {
				found[filepath.ToSlash(file)] = append(found[filepath.ToSlash(file)], f.Name.Name)
			}
		}
		return nil
	}))
	return found
}

// divergences gives the first cells of the documented divergences, by section.
func divergences(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs/spec-divergences.md"))
	require.NoError(t, err)
	section, found := "", map[string][]string{}
	for row := range strings.Lines(string(text)) {
		if heading, ok := strings.CutPrefix(row, "## "); ok {
			section = strings.TrimSpace(heading)
		}
		if cells := strings.Split(row, "|"); len(cells) > 3 {
			found[section] = append(found[section], strings.TrimSpace(cells[1]))
		}
	}
	return found
}

// TestEveryLineHasATest: a line of the lists is proved by a test that exists, or is a
// documented divergence, or is about something that is verifiably not built yet.
func TestEveryLineHasATest(t *testing.T) {
	t.Parallel()
	found, documented := tests(t), divergences(t)
	module, err := os.ReadFile(filepath.Join(root, "go.mod"))
	require.NoError(t, err)
	settled, named := map[string]bool{}, map[string]bool{}
	for _, l := range read(t) {
		switch l.kind {
		case "test":
			if !slices.Contains(found[l.where], l.name) {
				t.Errorf("%s: there is no test %s in %s", l.line, l.name, l.where)
			}
			settled[l.line] = true
			named[l.line] = named[l.line] || regexp.MustCompile(`^Test([A-Z]\d+)*`+l.line+`(\D|$)`).MatchString(l.name)
		case "divergence":
			if !slices.Contains(documented[l.where], l.name) {
				t.Errorf("%s: docs/spec-divergences.md has no line %q under %q", l.line, l.name, l.where)
			}
			settled[l.line] = true
		case "unbuilt":
			if strings.Contains(string(module), l.name) {
				t.Errorf("%s: %s is there now (%s), so the line needs a test", l.line, l.where, l.name)
			}
			settled[l.line], named[l.line] = true, true
		default:
			t.Errorf("%s: unknown kind %q", l.line, l.kind)
		}
	}
	for _, list := range lists {
		for n := 1; n <= list.last; n++ {
			name := fmt.Sprint(list.prefix, n)
			if !settled[name] {
				t.Errorf("%s has neither a test nor a documented divergence", name)
			} else if list.named && !named[name] {
				t.Errorf("%s has no test named after it", name)
			}
			delete(settled, name)
		}
	}
	require.Empty(t, settled, "lines that no list has")
}

// TestEveryNamedTestIsOfALine: a test that claims a line by its name claims one that is
// there, and the list has it.
func TestEveryNamedTestIsOfALine(t *testing.T) {
	t.Parallel()
	listed := map[string]bool{}
	for _, l := range read(t) {
		listed[l.line] = true
	}
	claims := regexp.MustCompile(`^Test(?:([ABC]\d+|AS\d+|RS\d+)+)(?:_|[A-Z]|$)`)
	each := regexp.MustCompile(`(AS|RS|[ABC])(\d+)`)
	for file, names := range tests(t) {
		for _, name := range names {
			claim := claims.FindString(name)
			for _, m := range each.FindAllStringSubmatch(claim, -1) {
				line := m[1] + m[2]
				if len(m[1]) == 2 {
					line = m[1] + "-" + m[2]
				}
				if !listed[line] {
					t.Errorf("%s in %s claims %s, which no list has", name, file, line)
				}
			}
		}
	}
}
