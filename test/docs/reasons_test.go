package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// unanswered are the reasons that the API answers nobody with.
var unanswered = []string{
	"unsealed",   // an answer to the command line
	"superseded", // an answer to the controller
}

// twofold are the reasons with two codes.
var twofold = []string{
	"totp_invalid",           // a refusal at a login, and a wrong field elsewhere
	"idempotency_key_reused", // a wrong request or, if two are made at the same time, a conflict
}

// TestAReasonHasOneCode checks that errors with the same reason have the same code, and so the
// same status.
func TestAReasonHasOneCode(t *testing.T) {
	t.Parallel()
	codes := map[string]string{}
	eachNode(t, "internal", func(path string, node ast.Node) {
		reason, code := refinement(node)
		if code == "" || slices.Contains(twofold, reason) {
			return
		}
		if before, is := codes[reason]; is && before != code {
			t.Errorf("%s: %s is %s here and %s elsewhere", path, reason, code, before)
		}
		codes[reason] = code
	})
	if len(codes) < 20 {
		t.Errorf("only %d reasons were found", len(codes))
	}
}

// TestEveryCodeIsDocumented compares the codes and reasons in the code with those that the OpenAPI
// document lists, which come from server/internal/web/codes.go. A reason must have the status of the
// code that it refines.
func TestEveryCodeIsDocumented(t *testing.T) {
	t.Parallel()
	documented, used := documentedCodes(t), map[string]bool{}
	check := func(path, code, refined string) {
		used[code] = true
		statuses, is := documented[code]
		if !is {
			t.Errorf("%s: the code %s has no entry in server/internal/web/codes.go", path, code)
			return
		}
		if general := documented[refined]; refined != "" && !slices.Contains(statuses, general[0]) {
			t.Errorf("%s: %s refines %s, whose status is %d, but codes.go says %v", path, code, refined, general[0], statuses)
		}
	}
	for _, directory := range []string{"internal", "server"} {
		eachNode(t, directory, func(path string, node ast.Node) {
			if constant := codeConstant(path, node); constant != "" {
				check(path, constant, "")
			}
			if reason, code := refinement(node); reason != "" && !slices.Contains(unanswered, reason) {
				check(path, reason, code)
			}
		})
	}
	for code := range documented {
		if !used[code] {
			t.Errorf("server/internal/web/codes.go documents %s, which no code uses", code)
		}
	}
	if len(used) < 40 {
		t.Errorf("only %d codes were found", len(used))
	}
}

// documentedCodes returns the statuses of each code in the OpenAPI document.
func documentedCodes(t *testing.T) map[string][]int {
	t.Helper()
	var document struct {
		Components struct {
			Schemas map[string]struct {
				Properties map[string]struct {
					Codes []struct {
						Code     string
						Statuses []int
					} `json:"x-codes"`
				}
			}
		}
	}
	testkit.Must(t, yaml.Unmarshal([]byte(read(t, "api/openapi.yaml")), &document))
	statuses := map[string][]int{}
	for _, c := range document.Components.Schemas["Problem"].Properties["code"].Codes {
		statuses[c.Code] = c.Statuses
	}
	return statuses
}

// codeConstant returns the value of a constant that declares a code.
func codeConstant(path string, node ast.Node) string {
	spec, is := node.(*ast.ValueSpec)
	if !is || len(spec.Values) != 1 {
		return ""
	}
	kind, _ := spec.Type.(*ast.Ident)
	domain := strings.HasSuffix(path, "internal/clinic/errors.go") && kind != nil && kind.Name == "Code"
	if domain || strings.Contains(path, "server/internal/web/") && regexp.MustCompile("^code[A-Z]").MatchString(spec.Names[0].Name) {
		return text(spec.Values[0])
	}
	return ""
}

// eachNode calls do with each node of the Go files below the directory, except the tests.
func eachNode(t *testing.T, directory string, do func(path string, node ast.Node)) {
	t.Helper()
	testkit.Must(t, filepath.WalkDir(filepath.Join(testkit.Root(t), directory), func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(node ast.Node) bool {
			do(path, node)
			return true
		})
		return nil
	}))
}

// text returns the value of a string literal, or "".
func text(expression ast.Expr) string {
	literal, is := expression.(*ast.BasicLit)
	if !is || literal.Kind != token.STRING {
		return ""
	}
	value, err := strconv.Unquote(literal.Value)
	if err != nil {
		return ""
	}
	return value
}

// refinement is the reason that a call or a literal adds to an error, and the error's code, if the expression has it.
func refinement(node ast.Node) (reason, code string) {
	switch n := node.(type) {
	case *ast.CompositeLit:
		return literalRefinement(n)
	case *ast.CallExpr:
		if len(n.Args) == 0 || text(n.Args[0]) == "" {
			return "", ""
		}
		switch called(n) {
		case "Conflict", "conflict":
			return text(n.Args[0]), "conflict"
		case "WithReason":
			if method, is := n.Fun.(*ast.SelectorExpr); is {
				if inner, is := method.X.(*ast.CallExpr); is {
					return text(n.Args[0]), codeNamed(strings.TrimSuffix(called(inner), "Fields"))
				}
			}
			return text(n.Args[0]), ""
		}
	}
	return "", ""
}

// literalRefinement is the refinement of a literal of clinic.Error.
func literalRefinement(literal *ast.CompositeLit) (reason, code string) {
	for _, element := range literal.Elts {
		pair, is := element.(*ast.KeyValueExpr)
		if !is {
			return "", ""
		}
		switch key, _ := pair.Key.(*ast.Ident); {
		case key == nil:
			return "", ""
		case key.Name == "Code":
			if value, is := pair.Value.(*ast.SelectorExpr); is {
				code = codeNamed(strings.TrimPrefix(value.Sel.Name, "Code"))
			}
		case key.Name == "Reason":
			reason = text(pair.Value)
		}
	}
	if reason == "" || code == "" {
		return "", ""
	}
	return reason, code
}

// codeNamed is the code of a function or a constant of package clinic.
func codeNamed(name string) string {
	if name == "TooMany" {
		return string(clinic.CodeTooMany)
	}
	return strings.ToLower(name)
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
