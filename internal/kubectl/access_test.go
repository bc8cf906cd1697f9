package kubectl

import (
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
)

func TestGiven(t *testing.T) {
	t.Parallel()
	past, future := at(today().Add(-time.Hour)), at(today().Add(time.Hour))
	problems := func(list ...v1alpha1.AssignmentProblem) func(*v1alpha1.DoctorAssignment) {
		return func(da *v1alpha1.DoctorAssignment) {
			da.Status.Assigned, da.Status.Problems = 1, list
			ready(da, metav1.ConditionFalse, v1alpha1.ReasonPairsNotAssigned, false)
		}
	}
	state := func(status metav1.ConditionStatus, reason string) func(*v1alpha1.DoctorAssignment) {
		return func(da *v1alpha1.DoctorAssignment) {
			da.Status.Assigned = 1 // others may claim the pair
			ready(da, status, reason, false)
		}
	}
	many := make([]v1alpha1.AssignmentProblem, v1alpha1.MaxProblems)
	for i := range many {
		many[i].Patient = fmt.Sprintf("stranger%d", i)
	}
	tests := map[string]struct {
		change func(*v1alpha1.DoctorAssignment)
		want   string
	}{
		"assigned":                {state(metav1.ConditionTrue, v1alpha1.ReasonAssigned), accessYes},
		"not observed":            {func(*v1alpha1.DoctorAssignment) {}, accessUnknown},
		"the database is away":    {state(metav1.ConditionUnknown, v1alpha1.ReasonUnavailable), accessUnknown},
		"suspended":               {state(metav1.ConditionFalse, v1alpha1.ReasonSuspended), accessNo},
		"ended":                   {state(metav1.ConditionFalse, v1alpha1.ReasonEnded), accessNo},
		"invalid":                 {state(metav1.ConditionFalse, v1alpha1.ReasonInvalid), accessUnknown},
		"a reason of the future":  {state(metav1.ConditionFalse, "SomethingNew"), accessUnknown},
		"another patient hinders": {problems(v1alpha1.AssignmentProblem{Patient: "patient2"}), accessYes},
		"the patient hinders":     {problems(v1alpha1.AssignmentProblem{Patient: "Patient1"}), accessNo},
		"the doctor hinders":      {problems(v1alpha1.AssignmentProblem{Doctor: "doctor1"}), accessNo},
		"the pair is held":        {problems(v1alpha1.AssignmentProblem{Doctor: "doctor1", Patient: "patient1"}), accessNo},
		"another pair is held":    {problems(v1alpha1.AssignmentProblem{Doctor: "doctor1", Patient: "patient2"}), accessYes},
		"no problem is listed":    {problems(), accessUnknown},
		"not all are listed":      {problems(many...), accessUnknown},
		"nobody is assigned": {func(da *v1alpha1.DoctorAssignment) {
			ready(da, metav1.ConditionFalse, v1alpha1.ReasonDoctorNotFound, false)
		}, accessNo},
		"it begins later": {func(da *v1alpha1.DoctorAssignment) {
			da.Spec.StartsAt = future
			ready(da, metav1.ConditionTrue, v1alpha1.ReasonAssigned, false)
		}, accessNo},
		"it has ended": {func(da *v1alpha1.DoctorAssignment) {
			da.Spec.StartsAt, da.Spec.EndsAt = past, at(today())
			ready(da, metav1.ConditionTrue, v1alpha1.ReasonAssigned, false)
		}, accessNo},
		"the spec is newer": {func(da *v1alpha1.DoctorAssignment) {
			ready(da, metav1.ConditionTrue, v1alpha1.ReasonAssigned, false)
			da.Generation = 2
		}, accessUnknown},
	}
	for name, test := range tests {
		da := &v1alpha1.DoctorAssignment{ObjectMeta: metav1.ObjectMeta{Generation: 1}}
		da.Status.ObservedGeneration = 1
		test.change(da)
		if got := given(da, "doctor1", "patient1", today()); got != test.want {
			t.Errorf("%s: access is %s, want %s", name, got, test.want)
		}
	}
}
