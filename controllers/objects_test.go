package controllers

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
)

// newObject returns doctor1's DoctorAssignment for patient1, changed by the options.
func newObject(name string, options ...func(*v1alpha1.DoctorAssignment)) *v1alpha1.DoctorAssignment {
	da := &v1alpha1.DoctorAssignment{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID(name + "-uid"), Generation: 1},
		Spec: v1alpha1.DoctorAssignmentSpec{
			Doctor:         &v1alpha1.UserReference{Username: "doctor1"},
			Patients:       []v1alpha1.UserReference{{Username: "patient1"}},
			Reason:         "primary care",
			DeletionPolicy: v1alpha1.DeletionPolicyRelease,
		},
	}
	for _, option := range options {
		option(da)
	}
	return da
}

func withDoctor(username string) func(*v1alpha1.DoctorAssignment) {
	return func(da *v1alpha1.DoctorAssignment) { da.Spec.Doctor = &v1alpha1.UserReference{Username: username} }
}

// withTeam replaces the doctor by a team.
func withTeam(usernames ...string) func(*v1alpha1.DoctorAssignment) {
	return func(da *v1alpha1.DoctorAssignment) {
		da.Spec.Doctor, da.Spec.Doctors = nil, references(usernames)
	}
}

func references(usernames []string) []v1alpha1.UserReference {
	list := make([]v1alpha1.UserReference, 0, len(usernames))
	for _, username := range usernames {
		list = append(list, v1alpha1.UserReference{Username: username})
	}
	return list
}

func withPatients(usernames ...string) func(*v1alpha1.DoctorAssignment) {
	return func(da *v1alpha1.DoctorAssignment) { da.Spec.Patients = references(usernames) }
}

func withPeriod(startsAt, endsAt *time.Time) func(*v1alpha1.DoctorAssignment) {
	return func(da *v1alpha1.DoctorAssignment) {
		if startsAt != nil {
			da.Spec.StartsAt = &metav1.Time{Time: *startsAt}
		}
		if endsAt != nil {
			da.Spec.EndsAt = &metav1.Time{Time: *endsAt}
		}
	}
}

func withSuspend(suspend bool) func(*v1alpha1.DoctorAssignment) {
	return func(da *v1alpha1.DoctorAssignment) { da.Spec.Suspend = suspend }
}

func withAdopt(da *v1alpha1.DoctorAssignment) { da.Spec.Adopt = true }

func withRetain(da *v1alpha1.DoctorAssignment) {
	da.Spec.DeletionPolicy = v1alpha1.DeletionPolicyRetain
}

// condition returns the status and the reason of a condition; "" if it is missing.
func condition(da *v1alpha1.DoctorAssignment, kind string) (metav1.ConditionStatus, string) {
	c := apimeta.FindStatusCondition(da.Status.Conditions, kind)
	if c == nil {
		return "", ""
	}
	return c.Status, c.Reason
}

// checkConditions fails if the status of a reconciled object breaks a rule that applies to all objects.
func checkConditions(t testing.TB, da *v1alpha1.DoctorAssignment) {
	t.Helper()
	kinds := []string{}
	holding := []string{}
	for _, c := range da.Status.Conditions {
		kinds = append(kinds, c.Type)
		if c.Status == metav1.ConditionTrue {
			holding = append(holding, c.Type)
		}
		if c.ObservedGeneration > da.Generation {
			t.Errorf("%s: %s speaks of a generation that does not exist", da.Name, c.Type)
		}
		if c.LastTransitionTime.IsZero() {
			t.Errorf("%s: %s has no time", da.Name, c.Type)
		}
	}
	if !slices.Equal(kinds, []string{v1alpha1.ReadyCondition, v1alpha1.ReconcilingCondition, v1alpha1.StalledCondition}) {
		t.Errorf("%s: conditions are %v", da.Name, kinds)
	}
	if len(holding) != 1 {
		t.Errorf("%s: exactly one of Ready, Reconciling and Stalled must hold, not %v", da.Name, holding)
	}
	if da.Status.ObservedGeneration < 1 || da.Status.ObservedGeneration > da.Generation {
		t.Errorf("%s: observedGeneration is %d of %d", da.Name, da.Status.ObservedGeneration, da.Generation)
	}
	if len(da.Status.Problems) > v1alpha1.MaxProblems {
		t.Errorf("%s: %d problems are named", da.Name, len(da.Status.Problems))
	}
	if encoded, err := json.Marshal(da.Status); err != nil || len(encoded) > 64<<10 {
		t.Errorf("%s: the status has %d bytes, %v", da.Name, len(encoded), err)
	}
	if status, _ := condition(da, v1alpha1.ReadyCondition); status == metav1.ConditionTrue &&
		(da.Status.Assigned != da.Status.Total || len(da.Status.Problems) > 0) {
		t.Errorf("%s: ready with %d of %d pairs", da.Name, da.Status.Assigned, da.Status.Total)
	}
	checkKstatus(t, da)
}

// checkKstatus fails if tools that know only the conventions of conditions, such as Helm, Argo CD and Flux, see the object
// in the wrong state.
func checkKstatus(t testing.TB, da *v1alpha1.DoctorAssignment) {
	t.Helper()
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(da)
	if err != nil {
		t.Fatal(err)
	}
	got, err := status.Compute(&unstructured.Unstructured{Object: content})
	if err != nil {
		t.Fatal(err)
	}
	want := status.InProgressStatus
	ready, _ := condition(da, v1alpha1.ReadyCondition)
	stalled, _ := condition(da, v1alpha1.StalledCondition)
	switch {
	case !da.DeletionTimestamp.IsZero():
		want = status.TerminatingStatus
	case da.Status.ObservedGeneration != da.Generation:
	case stalled == metav1.ConditionTrue:
		want = status.FailedStatus
	case ready == metav1.ConditionTrue:
		want = status.CurrentStatus
	}
	if got.Status != want {
		t.Errorf("%s: tools see %s (%s), want %s", da.Name, got.Status, got.Message, want)
	}
}
