package store_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/healthrecords/healthrecords/internal/store"
)

// statement is a statement of the store, in one of the forms in which it is sent.
type statement struct {
	file, name, form, text string
}

// generated returns the statements that sqlc compiled: each as it is, and in its other orders.
func generated(t *testing.T) (found []statement) {
	t.Helper()
	for _, s := range literals(t, "dbsqlc/*.sql.go", nil) {
		ordered := store.Reordered(s.text)
		ordered[""] = s.text
		for form, text := range ordered {
			found = append(found, statement{s.file, s.name, form, text})
		}
	}
	return found
}

// written returns the statements that are written in Go, with an example for each of their parts.
func written(t *testing.T, dsn string) []statement {
	t.Helper()
	var month string
	if err := connect(t, dsn).QueryRow(t.Context(), `SELECT tableoid::regclass::text FROM audit_log LIMIT 1`).Scan(&month); err != nil {
		t.Fatal(err)
	}
	return append(literals(t, "*.go", map[string]string{"pgx.Identifier{…}.Sanitize()": month}),
		literals(t, "schema/*.go", map[string]string{
			"strangeSetting": "true",
			"where.table":    "health_records", "where.column": "title", "where.where": "true",
		})...)
}

// literals returns the texts in Go files that read or change rows. Each has the name in its own
// text, or that of the declaration around it. operands are the values of expressions
// that are not texts.
func literals(t *testing.T, pattern string, operands map[string]string) (found []statement) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	begins := regexp.MustCompile(`^(?:-- name: (\w+)[^\n]*\n)?((?s)\s*(?:SELECT|WITH|INSERT|UPDATE|DELETE)\s.*)`)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, declaration := range file.Decls {
			ast.Inspect(declaration, func(node ast.Node) bool {
				expression, is := node.(ast.Expr)
				if !is {
					return true
				}
				text, is := textOf(t, expression, operands)
				if !is {
					return true
				}
				if parts := begins.FindStringSubmatch(text); parts != nil {
					found = append(found, statement{file: filepath.Base(name), name: parts[1], text: parts[2]})
					if one := &found[len(found)-1]; one.name == "" {
						one.name = declared(declaration)
					}
				}
				return false
			})
		}
	}
	return found
}

// textOf returns the text that an expression is, or the sum of its texts.
func textOf(t *testing.T, expression ast.Expr, operands map[string]string) (text string, is bool) {
	t.Helper()
	switch e := expression.(type) {
	case *ast.BasicLit:
		if e.Kind != token.STRING {
			return "", false
		}
		text, err := strconv.Unquote(e.Value)
		return text, err == nil
	case *ast.BinaryExpr:
		left, is := textOf(t, e.X, operands)
		if !is || e.Op != token.ADD {
			return "", false
		}
		right, is := textOf(t, e.Y, operands)
		if !is {
			right = operands[types.ExprString(e.Y)]
		}
		return left + right, true
	}
	return "", false
}

// declared returns the name that the declaration declares.
func declared(declaration ast.Decl) string {
	switch d := declaration.(type) {
	case *ast.FuncDecl:
		return d.Name.Name
	case *ast.GenDecl:
		if value, is := d.Specs[0].(*ast.ValueSpec); is {
			return value.Names[0].Name
		}
	}
	return ""
}
