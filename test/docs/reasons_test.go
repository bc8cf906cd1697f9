package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/healthrecords/healthrecords/internal/testkit"
)

// TestAReasonHasOneCode checks that errors with the same reason have the same code, and so the
// same status.
func TestAReasonHasOneCode(t *testing.T) {
	t.Parallel()
	codes := map[string]string{}
	err := filepath.WalkDir(filepath.Join(testkit.Root(t), "internal"), func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(node ast.Node) bool {
			reason, code := refinement(node)
			if reason == "" || reason == "totp_invalid" { // totp_invalid is a refusal at a login, and a wrong field elsewhere
				return true
			}
			if before, is := codes[reason]; is && before != code {
				t.Errorf("%s: %s is %s here and %s elsewhere", path, reason, code, before)
			}
			codes[reason] = code
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(codes) < 20 {
		t.Errorf("only %d reasons were found", len(codes))
	}
}

// refinement is the reason that a call adds to an error, and the error's code.
func refinement(node ast.Node) (reason, code string) {
	call, is := node.(*ast.CallExpr)
	if !is || len(call.Args) == 0 {
		return "", ""
	}
	literal, is := call.Args[0].(*ast.BasicLit)
	if !is || literal.Kind != token.STRING {
		return "", ""
	}
	reason, err := strconv.Unquote(literal.Value)
	if err != nil {
		return "", ""
	}
	switch called(call) {
	case "Conflict", "conflict":
		return reason, "conflict"
	case "WithReason":
		method, is := call.Fun.(*ast.SelectorExpr)
		if !is {
			return "", ""
		}
		if inner, is := method.X.(*ast.CallExpr); is {
			return reason, strings.ToLower(strings.TrimSuffix(called(inner), "Fields"))
		}
	}
	return "", ""
}

// called returns the name of the called function.
func called(call *ast.CallExpr) string {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		return f.Sel.Name
	}
	return ""
}
