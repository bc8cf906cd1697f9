package service_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// TestAPageReadsNoMoreThanItShows runs the lists, in each order and by each filter, over
// skewed data: beside the page, a statement may read only the rows that it counts.
func TestAPageReadsNoMoreThanItShows(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.checkRecords(t)
	w.checkPeople(t)
	w.checkForeign(t)
	w.checkNotifications(t)
	w.checkOwn(t)
	w.checkAssignments(t)
	w.checkAuditLog(t)
	w.checkAllRan(t)
}

func (w town) checkRecords(t *testing.T) {
	t.Helper()
	ago := func(days int) *time.Time {
		at := time.Now().AddDate(0, 0, -days)
		return &at
	}
	const rare, paged = true, true
	filters := map[string]struct {
		filter      clinic.RecordFilter
		rare, paged bool
	}{
		"all":                {clinic.RecordFilter{}, !rare, !paged},
		"of two bounds":      {clinic.RecordFilter{From: ago(2900), To: ago(10)}, !rare, paged}, // the statement is the same for all
		"of a type":          {clinic.RecordFilter{Type: clinic.RecordCheckup}, !rare, !paged},
		"of a long time":     {clinic.RecordFilter{From: ago(2900)}, !rare, !paged},
		"of a type and time": {clinic.RecordFilter{Type: clinic.RecordCheckup, To: ago(10)}, !rare, !paged},
		"of a patient":       {clinic.RecordFilter{PatientID: w.somebodyOfBusy()}, !rare, !paged},
		"of a rare type":     {clinic.RecordFilter{Type: clinic.RecordEmergency}, rare, !paged},
		"of few days":        {clinic.RecordFilter{From: ago(10)}, rare, !paged},
		"of no day":          {clinic.RecordFilter{From: ago(-10)}, rare, !paged},
		"entered in error":   {clinic.RecordFilter{EnteredInError: true}, rare, !paged},
		"deleted":            {clinic.RecordFilter{Deleted: true}, !rare, paged},
	}
	for name, who := range map[string]struct {
		caller            clinic.Caller
		patients, records int
	}{
		"doctor":  {w.busy, patientsOfBusy, patientsOfBusy * (recordsOfBusy + 3)},
		"patient": {w.chronic, 1, recordsOfMany},
	} {
		for _, order := range clinic.RecordOrders() {
			for filtered, by := range filters {
				// Those of a period, up to the limit of counts; the first of each patient, and as many of each of the first
				// patients as the page has rows. A third of them have the type.
				most := clinic.MaxCount + 4*(who.patients+min(who.patients, pageRows)*pageRows+pageRows)
				if by.rare {
					most = 3 * who.records // to count them, to find the first, and to fill the page
				}
				by.filter.Order = order
				w.tries(by.filter)
				// The policies look up the patient of each record that the page reads.
				limits := map[string]int{"health_records": most, "record_versions": most, "assignments": 4 * most}
				list := pages[clinic.Record]{w, "Records.List", fmt.Sprintf("%s, %s, by %s", name, filtered, order), who.caller, limits, func(page clinic.PageRequest) (clinic.Page[clinic.Record], error) {
					return w.server.Records.List(t.Context(), who.caller, by.filter, page)
				}}
				if by.paged {
					list.checkAll(t)
				} else {
					list.checkFirst(t)
				}
			}
		}
	}
}

const pageRows = clinic.DefaultPageSize + 1

func (w town) somebodyOfBusy() int64 {
	return int64(w.db.Count(`SELECT max(patient_id) FROM assignments WHERE doctor_id = $1`, w.busyID))
}

