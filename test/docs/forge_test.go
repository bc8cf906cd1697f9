package docs_test

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/healthrecords/healthrecords/internal/testkit"
)

func read(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(testkit.Root(t), file))
	testkit.Must(t, err)
	return string(content)
}

// TestEveryModuleIsKeptUpToDate compares the tracked go.mod and package.json files with those in Dependabot's configuration.
func TestEveryModuleIsKeptUpToDate(t *testing.T) {
	t.Parallel()
	var config struct {
		Updates []struct {
			Ecosystem   string   `json:"package-ecosystem"`
			Directories []string `json:"directories"`
		} `json:"updates"`
	}
	testkit.Must(t, yaml.Unmarshal([]byte(read(t, ".github/dependabot.yml")), &config))
	for ecosystem, name := range map[string]string{"gomod": "go.mod", "npm": "package-lock.json"} {
		var configured []string
		for _, update := range config.Updates {
			if update.Ecosystem == ecosystem {
				configured = append(configured, update.Directories...)
			}
		}
		var modules []string
		for _, file := range testkit.Value(testkit.Files(testkit.Root(t)))(t) {
			if path.Base(file) == name {
				modules = append(modules, path.Join("/", path.Dir(file)))
			}
		}
		slices.Sort(configured)
		slices.Sort(modules)
		if diff := cmp.Diff(modules, configured); diff != "" {
			t.Errorf("%s files (-) and .github/dependabot.yml (+) differ:\n%s", name, diff)
		}
	}
}

// TestNodePinsAreExact checks that the programs of hack/node come in fixed versions, from the registry that npm is configured
// for, and that no install script runs.
func TestNodePinsAreExact(t *testing.T) {
	t.Parallel()
	var manifest struct{ Dependencies, OptionalDependencies map[string]string }
	testkit.Must(t, yaml.Unmarshal([]byte(read(t, "hack/node/package.json")), &manifest))
	exact := regexp.MustCompile(`^\d+\.\d+\.\d+$`)
	for _, pins := range []map[string]string{manifest.Dependencies, manifest.OptionalDependencies} {
		if len(pins) == 0 {
			t.Error("hack/node/package.json pins nothing")
		}
		for name, version := range pins {
			if !exact.MatchString(version) {
				t.Errorf("hack/node/package.json: %s has the version %s, which is not exact", name, version)
			}
		}
	}
	if strings.Contains(read(t, "hack/node/package-lock.json"), `"resolved"`) {
		t.Error("hack/node/package-lock.json has addresses of a registry: run npm install in hack/node, where .npmrc omits them")
	}
	if !strings.Contains(read(t, "hack/node/.npmrc"), "ignore-scripts=true\n") {
		t.Error("hack/node/.npmrc allows install scripts")
	}
}

// TestWorkflowsBuildWithTheModulesGo compares the minor release of Go in go.mod with that in the workflows.
func TestWorkflowsBuildWithTheModulesGo(t *testing.T) {
	t.Parallel()
	want := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read(t, "go.mod"))[1]
	files, err := filepath.Glob(filepath.Join(testkit.Root(t), ".github/workflows/*.yml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("the workflows are %v, %v", files, err)
	}
	for _, file := range files {
		content := read(t, ".github/workflows/"+filepath.Base(file))
		for _, found := range regexp.MustCompile(`go-version: "(.*)"`).FindAllStringSubmatch(content, -1) {
			if found[1] != want {
				t.Errorf("%s builds with Go %s, go.mod says %s", filepath.Base(file), found[1], want)
			}
		}
	}
}

// TestMakeTargetsThatDocumentsName checks that the Makefile has each target that documents name, in backquotes or at the
// beginning of a line of code.
func TestMakeTargetsThatDocumentsName(t *testing.T) {
	t.Parallel()
	makefile := read(t, "Makefile")
	files := []string{"README.md", "CONTRIBUTING.md", "SECURITY.md", ".github/pull_request_template.md", "docs/development.md"}
	command := regexp.MustCompile("(?m)`make ([a-z][a-z0-9 -]*[a-z0-9])|^make ([a-z][a-z0-9-]*)(?:  | [A-Z]|$)")
	found := 0
	for _, file := range files {
		for _, match := range command.FindAllStringSubmatch(read(t, file), -1) {
			for target := range strings.FieldsSeq(match[1] + match[2]) {
				found++
				if !strings.Contains(makefile, "\n"+target+":") {
					t.Errorf("%s names make %s, which the Makefile lacks", file, target)
				}
			}
		}
	}
	if found < 20 {
		t.Errorf("only %d targets were found", found)
	}
}
