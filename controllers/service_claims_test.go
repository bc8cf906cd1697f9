package controllers

import (
	"slices"
	"testing"
	"time"

	"github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

func TestServiceEndsOnlyWhatTheObjectClaims(t *testing.T) {
	t.Parallel()
	h := startHospital(t, rarely())
	rest := h.Assignment(testkit.AssignmentOptions{Doctor: h.doctors["doctor1"], Patient: h.patients["patient1"]})
	da := h.create(t, "a", withPatients("patient1", "patient2"))
	h.expectReady(t, da)
	if da.Status.Assigned != 2 || da.Status.Claims != 2 || da.Status.Shared != 1 {
		t.Errorf("status is %+v", da.Status)
	}

	h.delete(t, da)
	h.expectGone(t, da)
	if h.active("doctor1", "patient1") != 1 || h.active("doctor1", "patient2") != 0 {
		t.Error("the assignment made over REST did not stay, or the object's did")
	}

	retained := h.create(t, "b", withPatients("patient2"), withRetain)
	h.expectReady(t, retained)
	h.delete(t, retained)
	h.expectGone(t, retained)
	if h.active("doctor1", "patient2") != 1 || h.claims(retained) != 0 {
		t.Error("the retained assignment did not stay, or is still claimed")
	}
	for _, id := range []int64{rest.ID, h.current("patient2")} {
		if a, err := h.assignments.End(t.Context(), h.admin, id, false); err != nil || !a.Ended {
			t.Errorf("an administrator cannot end the assignment: %+v, %v", a, err)
		}
	}
}

// current returns the id of doctor1's assignment to the patient.
func (h *hospital) current(patient string) int64 {
	return int64(h.Count(`SELECT id FROM assignments WHERE doctor_id = $1 AND patient_id = $2 AND (ends_at IS NULL OR ends_at > now())`,
		h.doctors["doctor1"].ID, h.patients[patient].ID))
}

func TestServiceKeepsAPairThatAnotherObjectClaims(t *testing.T) {
	t.Parallel()
	h := startHospital(t, often())
	later := h.create(t, "later", withPeriod(new(time.Now().Add(time.Hour)), nil))
	h.expect(t, later, v1alpha1.ReadyCondition, metav1.ConditionFalse, v1alpha1.ReasonScheduled)
	first := h.create(t, "first") // a claim for later does not stand in its way
	h.expectReady(t, first)
	second := h.create(t, "second")
	h.expectReady(t, second)
	id := h.current("patient1")

	h.delete(t, first)
	h.expectGone(t, first)
	h.edit(t, later, withSuspend(true))
	h.expect(t, later, v1alpha1.StalledCondition, metav1.ConditionTrue, v1alpha1.ReasonSuspended)
	if got := h.current("patient1"); got != id {
		t.Errorf("the assignment is %d and was %d: access had a gap", got, id)
	}
	h.expectReady(t, second)
}

func TestServiceAssignsATeam(t *testing.T) {
	t.Parallel()
	h := startHospital(t, rarely())
	da := h.create(t, "a", withTeam("doctor1", "doctor2"), withPatients("patient1", "patient2", "patient3"))
	h.expectReady(t, da)
	if s := da.Status; s.Total != 6 || s.Assigned != 6 || s.Claims != 6 || s.Doctor != "doctor1 +1" {
		t.Errorf("status is %+v", s)
	}
	h.edit(t, da, withTeam("doctor2"))
	h.expectReady(t, da)
	h.expectActive(t, "doctor1", "patient3", 0)
	h.expectActive(t, "doctor2", "patient3", 1)
}

func TestServiceAdopts(t *testing.T) {
	t.Parallel()
	h := startHospital(t, rarely())
	rest := h.Assignment(testkit.AssignmentOptions{Doctor: h.doctors["doctor1"], Patient: h.patients["patient1"]})
	da := h.create(t, "a", withAdopt)
	h.expectReady(t, da)
	if h.current("patient1") != rest.ID || da.Status.Shared != 0 {
		t.Errorf("the assignment is not %d any longer, or REST still claims it: %+v", rest.ID, da.Status)
	}
	h.delete(t, da)
	h.expectGone(t, da)
	h.expectActive(t, "doctor1", "patient1", 0)
}

// TestServiceStaysEndedByForce also restarts what would repair it.
func TestServiceStaysEndedByForce(t *testing.T) {
	t.Parallel()
	h := startHospital(t, often())
	da := h.create(t, "a", withPatients("patient1", "patient2"))
	h.expectReady(t, da)
	id := h.current("patient1")
	if _, err := h.assignments.End(t.Context(), h.admin, id, true); err != nil {
		t.Fatal(err)
	}
	h.expect(t, da, v1alpha1.StalledCondition, metav1.ConditionTrue, v1alpha1.ReasonEndedByAdministrator)
	want := []v1alpha1.AssignmentProblem{{Doctor: "doctor1", Patient: "patient1", Reason: "EndedByAdministrator"}}
	if s := da.Status; s.Assigned != 1 || s.Claims != 1 || !slices.Equal(s.Problems, want) {
		t.Errorf("status is %+v", s)
	}
	gomega.NewWithT(t).Consistently(func() int { return h.active("doctor1", "patient1") }).
		WithTimeout(10 * often().ResyncInterval).Should(gomega.BeZero())

	if err := h.assignments.LiftHold(t.Context(), h.admin, id); err != nil {
		t.Fatal(err)
	}
	h.expectReady(t, da)
	h.expectActive(t, "doctor1", "patient1", 1)
	if _, err := h.assignments.End(t.Context(), h.admin, h.current("patient1"), true); err != nil {
		t.Fatal(err)
	}
	h.expect(t, da, v1alpha1.StalledCondition, metav1.ConditionTrue, v1alpha1.ReasonEndedByAdministrator)
	h.edit(t, da, func(da *v1alpha1.DoctorAssignment) { da.Spec.Reason = "after all" })
	h.expectReady(t, da)
}