func (w town) checkAssignments(t *testing.T) {
	t.Helper()
	list := func(name string, caller clinic.Caller, limits map[string]int, filter clinic.AssignmentFilter) {
		w.tries(filter)
		pages[clinic.Assignment]{w, "Assignments.List", name, caller, limits, func(page clinic.PageRequest) (clinic.Page[clinic.Assignment], error) {
			return w.server.Assignments.List(t.Context(), caller, filter, page)
		}}.checkAll(t)
	}
	active := true
	one := int64(w.db.Count(`SELECT max(id) FROM assignments WHERE doctor_id = $1`, w.busyID))
	get := func(caller clinic.Caller) func() error {
		return func() error {
			_, err := w.server.Assignments.Get(t.Context(), caller, one)
			return err
		}
	}
	w.check(t, "one to an administrator", w.admin, nil, get(w.admin))
	w.check(t, "one to its doctor", w.busy, nil, get(w.busy))
	list("of a patient", w.admin, nil, clinic.AssignmentFilter{PatientID: w.somebody})
	list("of a patient that run", w.admin, nil, clinic.AssignmentFilter{PatientID: w.somebody, Active: &active})
	list("of a pair", w.admin, nil, clinic.AssignmentFilter{PatientID: w.somebody, DoctorID: w.busyID})
	list("of a doctor", w.admin, map[string]int{"assignments_doctor_idx": 2 * townPatients, "assignments": 2 * townPatients},
		clinic.AssignmentFilter{DoctorID: w.busyID})
	list("of the calling doctor", w.busy, map[string]int{"assignments": 8 * patientsOfBusy, "assignments_doctor_idx": 4 * patientsOfBusy},
		clinic.AssignmentFilter{})
	list("of a source", w.admin, nil, clinic.AssignmentFilter{Source: clinic.SourceBreakGlass})
	list("of the calling patient", w.chronic, nil, clinic.AssignmentFilter{})
	w.check(t, "making one", w.admin, nil, func() error {
		_, _, err := w.server.Assignments.Assign(t.Context(), w.admin, clinic.AssignmentRequest{PatientID: w.chronicID, DoctorID: w.busyID, Reason: "care"}, clinic.Idempotency{})
		return err
	})
	w.check(t, "reading one with its claims", w.admin, nil, func() error {
		_, err := w.server.Assignments.Get(t.Context(), w.admin, one)
		return err
	})
	w.check(t, "lifting a hold", w.admin, nil, func() error { return w.server.Assignments.LiftHold(t.Context(), w.admin, one) })
	w.check(t, "ending one", w.admin, nil, func() error {
		_, err := w.server.Assignments.End(t.Context(), w.admin, one, true)
		return err
	})
}

func (w town) checkAuditLog(t *testing.T) {
	t.Helper()
	user := int64(w.db.Count(`SELECT user_id FROM patient_profiles WHERE id = $1`, w.somebody))
	yesterday, tomorrow := time.Now().AddDate(0, 0, -1), time.Now().AddDate(0, 0, 1)
	for name, filter := range map[string]clinic.AuditFilter{
		"all": {}, "of a user": {UserID: user}, "of a user who did much": {UserID: w.busy.UserID}, "of a patient": {PatientID: w.somebody},
		"of a patient and user": {PatientID: w.somebody, UserID: user}, "of a patient and another user": {PatientID: w.somebody, UserID: w.busy.UserID},
		"of a user and time": {UserID: user, From: &yesterday}, "of a patient and time": {PatientID: w.somebody, From: &yesterday, To: &tomorrow},
		"of a user and operation": {UserID: user, Operation: "getRecord"}, "of a patient and decision": {PatientID: w.somebody, Decision: "forbidden"},
		"of nobody": {UserID: 1 << 40}, "of no patient": {PatientID: 1 << 40},
	} {
		w.tries(filter)
		log[clinic.AuditEvent]{w, "AuditLog.List", name, w.admin, nil, func(before int64) (clinic.Log[clinic.AuditEvent], error) {
			return w.server.AuditLog.List(t.Context(), w.admin, filter, before, 0)
		}}.checkAll(t)
	}
	// No index supports the other filters: the statement reads the log until the page is full, as
	// docs/operations.md says.
	all := map[string]int{"audit_log": 2 * (auditRows + auditRowsOfBusy)}
	for name, filter := range map[string]clinic.AuditFilter{
		"of an operation": {Operation: "getRecord"}, "of a decision": {Decision: "forbidden"}, "of a time": {To: &yesterday},
	} {
		log[clinic.AuditEvent]{w, "AuditLog.List", name, w.admin, all, func(before int64) (clinic.Log[clinic.AuditEvent], error) {
			return w.server.AuditLog.List(t.Context(), w.admin, filter, before, 0)
		}}.checkAll(t)
	}
	theirs := map[string]int{"audit_log": 3 * auditRowsOfBusy}
	log[clinic.AuditEvent]{w, "AuditLog.List", "of a patient with many", w.admin, theirs, func(before int64) (clinic.Log[clinic.AuditEvent], error) {
		return w.server.AuditLog.List(t.Context(), w.admin, clinic.AuditFilter{PatientID: w.chronicID}, before, 0)
	}}.checkAll(t)
	few := testkit.CallerOf(clinic.User{ID: user, Role: clinic.RolePatient})
	for name, who := range map[string]struct {
		caller clinic.Caller
		limits map[string]int
	}{"of the calling patient": {w.chronic, theirs}, "of a calling patient with few": {few, nil}} {
		log[clinic.Access]{w, "AuditLog.ListAccesses", name, who.caller, who.limits, func(before int64) (clinic.Log[clinic.Access], error) {
			return w.server.AuditLog.ListAccesses(t.Context(), who.caller, before, 0)
		}}.checkAll(t)
	}
}
