package service_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// TestAPageReadsNoMoreThanItShows runs the lists that grow, in each order and by
// each filter, at sizes that are skewed: beside the page, nothing may be read but
// what is counted.
func TestAPageReadsNoMoreThanItShows(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.checkRecords(t)
	w.checkAssignments(t)
	w.checkAuditLog(t)
}

func (w town) checkRecords(t *testing.T) {
	t.Helper()
	ago := func(days int) *time.Time {
		at := time.Now().AddDate(0, 0, -days)
		return &at
	}
	filters := map[string]clinic.RecordFilter{
		"all": {}, "of a type": {Type: clinic.RecordCheckup}, "of a long time": {From: ago(2900)},
		"of two bounds": {From: ago(2900), To: ago(10)}, "of a type and time": {Type: clinic.RecordCheckup, To: ago(10)},
		"of a patient": {PatientID: w.somebodyOfBusy()},
	}
	rare := map[string]clinic.RecordFilter{
		"of a rare type": {Type: clinic.RecordEmergency}, "of few days": {From: ago(10)}, "of no day": {From: ago(-10)},
	}
	for name, who := range map[string]struct {
		caller            clinic.Caller
		patients, records int
	}{
		"doctor":  {w.busy, patientsOfBusy, patientsOfBusy * (recordsOfBusy + 3)},
		"patient": {w.chronic, 1, recordsOfMany},
	} {
		// the first of each patient, and as many of each of the first patients as the
		// page has rows; a third of them is of the type
		page := 4 * (who.patients + min(who.patients, pageRows)*pageRows + pageRows)
		for _, order := range []clinic.RecordOrder{clinic.OrderVisitDesc, clinic.OrderCreatedDesc} {
			for filtered, filter := range filters {
				filter.Order = order
				w.checkPage(t, name+", "+filtered, who.caller, filter, who.records+page)
			}
			for filtered, filter := range rare { // the caller's own, to be counted, to find the first, and to fill the page
				filter.Order = order
				w.checkPage(t, name+", "+filtered, who.caller, filter, 3*who.records)
			}
		}
		for _, order := range []clinic.RecordOrder{clinic.OrderVisitAsc, clinic.OrderCreatedAsc} {
			w.checkPage(t, name+", all", who.caller, clinic.RecordFilter{Order: order}, who.records+page)
			w.checkPage(t, name+", of a long time", who.caller, clinic.RecordFilter{From: ago(2900), Order: order}, who.records+page)
		}
	}
}

const pageRows = clinic.DefaultPageSize + 1

func (w town) checkPage(t *testing.T, name string, caller clinic.Caller, filter clinic.RecordFilter, records int) {
	t.Helper()
	// the policies ask for the patient of each record that the page looks at
	limits := map[string]int{"health_records": records, "assignments": 4 * records}
	w.check(t, fmt.Sprintf("%s, by %s", name, filter.Order), caller, limits, func() error {
		_, err := w.server.Records(t.Context(), caller, filter, clinic.PageRequest{})
		return err
	})
}

func (w town) somebodyOfBusy() int64 {
	return int64(w.db.Count(`SELECT max(patient_id) FROM assignments WHERE doctor_id = $1`, w.busyID))
}

func (w town) checkAssignments(t *testing.T) {
	t.Helper()
	list := func(caller clinic.Caller, filter clinic.AssignmentFilter) func() error {
		return func() error {
			_, err := w.server.Assignments(t.Context(), caller, filter, clinic.PageRequest{})
			return err
		}
	}
	active := true
	one := int64(w.db.Count(`SELECT max(id) FROM assignments WHERE doctor_id = $1`, w.busyID))
	get := func(caller clinic.Caller) func() error {
		return func() error {
			_, err := w.server.Assignment(t.Context(), caller, one)
			return err
		}
	}
	w.check(t, "one to an administrator", w.admin, nil, get(w.admin))
	w.check(t, "one to its doctor", w.busy, nil, get(w.busy))
	w.check(t, "of a patient", w.admin, nil, list(w.admin, clinic.AssignmentFilter{PatientID: w.somebody}))
	w.check(t, "of a patient that run", w.admin, nil, list(w.admin, clinic.AssignmentFilter{PatientID: w.somebody, Active: &active}))
	w.check(t, "of a pair", w.admin, nil, list(w.admin, clinic.AssignmentFilter{PatientID: w.somebody, DoctorID: w.busyID}))
	w.check(t, "of a doctor", w.admin, map[string]int{"assignments_doctor_idx": 2 * townPatients, "assignments": 2 * townPatients},
		list(w.admin, clinic.AssignmentFilter{DoctorID: w.busyID}))
	w.check(t, "of the calling doctor", w.busy, map[string]int{"assignments": 8 * patientsOfBusy, "assignments_doctor_idx": 4 * patientsOfBusy},
		list(w.busy, clinic.AssignmentFilter{}))
	w.check(t, "of the calling patient", w.chronic, nil, list(w.chronic, clinic.AssignmentFilter{}))
	w.check(t, "making one", w.admin, nil, func() error {
		_, _, err := w.server.Assign(t.Context(), w.admin, clinic.AssignmentRequest{PatientID: w.chronicID, DoctorID: w.busyID, Reason: "care"}, clinic.Idempotency{})
		return err
	})
	w.check(t, "ending one", w.admin, nil, func() error { return w.server.EndAssignment(t.Context(), w.admin, one, false) })
}

func (w town) checkAuditLog(t *testing.T) {
	t.Helper()
	user := int64(w.db.Count(`SELECT user_id FROM patient_profiles WHERE id = $1`, w.somebody))
	yesterday := time.Now().AddDate(0, 0, -1)
	for name, filter := range map[string]clinic.AuditFilter{
		"all": {}, "of a user": {UserID: user}, "of a user who did much": {UserID: w.busy.UserID}, "of a patient": {PatientID: w.somebody},
		"of a patient and user": {PatientID: w.somebody, UserID: user}, "of a patient and another user": {PatientID: w.somebody, UserID: w.busy.UserID},
		"of a user and time": {UserID: user, From: &yesterday}, "of a patient and time": {PatientID: w.somebody, From: &yesterday},
		"of a user and operation": {UserID: user, Operation: "getRecord"}, "of a patient and decision": {PatientID: w.somebody, Decision: "forbidden"},
		"of nobody": {UserID: 1 << 40}, "of no patient": {PatientID: 1 << 40},
	} {
		w.check(t, name, w.admin, nil, func() error {
			_, err := w.server.AuditLog(t.Context(), w.admin, filter, 0, 0)
			return err
		})
	}
	theirs := map[string]int{"audit_log": 3 * auditRowsOfBusy}
	w.check(t, "of a patient with many", w.admin, theirs, func() error {
		_, err := w.server.AuditLog(t.Context(), w.admin, clinic.AuditFilter{PatientID: w.chronicID}, 0, 0)
		return err
	})
	w.check(t, "of the calling patient", w.chronic, theirs, func() error {
		_, err := w.server.AccessLog(t.Context(), w.chronic, 0, 0)
		return err
	})
	few := clinic.Caller{UserID: user, Role: clinic.RolePatient}
	w.check(t, "of a calling patient with few", few, nil, func() error {
		_, err := w.server.AccessLog(t.Context(), few, 0, 0)
		return err
	})
}
