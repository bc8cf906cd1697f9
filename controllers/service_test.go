package controllers

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
)

func TestServiceGivesAndTakesAccess(t *testing.T) {
	t.Parallel()
	h := startHospital(t, rarely())
	record := h.Record(testkit.RecordOptions{Patient: h.patients["patient1"]})
	if got := h.reads(t, "doctor1", record); got != clinic.CodeNotFound {
		t.Fatalf("before the assignment reading is %q", got)
	}

	da := h.create(t, "a", withPatients("patient1", "patient2"))
	h.expectReady(t, da)
	if got := h.reads(t, "doctor1", record); got != "" {
		t.Errorf("while assigned reading is %q", got)
	}
	if got := h.Count(`SELECT count(*) FROM assignments WHERE owner = $1 AND declared_by = $2 AND source = 'kubernetes'
		AND reason = 'primary care' AND requested_by IS NULL AND requester IS NULL`, string(da.UID), h.namespace+"/a"); got != 2 {
		t.Errorf("%d assignments carry the object's name", got)
	}
	if got := h.Count(`SELECT count(*) FROM outbox WHERE type = 'assignment.created'`); got != 2 {
		t.Errorf("%d assignments are announced", got)
	}

	h.delete(t, da)
	h.expectGone(t, da)
	if got := h.reads(t, "doctor1", record); got != clinic.CodeNotFound {
		t.Errorf("after the deletion reading is %q", got)
	}
	if got := h.Count(`SELECT count(*) FROM assignments WHERE ends_at <= now()`); got != 2 {
		t.Errorf("%d ended assignments are kept as history", got)
	}
}

func TestServiceFollowsTheSpec(t *testing.T) {
	t.Parallel()
	h := startHospital(t, rarely())
	da := h.create(t, "a", withPatients("patient1", "patient2"))
	h.expectReady(t, da)

	h.edit(t, da, withPatients("patient2", "patient3"))
	h.expectReady(t, da)
	h.expectActive(t, "doctor1", "patient1", 0)
	h.expectActive(t, "doctor1", "patient3", 1)

	h.edit(t, da, withDoctor("doctor2"))
	h.expectReady(t, da)
	h.expectActive(t, "doctor1", "patient2", 0)
	h.expectActive(t, "doctor2", "patient2", 1)

	end := time.Now().Add(time.Hour).Truncate(time.Second)
	h.edit(t, da, func(da *v1alpha1.DoctorAssignment) {
		da.Spec.Reason = "vacation cover"
		da.Spec.EndsAt = &metav1.Time{Time: end}
	})
	h.expectReady(t, da)
	if got := h.Count(`SELECT count(*) FROM assignments WHERE owner = $1 AND ends_at = $2 AND reason = 'vacation cover'`,
		string(da.UID), end); got != 2 {
		t.Errorf("%d assignments have the new end and reason", got)
	}
	if got := h.Count(`SELECT count(*) FROM assignments`); got != 5 {
		t.Errorf("%d assignments were ever made", got)
	}

	// The doctor who is there stays until the one who is declared can come.
	h.edit(t, da, withDoctor("nobody"))
	h.expect(t, da, v1alpha1.ReadyCondition, metav1.ConditionFalse, v1alpha1.ReasonDoctorNotFound)
	if h.claims(da) != 2 || h.active("doctor2", "patient2") != 1 {
		t.Error("a doctor who does not exist ended the assignments of the one before")
	}
	h.registerDoctor("nobody", true)
	h.edit(t, da, func(da *v1alpha1.DoctorAssignment) { da.Spec.Reason = "handover" })
	h.expectReady(t, da)
	h.expectActive(t, "doctor2", "patient2", 0)
	h.expectActive(t, "nobody", "patient2", 1)
}

func TestServiceWaitsForWhoIsUnknown(t *testing.T) {
	t.Parallel()
	h := startHospital(t, often())
	da := h.create(t, "a", withDoctor("newcomer"), withPatients("unborn", "patient1"))
	h.expect(t, da, v1alpha1.ReadyCondition, metav1.ConditionFalse, v1alpha1.ReasonDoctorNotFound)
	h.registerDoctor("newcomer", false)
	h.expect(t, da, v1alpha1.ReadyCondition, metav1.ConditionFalse, v1alpha1.ReasonDoctorNotVerified)
	h.Exec(`UPDATE doctor_profiles SET verified_at = now() WHERE id = $1`, h.doctors["newcomer"].ID)
	h.expect(t, da, v1alpha1.ReadyCondition, metav1.ConditionFalse, v1alpha1.ReasonPairsNotAssigned)
	if want := []v1alpha1.AssignmentProblem{{Patient: "unborn", Reason: "PatientNotFound"}}; !slices.Equal(da.Status.Problems, want) {
		t.Errorf("problems are %v", da.Status.Problems)
	}
	h.edit(t, da, withPatients("unborn", "doctor2", "patient1"))
	h.expect(t, da, v1alpha1.StalledCondition, metav1.ConditionTrue, v1alpha1.ReasonNotAPatient)
	h.expectActive(t, "newcomer", "patient1", 1)
	h.registerPatient("unborn")
	h.edit(t, da, withPatients("unborn", "patient1"))
	h.expectReady(t, da)

	other := h.create(t, "b", withDoctor("patient3"))
	h.expect(t, other, v1alpha1.ReadyCondition, metav1.ConditionFalse, v1alpha1.ReasonNotADoctor)
}

