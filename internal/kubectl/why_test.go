package kubectl

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// constants returns the values of the string constants in a file for which is holds.
func constants(t *testing.T, file string, is func(name, kind string) bool) (values []string) {
	t.Helper()
	parsed := testkit.Value(parser.ParseFile(token.NewFileSet(), filepath.Join(testkit.Root(t), file), nil, 0))(t)
	ast.Inspect(parsed, func(node ast.Node) bool {
		spec, found := node.(*ast.ValueSpec)
		if !found || len(spec.Values) != 1 {
			return true
		}
		kind := ""
		if named, typed := spec.Type.(*ast.Ident); typed {
			kind = named.Name
		}
		if literal, text := spec.Values[0].(*ast.BasicLit); text && is(spec.Names[0].Name, kind) {
			values = append(values, testkit.Value(strconv.Unquote(literal.Value))(t))
		}
		return true
	})
	return values
}

func TestWhyKnowsEveryReason(t *testing.T) {
	t.Parallel()
	reasons := constants(t, "api/v1alpha1/conditions.go", func(name, _ string) bool {
		return strings.HasPrefix(name, "Reason") && name != "ReasonAsExpected"
	})
	if len(reasons) < 15 {
		t.Errorf("only the reasons %v were found", reasons)
	}
	seen := map[string]string{}
	unknown := reasonText("SomethingNew")
	for _, reason := range append(reasons, notObserved, outdated, beingDeleted) {
		text := reasonText(reason)
		if text == unknown || text.meaning == "" || text.remedy == "" && reason != v1alpha1.ReasonAssigned {
			t.Errorf("reasons.go does not explain %s", reason)
		}
		if other, is := seen[text.meaning]; is {
			t.Errorf("%s and %s have the same text", reason, other)
		}
		seen[text.meaning] = reason
	}
	problems := constants(t, "internal/clinic/declaration.go", func(_, kind string) bool { return kind == "DeclarationProblemReason" })
	if len(problems) < 6 {
		t.Errorf("only the problems %v were found", problems)
	}
	for _, problem := range problems {
		if text := problemText(problem); text.meaning == "" || text.remedy == "" {
			t.Errorf("reasons.go does not explain the problem %s", problem)
		}
	}
}

func TestWhy(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	soon := metav1.NewTime(today().Add(time.Hour))
	tests := map[string]func(*v1alpha1.DoctorAssignment){
		"assigned": func(da *v1alpha1.DoctorAssignment) {
			da.Spec.EndsAt = &soon
			da.Annotations = map[string]string{v1alpha1.RequestedByAnnotation: "jane@example.com"}
			da.Status.Total, da.Status.Assigned, da.Status.Claims, da.Status.Shared = 2, 2, 2, 1
			ready(da, metav1.ConditionTrue, v1alpha1.ReasonAssigned, false)
		},
		"scheduled": func(da *v1alpha1.DoctorAssignment) {
			da.Spec.StartsAt = &soon
			ready(da, metav1.ConditionFalse, v1alpha1.ReasonScheduled, false)
		},
		"ended": func(da *v1alpha1.DoctorAssignment) {
			da.Spec.EndsAt = &soon
			ready(da, metav1.ConditionFalse, v1alpha1.ReasonEnded, true)
		},
		"partly": func(da *v1alpha1.DoctorAssignment) {
			da.Status.Total, da.Status.Assigned = 4, 1
			da.Status.Problems = []v1alpha1.AssignmentProblem{
				{Doctor: "doctor1", Patient: "patient2", Reason: "EndedByAdministrator"},
				{Patient: "nobody", Reason: "PatientNotFound"},
				{Doctor: "patient2", Reason: "NotADoctor"},
				{Doctor: "doctor3", Reason: "Invented"},
			}
			ready(da, metav1.ConditionFalse, v1alpha1.ReasonEndedByAdministrator, true)
		},
		"many": func(da *v1alpha1.DoctorAssignment) {
			da.Status.Total = 40
			for i := range v1alpha1.MaxProblems {
				da.Status.Problems = append(da.Status.Problems, v1alpha1.AssignmentProblem{Patient: fmt.Sprintf("patient%02d", i), Reason: "PatientNotFound"})
			}
			ready(da, metav1.ConditionFalse, v1alpha1.ReasonPairsNotAssigned, false)
		},
		"unavailable": func(da *v1alpha1.DoctorAssignment) {
			ready(da, metav1.ConditionUnknown, v1alpha1.ReasonUnavailable, false)
		},
		"newer-controller": func(da *v1alpha1.DoctorAssignment) {
			ready(da, metav1.ConditionFalse, "SomethingNew", false)
			da.Status.Conditions[0].Message = "\x1b[31mThe reason\x07 is new."
		},
		"not-observed": func(*v1alpha1.DoctorAssignment) {},
		"outdated": func(da *v1alpha1.DoctorAssignment) {
			ready(da, metav1.ConditionTrue, v1alpha1.ReasonAssigned, false)
			da.Status.ObservedGeneration = -1
		},
	}
	for name, change := range tests {
		c.object(t, name, change)
		c.golden(t, "why-"+name, c.run(t, "why", "da/"+name))
	}
	c.golden(t, "why-yaml", c.run(t, "why", "partly", "-oyaml"))

	var answer explanation
	got := c.run(t, "why", "doctorassignments.healthrecords.io/assigned", "--output=json")
	if err := json.Unmarshal([]byte(got.stdout), &answer); err != nil || got.code != 0 || !answer.Ready || answer.Reason != "Assigned" || answer.Shared != 1 {
		t.Errorf("%v, %+v", err, got)
	}
}

