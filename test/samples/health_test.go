package samples

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/ext"
	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// outcome is what a reason of Ready means to Argo CD and to Flux.
type outcome struct{ ready, condition, argo, flux string }

var outcomes = map[string]outcome{
	v1alpha1.ReasonAssigned:             {"True", "Ready", "Healthy", "Current"},
	v1alpha1.ReasonScheduled:            {"False", "Reconciling", "Suspended", "Current"},
	v1alpha1.ReasonPairsNotAssigned:     {"False", "Reconciling", "Progressing", "InProgress"},
	v1alpha1.ReasonDoctorNotFound:       {"False", "Reconciling", "Progressing", "InProgress"},
	v1alpha1.ReasonDoctorNotVerified:    {"False", "Reconciling", "Progressing", "InProgress"},
	v1alpha1.ReasonNotADoctor:           {"False", "Stalled", "Degraded", "Failed"},
	v1alpha1.ReasonNotAPatient:          {"False", "Stalled", "Degraded", "Failed"},
	v1alpha1.ReasonEndedByAdministrator: {"False", "Stalled", "Degraded", "Failed"},
	v1alpha1.ReasonSuspended:            {"False", "Stalled", "Suspended", "Current"},
	v1alpha1.ReasonEnded:                {"False", "Stalled", "Degraded", "Current"},
	v1alpha1.ReasonInvalid:              {"False", "Stalled", "Degraded", "Failed"},
	v1alpha1.ReasonSuperseded:           {"False", "Reconciling", "Progressing", "InProgress"},
	v1alpha1.ReasonDeleted:              {"False", "Reconciling", "Progressing", "InProgress"},
	v1alpha1.ReasonConflict:             {"False", "Reconciling", "Progressing", "InProgress"},
	v1alpha1.ReasonUnavailable:          {"Unknown", "Reconciling", "Progressing", "InProgress"},
	v1alpha1.ReasonInternalError:        {"Unknown", "Reconciling", "Progressing", "InProgress"},
}

// declared returns an object whose status is that of the reason, for the generation.
func declared(reason string, observed int64) *unstructured.Unstructured {
	o := outcomes[reason]
	var conditions []any
	for _, kind := range []string{v1alpha1.ReadyCondition, v1alpha1.ReconcilingCondition, v1alpha1.StalledCondition} {
		condition := object{"type": kind, "status": "False", "reason": v1alpha1.ReasonAsExpected, "message": "", "observedGeneration": observed}
		switch kind {
		case v1alpha1.ReadyCondition:
			condition["status"], condition["reason"], condition["message"] = o.ready, reason, "A sentence."
		case o.condition:
			condition["status"], condition["reason"] = "True", reason
		}
		conditions = append(conditions, condition)
	}
	return &unstructured.Unstructured{Object: object{
		"apiVersion": "healthrecords.io/v1alpha1", "kind": "DoctorAssignment", "metadata": object{"name": "x", "generation": int64(2)},
		"status": object{"observedGeneration": observed, "conditions": conditions},
	}}
}

// unseen is an object that the controller has not seen.
func unseen() *unstructured.Unstructured {
	o := declared(v1alpha1.ReasonAssigned, 2)
	delete(o.Object, "status")
	return o
}

// TestEveryReasonHasAHealth compares the outcomes with the constants of the API.
func TestEveryReasonHasAHealth(t *testing.T) {
	t.Parallel()
	file := testkit.Value(parser.ParseFile(token.NewFileSet(), filepath.Join(testkit.Root(t), "api/v1alpha1/conditions.go"), nil, 0))(t)
	var reasons []string
	ast.Inspect(file, func(node ast.Node) bool {
		if spec, is := node.(*ast.ValueSpec); is && strings.HasPrefix(spec.Names[0].Name, "Reason") && spec.Names[0].Name != "ReasonAsExpected" {
			if literal, is := spec.Values[0].(*ast.BasicLit); is {
				reasons = append(reasons, strings.Trim(literal.Value, `"`))
			}
		}
		return true
	})
	slices.Sort(reasons)
	if known := slices.Sorted(maps.Keys(outcomes)); !slices.Equal(reasons, known) {
		t.Errorf("the API has the reasons %v, but this test knows %v", reasons, known)
	}
}

