package archtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A listed is a package as `go list -json` prints it.
type listed struct {
	ImportPath     string
	Dir            string
	Name           string
	Export         string
	Standard       bool
	ImportMap      map[string]string
	Module         *struct{ Path string }
	Imports        []string
	GoFiles        []string
	IgnoredGoFiles []string
	TestGoFiles    []string
	XTestGoFiles   []string
	Error          *struct{ Err string }
}

// A tree is the module with everything it depends on.
type tree struct {
	dir      string
	module   string
	ours     []*listed // sorted by import path, as go list prints them
	packages map[string]*listed
}

// load reads the module in dir. The e2e tag brings in the packages that only
// the end-to-end tests build.
func load(dir string) (*tree, error) {
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return nil, fmt.Errorf("find the module: %w", err)
	}
	first, _, _ := strings.Cut(string(mod), "\n")
	module, ok := strings.CutPrefix(first, "module ")
	if !ok {
		return nil, fmt.Errorf("%s/go.mod does not begin with its module", dir)
	}
	t := &tree{dir: dir, module: strings.TrimSpace(module), packages: map[string]*listed{}}
	packages, err := list(dir, "-tags=e2e", "-deps", "./...")
	if err != nil {
		return nil, err
	}
	for _, p := range packages {
		if p.Error != nil {
			return nil, fmt.Errorf("go list %s: %s", p.ImportPath, p.Error.Err)
		}
		t.packages[p.ImportPath] = p
		if _, ok := t.relative(p.ImportPath); ok && !strings.Contains(p.Dir, "/node_modules/") {
			t.ours = append(t.ours, p)
		}
	}
	if len(t.ours) == 0 {
		return nil, fmt.Errorf("no package of %s in %s", t.module, dir)
	}
	return t, nil
}

// relative returns the path of one of our packages inside the module.
func (t *tree) relative(importPath string) (string, bool) {
	if importPath == t.module {
		return ".", true
	}
	return strings.CutPrefix(importPath, t.module+"/")
}

func list(dir string, args ...string) ([]*listed, error) {
	out, err := goCommand(dir, append([]string{
		"list", "-json=ImportPath,Dir,Name,Export,Standard,ImportMap,Module,Imports,GoFiles,IgnoredGoFiles,TestGoFiles,XTestGoFiles,Error",
	}, args...)...)
	if err != nil {
		return nil, err
	}
	var packages []*listed
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		p := new(listed)
		if err := dec.Decode(p); errors.Is(err, io.EOF) {
			return packages, nil
		} else if err != nil {
			return nil, fmt.Errorf("read go list: %w", err)
		}
		packages = append(packages, p)
	}
}

func goCommand(dir string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(context.Background(), "go", args...)
	cmd.Dir = dir
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("go %s: %w: %s", args[0], err, strings.TrimSpace(errs.String()))
	}
	return out.Bytes(), nil
}

// matches tells whether path is meant by the pattern.
func matches(p pattern, path string) bool {
	if p == "..." {
		return true
	}
	if base, ok := strings.CutSuffix(p, "/..."); ok {
		return path == base || strings.HasPrefix(path, base+"/")
	}
	return p == path
}

func matchesAny(patterns []pattern, path string) bool {
	for _, p := range patterns {
		if matches(p, path) {
			return true
		}
	}
	return false
}
