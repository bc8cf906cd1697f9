package docs_test

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/healthrecords/healthrecords/internal/testkit"
)

// TestExamplesRunTests checks that the packages in each "make test TEST=…" and "go test" of the documents contain tests,
// and that -run, -bench and -fuzz select at least one of them.
func TestExamplesRunTests(t *testing.T) {
	t.Parallel()
	example := regexp.MustCompile("(?:make test TEST=\"|go test )(\\./[^\"`#)\n]*)")
	selection := regexp.MustCompile(`-(run|bench|fuzz) ('[^']*'|\S+)`)
	functions := map[string]string{"run": "Test", "bench": "Benchmark", "fuzz": "Fuzz"}
	selections := 0
	for _, file := range []string{"README.md", "docs/development.md", "docs/operations.md"} {
		for _, match := range example.FindAllStringSubmatch(read(t, file), -1) {
			names := testsOf(t, match[1])
			if len(names) == 0 {
				t.Errorf("%s: %q names no package with tests", file, match[1])
			}
			for _, s := range selection.FindAllStringSubmatch(match[1], -1) {
				pattern := strings.Trim(s[2], "'")
				if pattern == "^$" { // runs no test, only benchmarks
					continue
				}
				selections++
				if !regexp.MustCompile(`(?m)^` + functions[s[1]] + `\w*$`).MatchString(matching(names, pattern)) {
					t.Errorf("%s: -%s %s selects nothing in %q", file, s[1], pattern, match[1])
				}
			}
		}
	}
	if selections < 5 {
		t.Errorf("only %d selections were found", selections)
	}
}

// testsOf returns the names of the tests in the packages of a command line.
func testsOf(t *testing.T, commandLine string) []string {
	t.Helper()
	function := regexp.MustCompile(`(?m)^func ((?:Test|Benchmark|Fuzz)\w+)\(`)
	var names []string
	for _, word := range strings.Fields(commandLine) {
		directory, below := strings.CutSuffix(strings.TrimPrefix(word, "./"), "/...")
		for _, file := range testkit.Value(testkit.Files(testkit.Root(t)))(t) {
			in := filepath.Dir(file)
			if !strings.HasSuffix(file, "_test.go") || in != directory && (!below || !strings.HasPrefix(in, directory+"/")) {
				continue
			}
			for _, match := range function.FindAllStringSubmatch(read(t, file), -1) {
				names = append(names, match[1])
			}
		}
	}
	return names
}

// matching returns the names that match the pattern, one a line.
func matching(names []string, pattern string) string {
	expression := regexp.MustCompile(pattern)
	var matches []string
	for _, name := range names {
		if expression.MatchString(name) {
			matches = append(matches, name)
		}
	}
	return strings.Join(matches, "\n")
}
