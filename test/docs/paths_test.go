package docs_test

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/healthrecords/healthrecords/internal/testkit"
)

// TestPathsExist compares each path of the API in the documents, the chart's notes and its alerts with the OpenAPI document.
func TestPathsExist(t *testing.T) {
	t.Parallel()
	var operations struct{ Paths map[string]map[string]any }
	testkit.Must(t, yaml.Unmarshal([]byte(read(t, "api/openapi.yaml")), &operations))
	mention := regexp.MustCompile(`(?:(GET|POST|PUT|PATCH|DELETE) )?(/api/[a-zA-Z0-9_{}$/-]+)`)
	variable := regexp.MustCompile(`^(\$\w+|\{\w+\}|ID|[0-9]+)$`)
	found := 0
	for _, file := range testkit.Value(testkit.Files(testkit.Root(t)))(t) {
		documented := strings.HasSuffix(file, ".md") && !strings.HasPrefix(file, "docs/adr/") && file != "CHANGELOG.md" && file != "docs/development.md"
		if name := filepath.Base(file); !documented && name != "NOTES.txt" && name != "alerts.yaml" && name != "walkthrough.tmpl" {
			continue
		}
		for _, match := range mention.FindAllStringSubmatch(read(t, file), -1) {
			segments := strings.Split(strings.Trim(match[2], "/"), "/")
			if len(segments) < 2 || segments[1] == "docs" || segments[1] == "v1" || segments[1] == "openapi" {
				continue
			}
			for i, segment := range segments {
				if variable.MatchString(segment) {
					segments[i] = "{id}"
				}
			}
			path := "/" + strings.Join(segments, "/") + "/"
			if operations.Paths[path] == nil {
				path = strings.Replace(path, "versions/{id}", "versions/{version}", 1)
			}
			found++
			if operations.Paths[path] == nil {
				t.Errorf("%s: the API has no path %s", file, path)
			} else if method := strings.ToLower(match[1]); method != "" && operations.Paths[path][method] == nil {
				t.Errorf("%s: the API has no operation %s %s", file, match[1], path)
			}
		}
	}
	if found < 40 {
		t.Errorf("only %d paths were found", found)
	}
}
