package controllers

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

func readDoc(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(testkit.Root(t), path))
	testkit.Must(t, err)
	return string(content)
}

func TestEveryReasonIsSpecified(t *testing.T) {
	t.Parallel()
	spec := readDoc(t, "docs/spec/v1alpha1/doctorassignments.md")
	constants := readDoc(t, "api/v1alpha1/conditions.go") + readDoc(t, "internal/clinic/declaration.go")
	reasons := regexp.MustCompile(`(?m)^\t\w+(?: DeclarationProblemReason)? += "(\w+)"$`).FindAllStringSubmatch(constants, -1)
	if len(reasons) < 25 {
		t.Fatalf("only %d constants were found", len(reasons))
	}
	for _, reason := range reasons {
		if !strings.Contains(spec, "`"+reason[1]+"`") {
			t.Errorf("the specification does not say what %s means", reason[1])
		}
	}
}

// TestTheSpecificationTellsWhatToolsSee computes the kstatus of an object with each reason of the table.
func TestTheSpecificationTellsWhatToolsSee(t *testing.T) {
	t.Parallel()
	spec := readDoc(t, "docs/spec/v1alpha1/doctorassignments.md")
	row := regexp.MustCompile("(?m)^\\| `(\\w+)` \\| (True|False|Unknown) \\| (Ready|Reconciling|Stalled) \\| (\\w+) \\|")
	rows := row.FindAllStringSubmatch(spec, -1)
	if reasons := strings.Count(readDoc(t, "api/v1alpha1/conditions.go"), "\tReason"); len(rows) != reasons {
		t.Errorf("the table has %d reasons of %d", len(rows), reasons)
	}
	for _, r := range rows {
		da := newObject("a")
		if r[1] == v1alpha1.ReasonDeleted {
			da.DeletionTimestamp = new(metav1.Now())
		}
		o := outcome{ready: metav1.ConditionStatus(r[2]), reason: r[1], stalled: r[3] == v1alpha1.StalledCondition}
		setConditions(da, o, epoch())
		da.Status.ObservedGeneration = da.Generation
		if ready, stalled := condition(da, r[3]); ready != metav1.ConditionTrue {
			t.Errorf("%s: %s is %s (%s)", r[1], r[3], ready, stalled)
		}
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(da)
		testkit.Must(t, err)
		got, err := status.Compute(&unstructured.Unstructured{Object: content})
		if err != nil || string(got.Status) != r[4] {
			t.Errorf("%s: tools see %v, the specification says %s", r[1], got, r[4])
		}
	}
}