func TestServiceRepairsDrift(t *testing.T) {
	t.Parallel()
	h := startHospital(t, often())
	da := h.create(t, "a")
	h.expectReady(t, da)
	for _, drift := range []string{
		`UPDATE assignments SET ends_at = now()`, `DELETE FROM assignments`,
		`UPDATE assignment_claims SET ended_at = now()`, `DELETE FROM assignment_claims`,
	} {
		h.Exec(drift)
		h.expectActive(t, "doctor1", "patient1", 1)
	}
	h.expectEvents(t, "DriftRepaired")
}

func TestServiceFollowsThePeriod(t *testing.T) {
	t.Parallel()
	h := startHospital(t, rarely())
	record := h.Record(testkit.RecordOptions{Patient: h.patients["patient1"]})
	soon := func() *time.Time { return new(time.Now().Truncate(time.Second).Add(2 * time.Second)) }
	expectReads := func(want clinic.Code) {
		t.Helper()
		if got := h.reads(t, "doctor1", record); got != want {
			t.Errorf("reading is %q, want %q", got, want)
		}
	}

	da := h.create(t, "a", withPeriod(new(time.Now().Add(time.Hour)), nil))
	h.expect(t, da, v1alpha1.ReadyCondition, metav1.ConditionFalse, v1alpha1.ReasonScheduled)
	expectReads(clinic.CodeNotFound)
	h.edit(t, da, withPeriod(soon(), nil))
	h.expectReady(t, da)
	expectReads("")
	h.edit(t, da, withPeriod(nil, soon()))
	h.expect(t, da, v1alpha1.StalledCondition, metav1.ConditionTrue, v1alpha1.ReasonEnded)
	expectReads(clinic.CodeNotFound)
	h.edit(t, da, withPeriod(nil, new(time.Now().Add(time.Hour))))
	h.expectReady(t, da)
	expectReads("")
}

func TestServiceStallsOnWhatItRefuses(t *testing.T) {
	t.Parallel()
	h := startHospital(t, often())
	da := h.create(t, "a", func(da *v1alpha1.DoctorAssignment) { da.Spec.Reason = "a bell \a rings" })
	h.expect(t, da, v1alpha1.StalledCondition, metav1.ConditionTrue, v1alpha1.ReasonInvalid)
	h.edit(t, da, func(da *v1alpha1.DoctorAssignment) { da.Spec.Reason = "silence" })
	h.expectReady(t, da)
	h.edit(t, da, func(da *v1alpha1.DoctorAssignment) { da.Spec.Reason = "two\nlines" })
	h.expect(t, da, v1alpha1.StalledCondition, metav1.ConditionTrue, v1alpha1.ReasonInvalid)
	h.edit(t, da, func(da *v1alpha1.DoctorAssignment) { da.Spec.Reason = "a block of YAML\n" })
	h.expectReady(t, da)

	// A fault elsewhere in the spec does not prolong access beyond its end.
	record := h.Record(testkit.RecordOptions{Patient: h.patients["patient1"]})
	h.edit(t, da, func(da *v1alpha1.DoctorAssignment) {
		da.Spec.Reason, da.Spec.EndsAt = "two\nlines", new(metav1.NewTime(time.Now().Add(-time.Hour)))
	})
	h.expect(t, da, v1alpha1.StalledCondition, metav1.ConditionTrue, v1alpha1.ReasonEnded)
	if got := h.reads(t, "doctor1", record); got != clinic.CodeNotFound {
		t.Errorf("reading after the end is %q, want %q", got, clinic.CodeNotFound)
	}
}

func TestServiceWritesNothingWhenNothingChanged(t *testing.T) {
	t.Parallel()
	h := startHospital(t, often())
	h.Assignment(testkit.AssignmentOptions{Doctor: h.doctors["doctor1"], Patient: h.patients["patient2"]})
	ready := h.create(t, "ready", withPatients("patient1", "patient2"), withPeriod(nil, new(time.Now().Add(time.Hour))))
	partly := h.create(t, "partly", withDoctor("doctor2"), withPatients("patient1", "unborn"))
	h.expectReady(t, ready)
	h.expect(t, partly, v1alpha1.ReadyCondition, metav1.ConditionFalse, v1alpha1.ReasonPairsNotAssigned)
	const rows = `SELECT sum(n) FROM (SELECT count(*) + sum(xmin::text::bigint) AS n FROM assignments UNION ALL
		SELECT count(*) + sum(xmin::text::bigint) FROM assignment_claims UNION ALL SELECT count(*) + sum(xmin::text::bigint) FROM declarations) AS counts`
	before, versions := h.Count(rows), h.versions(t, []*v1alpha1.DoctorAssignment{ready, partly})
	gomega.NewWithT(t).Consistently(func() int { return h.Count(rows) }).
		WithTimeout(10 * often().ResyncInterval).Should(gomega.Equal(before))
	if after := h.versions(t, []*v1alpha1.DoctorAssignment{ready, partly}); !slices.Equal(after, versions) {
		t.Errorf("resource versions went from %v to %v", versions, after)
	}
}