// TestArgoCDHealth runs the health check in the way that Argo CD does: with the base and table libraries only.
func TestArgoCDHealth(t *testing.T) {
	t.Parallel()
	script, _, _ := unstructured.NestedString(sample(t, "argocd/health.yaml").Object, "data", "resource.customizations.health.healthrecords.io_DoctorAssignment")
	for reason, outcome := range outcomes {
		status, message := argoHealth(t, script, declared(reason, 2))
		if status != outcome.argo || message != reason+": A sentence." {
			t.Errorf("%s is %s, %q", reason, status, message)
		}
		if status, message := argoHealth(t, script, declared(reason, 1)); status != "Progressing" || !strings.Contains(message, "last change") {
			t.Errorf("%s of an earlier generation is %s, %q", reason, status, message)
		}
	}
	empty := unseen()
	empty.Object["status"] = object{}
	for _, o := range []*unstructured.Unstructured{unseen(), empty} {
		if status, message := argoHealth(t, script, o); status != "Progressing" || message == "" {
			t.Errorf("an object without conditions is %s, %q", status, message)
		}
	}
}

func argoHealth(t *testing.T, script string, o *unstructured.Unstructured) (status, message string) {
	t.Helper()
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for name, open := range map[string]lua.LGFunction{lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable} {
		testkit.Must(t, state.CallByParam(lua.P{Fn: state.NewFunction(open), Protect: true}, lua.LString(name)))
	}
	var decoded any
	testkit.Must(t, json.Unmarshal(testkit.Value(o.MarshalJSON())(t), &decoded))
	state.SetGlobal("obj", luaValue(state, decoded))
	testkit.Must(t, state.DoString(script))
	result, is := state.Get(-1).(*lua.LTable)
	if !is {
		t.Fatalf("the check returns %v", state.Get(-1))
	}
	return result.RawGetString("status").String(), result.RawGetString("message").String()
}

// luaValue converts what JSON holds.
func luaValue(state *lua.LState, value any) lua.LValue {
	switch value := value.(type) {
	case string:
		return lua.LString(value)
	case float64:
		return lua.LNumber(value)
	case bool:
		return lua.LBool(value)
	case []any:
		table := state.NewTable()
		for _, element := range value {
			table.Append(luaValue(state, element))
		}
		return table
	case object:
		table := state.NewTable()
		for key, element := range value {
			table.RawSetString(key, luaValue(state, element))
		}
		return table
	}
	return lua.LNil
}

// TestFluxHealth evaluates the expressions in the order of Flux' RFC 0009, in an environment with the options of its
// controller.
func TestFluxHealth(t *testing.T) {
	t.Parallel()
	var kustomization struct {
		Spec struct {
			HealthCheckExprs []struct{ APIVersion, Kind, Current, Failed, InProgress string }
		}
	}
	testkit.Must(t, json.Unmarshal(testkit.Value(sample(t, "flux/assignments.yaml").MarshalJSON())(t), &kustomization))
	checks := kustomization.Spec.HealthCheckExprs
	if len(checks) != 1 || checks[0].APIVersion != v1alpha1.GroupVersion.String() || checks[0].Kind != "DoctorAssignment" || checks[0].InProgress != "" {
		t.Fatalf("the checks are %+v", checks)
	}
	environment := testkit.Value(cel.NewEnv(cel.HomogeneousAggregateLiterals(), cel.EagerlyValidateDeclarations(true), cel.DefaultUTCTimeZone(true),
		cel.CrossTypeNumericComparisons(true), cel.OptionalTypes(), ext.Strings(), ext.Sets(), ext.Encoders()))(t)
	holds := func(expression string, o *unstructured.Unstructured) bool {
		parsed, issues := environment.Parse(expression)
		testkit.Must(t, issues.Err())
		result, _, err := testkit.Value(environment.Program(parsed))(t).Eval(o.Object)
		testkit.Must(t, err)
		return result == types.True
	}
	health := func(o *unstructured.Unstructured) string {
		observed, found, _ := unstructured.NestedInt64(o.Object, "status", "observedGeneration")
		switch {
		case found && observed != o.GetGeneration():
			return "InProgress"
		case holds(checks[0].Failed, o):
			return "Failed"
		case holds(checks[0].Current, o):
			return "Current"
		}
		return "InProgress"
	}
	for reason, outcome := range outcomes {
		if got := health(declared(reason, 2)); got != outcome.flux {
			t.Errorf("%s is %s", reason, got)
		}
		if got := health(declared(reason, 1)); got != "InProgress" {
			t.Errorf("%s of an earlier generation is %s", reason, got)
		}
	}
	noStatus := unseen()
	noStatus.Object["status"] = object{}
	if got := health(noStatus); got != "InProgress" {
		t.Errorf("an object without conditions is %s", got)
	}
}
