package controllers

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/healthrecords/healthrecords/internal/testkit"
)

func TestEveryReasonIsSpecified(t *testing.T) {
	t.Parallel()
	read := func(path string) string {
		content, err := os.ReadFile(filepath.Join(testkit.Root(t), path))
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
	spec := read("docs/spec/v1alpha1/doctorassignments.md")
	constants := read("api/v1alpha1/conditions.go") + read("internal/clinic/declaration.go")
	reasons := regexp.MustCompile(`(?m)^\t\w+(?: DoctorProblem| UnassignedReason)? += "(\w+)"$`).FindAllStringSubmatch(constants, -1)
	if len(reasons) < 20 {
		t.Fatalf("only %d constants were found", len(reasons))
	}
	for _, reason := range reasons {
		if !strings.Contains(spec, "`"+reason[1]+"`") {
			t.Errorf("the specification does not say what %s means", reason[1])
		}
	}
}