func TestWhyOfAnObjectThatIsBeingDeleted(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	for reason, want := range map[string]string{
		v1alpha1.ReasonAssigned: beingDeleted, v1alpha1.ReasonUnavailable: v1alpha1.ReasonUnavailable, v1alpha1.ReasonDeleted: v1alpha1.ReasonDeleted,
	} {
		da := c.object(t, strings.ToLower(reason), func(da *v1alpha1.DoctorAssignment) {
			da.Finalizers = []string{v1alpha1.Finalizer}
		})
		testkit.Must(t, c.Delete(t.Context(), da))
		testkit.Must(t, c.Get(t.Context(), client.ObjectKeyFromObject(da), da)) // the deletion has increased the generation
		ready(da, metav1.ConditionFalse, reason, false)
		da.Status.ObservedGeneration = da.Generation
		testkit.Must(t, c.Status().Update(t.Context(), da))
		if got := c.run(t, "why", da.Name); got.code != notReady || !strings.Contains(got.stdout, "is not ready: "+want+"\n") {
			t.Errorf("%s: %+v, want %s", reason, got, want)
		}
	}
}

func TestWhyCannotTell(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.object(t, "primary-care", func(*v1alpha1.DoctorAssignment) {})
	c.golden(t, "why-not-found", c.run(t, "why", "da/primry-care"))
	c.golden(t, "why-not-found-at-all", c.run(t, "why", "da/night-shift"))
	c.golden(t, "why-forbidden", c.run(t, "why", "da/primary-care", "--as=somebody"))
	if got := runPlugin(t, nil, "why", "x", "--kubeconfig", "/nowhere/kubeconfig"); got.code != unanswered || !strings.HasPrefix(got.stderr, "error: ") {
		t.Errorf("%+v", got)
	}
	if got := c.run(t, "why", "x", "--request-timeout=sometime"); got.code != unanswered || !strings.HasPrefix(got.stderr, "error: ") {
		t.Errorf("%+v", got)
	}
}

// TestNobodyForgesALine of the explanation, or turns its letters around: the Kubernetes user's name may have any character.
func TestNobodyForgesALine(t *testing.T) {
	t.Parallel()
	da := &v1alpha1.DoctorAssignment{}
	da.Annotations = map[string]string{v1alpha1.RequestedByAnnotation: "mallory\nMessage:      all is well\x1b[2J\u009b\u202e"}
	var text strings.Builder
	testkit.Must(t, explain(da).print(&text))
	if strings.Contains(text.String(), "\nMessage") || strings.ContainsAny(text.String(), "\x1b\u009b\u202e") {
		t.Errorf("the explanation is %q", text.String())
	}
}
