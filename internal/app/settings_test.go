package app_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/healthrecords/healthrecords/internal/settings"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// TestEverySettingIsUsed looks for each field of a subcommand's settings in the code that wires it.
func TestEverySettingIsUsed(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	files := append(testkit.Value(filepath.Glob("*.go"))(t), testkit.Value(filepath.Glob("../settings/*.go"))(t)...)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file := testkit.Value(parser.ParseFile(token.NewFileSet(), name, nil, 0))(t)
		for _, declaration := range file.Decls {
			if f, is := declaration.(*ast.FuncDecl); is && f.Name.Name != "validate" { // which looks at each
				ast.Inspect(f, func(node ast.Node) bool {
					if s, is := node.(*ast.SelectorExpr); is {
						used[s.Sel.Name] = true
					}
					return true
				})
			}
		}
	}
	for _, command := range []any{
		settings.Server{}, settings.Worker{}, settings.Controller{}, settings.Migrate{}, settings.Import{}, settings.Audit{},
	} {
		for _, field := range reflect.VisibleFields(reflect.TypeOf(command)) {
			if variable := field.Tag.Get("env"); variable != "" && !used[field.Name] {
				t.Errorf("nothing uses %s (%s of %T): pass it on in package app", variable, field.Name, command)
			}
		}
	}
}
