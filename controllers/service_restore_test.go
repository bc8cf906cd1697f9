package controllers

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
)

// restore takes the database back to a time before claims of the objects ended, and before they were released.
func (h *hospital) restore(objects ...*v1alpha1.DoctorAssignment) {
	for _, da := range objects {
		h.Exec(`UPDATE declarations SET released_at = NULL, generation = 1, digest = '\x00' WHERE uid = $1`, string(da.UID))
		h.Exec(`UPDATE assignment_claims SET ended_at = NULL, ends_at = NULL WHERE owner = $1`, string(da.UID))
	}
}

// TestServiceEndsWhatARestoreBringsBack: the objects were deleted, suspended and ended after the backup.
func TestServiceEndsWhatARestoreBringsBack(t *testing.T) {
	t.Parallel()
	h := prepareHospital(t)
	options := often()
	options.Declarer, options.AllNamespaces, options.Cluster = h.declarer, true, h.namespace
	startManager(t, h.controllerConfig(t), ctrl.Options{Cache: cacheOf(h.namespace)}, options)
	deleted, suspended, ended := h.create(t, "deleted"), h.create(t, "suspended", withPatients("patient2")), h.create(t, "ended", withPatients("patient3"))
	for _, da := range []*v1alpha1.DoctorAssignment{deleted, suspended, ended} {
		h.expectReady(t, da)
	}
	h.delete(t, deleted)
	h.expectGone(t, deleted)
	h.edit(t, suspended, withSuspend(true))
	h.expect(t, suspended, v1alpha1.StalledCondition, metav1.ConditionTrue, v1alpha1.ReasonSuspended)
	h.edit(t, ended, withPeriod(nil, new(time.Now().Add(-time.Hour))))
	h.expect(t, ended, v1alpha1.StalledCondition, metav1.ConditionTrue, v1alpha1.ReasonEnded)

	h.restore(deleted, suspended, ended)
	for _, patient := range []string{"patient1", "patient2", "patient3"} {
		h.expectActive(t, "doctor1", patient, 0)
	}
	for _, da := range []*v1alpha1.DoctorAssignment{deleted, suspended, ended} {
		h.expectClaims(t, da, 0)
	}
}

// TestServiceDeletesObjectsOfPeopleWhoAreGone, whose claims went with them.
func TestServiceDeletesObjectsOfPeopleWhoAreGone(t *testing.T) {
	t.Parallel()
	h := startHospital(t, often())
	h.registerDoctor("leaver", true)
	h.registerPatient("mover")
	ofDoctor, ofPatient := h.create(t, "doctor", withDoctor("leaver")), h.create(t, "patient", withPatients("mover", "patient2"))
	h.expectReady(t, ofDoctor)
	h.expectReady(t, ofPatient)
	for _, username := range []string{"leaver", "mover"} {
		h.Exec(`DELETE FROM users WHERE username = $1`, username)
	}
	h.expect(t, ofDoctor, v1alpha1.ReadyCondition, metav1.ConditionFalse, v1alpha1.ReasonDoctorNotFound)
	h.expect(t, ofPatient, v1alpha1.ReadyCondition, metav1.ConditionFalse, v1alpha1.ReasonPairsNotAssigned)
	for _, da := range []*v1alpha1.DoctorAssignment{ofDoctor, ofPatient} {
		h.delete(t, da)
		h.expectGone(t, da)
	}
	h.expectActive(t, "doctor1", "patient2", 0)
}
