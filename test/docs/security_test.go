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