func TestServiceSurvivesPostgres(t *testing.T) {
	t.Parallel()
	server := testkit.StartPostgres(t)
	if err := server.CreateDatabase(t.Context(), "clinic", ""); err != nil {
		t.Fatal(err)
	}
	dsn := server.DSN("clinic")
	if err := rights.Migrate(t.Context(), dsn); err != nil {
		t.Fatal(err)
	}
	h := newHospital(t, dsn, testkit.NewFactory(t, dsn))
	h.start(t, often())
	kept, deleted := h.create(t, "kept"), h.create(t, "deleted", withPatients("patient2"))
	h.expectReady(t, kept)
	h.expectReady(t, deleted)

	server.Kill()
	h.delete(t, deleted)
	h.edit(t, kept, withPatients("patient1", "patient3"))
	for _, da := range []*v1alpha1.DoctorAssignment{kept, deleted} {
		h.expect(t, da, v1alpha1.ReadyCondition, metav1.ConditionUnknown, v1alpha1.ReasonUnavailable)
	}
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.Pool.Reset() // the test's own connections died with the server
	h.expectGone(t, deleted)
	h.expectReady(t, kept)
	h.expectActive(t, "doctor1", "patient1", 1)
	h.expectActive(t, "doctor1", "patient2", 0)
}

func TestServiceKeepsOneAssignmentPerPairUnderContention(t *testing.T) {
	t.Parallel()
	const objects = 12
	h := startHospital(t, often())
	var all []*v1alpha1.DoctorAssignment
	for i := range objects { // each two objects have a pair in common
		all = append(all, h.create(t, fmt.Sprintf("o%d", i), withDoctor(fmt.Sprintf("doctor%d", i%2+1)),
			withPatients("patient1", "patient2", "patient3")))
	}
	for i, da := range all {
		h.edit(t, da, withDoctor(fmt.Sprintf("doctor%d", (i+1)%2+1)))
	}
	for _, da := range all[2:] {
		h.delete(t, da)
	}
	for _, da := range all[2:] {
		h.expectGone(t, da)
	}
	for _, da := range all[:2] {
		h.expectClaims(t, da, 3)
		h.expectReady(t, da)
	}
	for _, da := range all[:2] {
		h.delete(t, da)
		h.expectGone(t, da)
	}
	if got := h.Count(`SELECT count(*) FROM assignments WHERE ends_at IS NULL OR ends_at > now()`); got != 0 {
		t.Errorf("%d assignments stayed", got)
	}
}

func TestServiceHoldsNothingForObjectsThatCameAndWent(t *testing.T) {
	t.Parallel()
	h := startHospital(t, rarely())
	for i := range 50 { // each may be deleted before the controller has seen it
		h.delete(t, h.create(t, fmt.Sprintf("o%d", i)))
	}
	last := h.create(t, "last", withDoctor("doctor2"))
	h.expectReady(t, last)
	h.delete(t, last)
	h.expectGone(t, last)
	gomega.NewWithT(t).Eventually(func() int {
		return h.Count(`SELECT count(*) FROM assignments WHERE ends_at IS NULL OR ends_at > now()`)
	}).WithTimeout(patience).Should(gomega.Equal(0))
}

func TestServiceReleasesWhenTheFinalizerIsRemovedByHand(t *testing.T) {
	t.Parallel()
	h := startHospital(t, rarely())
	da := h.create(t, "a")
	h.expectReady(t, da)
	h.edit(t, da, func(da *v1alpha1.DoctorAssignment) { da.Finalizers = nil })
	h.delete(t, da)
	h.expectGone(t, da)
	h.expectActive(t, "doctor1", "patient1", 0)
}

func TestServiceAssignsFiveHundredPatients(t *testing.T) {
	t.Parallel()
	h := startHospital(t, rarely())
	var patients []string
	for i := range 500 {
		name := fmt.Sprintf("many%03d", i)
		h.registerPatient(name)
		patients = append(patients, name)
	}
	began := time.Now()
	da := h.create(t, "a", withPatients(patients...))
	h.expectReady(t, da)
	ready := time.Since(began)
	began = time.Now()
	h.delete(t, da)
	h.expectGone(t, da)
	t.Logf("500 patients: ready after %v, released after %v", ready, time.Since(began))
	if got := h.Count(`SELECT count(*) FROM assignments WHERE ends_at IS NULL`); got != 0 {
		t.Errorf("%d assignments stayed", got)
	}
}
