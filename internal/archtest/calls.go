package archtest

import (
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// checkCalls looks for calls and literals that belong to another package. It
// reads the files of every build tag and system.
func checkCalls(rel string, p *listed) ([]string, error) {
	var found []string
	if !matchesAny(outside, rel) {
		for _, name := range append(append([]string{}, p.GoFiles...), p.IgnoredGoFiles...) {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			uses, err := usesOf(filepath.Join(p.Dir, name))
			if err != nil {
				return nil, err
			}
			for _, use := range uses {
				for _, rule := range calls {
					for _, banned := range rule.names {
						if use.name == banned && !matchesAny(rule.only, rel) {
							found = append(found, fmt.Sprintf("%s/%s:%d uses %s, which only %s may: %s", rel, name, use.line, banned, strings.Join(rule.only, ", "), rule.cure))
						}
					}
				}
			}
		}
	}
	for _, name := range append(append(append([]string{}, p.TestGoFiles...), p.XTestGoFiles...), p.IgnoredGoFiles...) {
		if !strings.HasSuffix(name, "_test.go") {
			continue
		}
		uses, err := usesOf(filepath.Join(p.Dir, name))
		if err != nil {
			return nil, err
		}
		for _, use := range uses {
			if cure, banned := testCalls[use.name]; banned {
				found = append(found, fmt.Sprintf("%s/%s:%d uses %s in a test: %s", rel, name, use.line, use.name, cure))
			}
		}
	}
	return found, nil
}

type use struct {
	name string // "net/http.Get", or "net/http.Client{}" for a literal or new
	line int
}

var majorVersion = regexp.MustCompile(`^v[0-9]+$`)

// usesOf returns every qualified identifier of a file, resolved by its imports.
func usesOf(file string) ([]use, error) {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, file, nil, parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("parse: %w", err)
	}
	imports := map[string]string{} // local name to path
	for _, spec := range f.Imports {
		at := strings.Trim(spec.Path.Value, `"`)
		name := path.Base(at)
		if majorVersion.MatchString(name) {
			name = path.Base(path.Dir(at))
		}
		if spec.Name != nil {
			name = spec.Name.Name
		}
		imports[name] = at
	}
	qualified := func(e ast.Expr) (string, bool) {
		sel, ok := e.(*ast.SelectorExpr)
		if !ok {
			return "", false
		}
		x, ok := sel.X.(*ast.Ident)
		if !ok {
			return "", false
		}
		at, ok := imports[x.Name]
		return at + "." + sel.Sel.Name, ok
	}
	var uses []use
	add := func(n ast.Node, name string) { uses = append(uses, use{name, fset.Position(n.Pos()).Line}) }
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if name, ok := qualified(n); ok {
				add(n, name)
			}
		case *ast.CompositeLit:
			if name, ok := qualified(n.Type); ok {
				add(n, name+"{}")
			}
		case *ast.CallExpr:
			if fun, ok := n.Fun.(*ast.Ident); ok && fun.Name == "new" && len(n.Args) == 1 {
				if name, ok := qualified(n.Args[0]); ok {
					add(n, name+"{}")
				}
			}
		case *ast.ValueSpec: // var c http.Client
			if name, ok := qualified(n.Type); ok {
				add(n, name+"{}")
			}
		}
		return true
	})
	return uses, nil
}

// checkGORM type-checks every package that can reach GORM and looks for the
// banned methods of *gorm.DB, embedded ones included.
func (t *tree) checkGORM() ([]string, error) {
	var targets []*listed
	args := []string{"-export", "-deps"}
	for _, p := range t.ours {
		rel, _ := t.relative(p.ImportPath)
		if len(p.GoFiles) > 0 && !matchesAny(outside, rel) && !matchesAny(gormHome, rel) && t.way(p, "gorm.io/gorm") != nil {
			targets = append(targets, p)
			args = append(args, p.ImportPath)
		}
	}
	if len(targets) == 0 {
		return nil, nil
	}
	exported, err := list(t.dir, args...)
	if err != nil {
		return nil, err
	}
	exports := map[string]*listed{}
	for _, p := range exported {
		exports[p.ImportPath] = p
	}

	fset := token.NewFileSet()
	imp := importer.ForCompiler(fset, "gc", func(at string) (io.ReadCloser, error) {
		p := exports[at]
		if p == nil || p.Export == "" {
			return nil, fmt.Errorf("no export data of %s", at)
		}
		return os.Open(p.Export)
	})
	var found []string
	for _, p := range targets {
		now := exports[p.ImportPath] // without the tags of the end-to-end tests
		if now == nil || len(now.GoFiles) == 0 {
			continue
		}
		more, err := t.bannedMethods(fset, imp, now)
		if err != nil {
			return nil, err
		}
		found = append(found, more...)
	}
	return found, nil
}

func (t *tree) bannedMethods(fset *token.FileSet, imp types.Importer, p *listed) ([]string, error) {
	var files []*ast.File
	for _, name := range p.GoFiles {
		f, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, fmt.Errorf("parse: %w", err)
		}
		files = append(files, f)
	}
	info := &types.Info{Selections: map[*ast.SelectorExpr]*types.Selection{}}
	conf := types.Config{Importer: mapped{imp, p.ImportMap}}
	if _, err := conf.Check(p.ImportPath, fset, files, info); err != nil {
		return nil, fmt.Errorf("type-check %s: %w", p.ImportPath, err)
	}
	rel, _ := t.relative(p.ImportPath)
	var found []string
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok || info.Selections[sel] == nil {
				return true
			}
			method, ok := info.Selections[sel].Obj().(*types.Func)
			if !ok || !isGormDB(method.Signature().Recv()) {
				return true
			}
			if cure, banned := gormBanned[method.Name()]; banned {
				at := fset.Position(sel.Sel.Pos())
				found = append(found, fmt.Sprintf("%s/%s:%d calls GORM's %s, which only tenancy may: %s", rel, filepath.Base(at.Filename), at.Line, method.Name(), cure))
			}
			return true
		})
	}
	return found, nil
}

func isGormDB(recv *types.Var) bool {
	if recv == nil {
		return false
	}
	t := recv.Type()
	if p, ok := t.(*types.Pointer); ok {
		t = p.Elem()
	}
	named, ok := t.(*types.Named)
	return ok && named.Obj().Name() == "DB" && named.Obj().Pkg() != nil && named.Obj().Pkg().Path() == "gorm.io/gorm"
}

// mapped resolves the standard library's vendored imports.
type mapped struct {
	types.Importer
	paths map[string]string
}

func (m mapped) Import(at string) (*types.Package, error) {
	if to, ok := m.paths[at]; ok {
		at = to
	}
	return m.Importer.Import(at)
}
