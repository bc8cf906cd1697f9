// Package docs_test compares the documentation with the code.
package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/healthrecords/healthrecords/internal/testkit"
)

// TestSecurityNamesTestsThatThereAre checks that each test that docs/security.md
// names exists in the file that it names before.
func TestSecurityNamesTestsThatThereAre(t *testing.T) {
	t.Parallel()
	read := func(path string) string {
		content, err := os.ReadFile(filepath.Join(testkit.Root(t), path))
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
	named := regexp.MustCompile("`([a-z][\\w/]+_test\\.(?:go|yaml))`|`((?:Test|Fuzz)\\w+)`").FindAllStringSubmatch(read("docs/security.md"), -1)
	if len(named) < 100 {
		t.Fatalf("only %d names were found", len(named))
	}
	var file, source string
	for _, name := range named {
		if name[1] != "" {
			file, source = name[1], read(name[1])
		} else if !strings.Contains(source, "\nfunc "+name[2]+"(") {
			t.Errorf("%s has no %s", file, name[2])
		}
	}
}

// TestFilesThatDocumentsAndScriptsName are there, those of tests. The recipes for what
// is to be added have an example of their own, allergies.
func TestFilesThatDocumentsAndScriptsName(t *testing.T) {
	t.Parallel()
	root := testkit.Root(t)
	name, found := regexp.MustCompile(`(?:[a-z][\w-]*/)+\w+_test\.(?:go|yaml)`), 0
	for _, file := range testkit.Value(testkit.Files(root))(t) {
		script := strings.HasPrefix(file, "hack/") && filepath.Ext(file) == ""
		if !script && !strings.HasSuffix(file, ".md") {
			continue
		}
		for _, named := range name.FindAllString(read(t, file), -1) {
			found++
			if _, err := os.Stat(filepath.Join(root, named)); err != nil && !strings.Contains(named, "allergies") {
				t.Errorf("%s names %s: %v", file, named, err)
			}
		}
	}
	if found < 100 {
		t.Errorf("only %d names were found", found)
	}
}
