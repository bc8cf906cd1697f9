package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
)

// selfAssign is a request of a doctor for a patient, with further fields of the body.
func selfAssign(doctor person, patient int64, more map[string]any) call {
	body := map[string]any{"patient_id": patient}
	for name, value := range more {
		body[name] = value
	}
	return call{method: post, path: "/api/auth/assign-doctor/", token: doctor.token, body: body}
}

func TestSelfAssignmentTakesAConfirmation(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	doctor := s.world.doctor(s.admin, "newcomer")
	confirmed := map[string]any{"reason": "on call", "password": password}

	missing := s.do(selfAssign(doctor, s.patient.profile, nil))
	var fields []string
	for i := range dig[[]any](t, missing.object(t), "errors") {
		fields = append(fields, dig[string](t, missing.object(t), "errors", i, "field"))
	}
	if missing.status != http.StatusUnprocessableEntity || codeOf(t, missing) != "confirmation_required" || fmt.Sprint(fields) != "[reason password]" {
		t.Errorf("without a confirmation it is answered %d %s, which names %v", missing.status, missing.body, fields)
	}
	wrong := s.do(selfAssign(doctor, s.patient.profile, map[string]any{"reason": "on call", "password": "wrong"}))
	if wrong.status != http.StatusUnprocessableEntity || codeOf(t, wrong) != "wrong_password" {
		t.Errorf("with a wrong password it is answered %d %s", wrong.status, wrong.body)
	}
	s.want(http.StatusNotFound, call{method: get, path: s.record, token: doctor.token})

	got := s.want(http.StatusOK, selfAssign(doctor, s.patient.profile, confirmed))
	end, err := time.Parse(time.RFC3339, dig[string](t, got, "assignment", "ends_at"))
	if begin, _ := time.Parse(time.RFC3339, dig[string](t, got, "assignment", "starts_at")); err != nil || end.Sub(begin).Round(time.Minute) != clinic.SelfAssignmentTime {
		t.Errorf("the assignment is %v", got["assignment"])
	}
	s.want(http.StatusOK, call{method: get, path: s.record, token: doctor.token})
	s.want(http.StatusOK, selfAssign(doctor, s.patient.profile, confirmed)) // creates nothing

	s.settle()
	if told := s.notified(s.admin, "SELF_ASSIGNED"); len(told) != 1 {
		t.Errorf("the administrator's notifications are %v", told)
	}
	err = testutil.GatherAndCompare(s.metrics, strings.NewReader(`
# HELP healthrecords_self_assignments_total Assignments that doctors created for themselves, by the value of DOCTOR_SELF_ASSIGNMENT.
# TYPE healthrecords_self_assignments_total counter
healthrecords_self_assignments_total{mode="confirm"} 1
`), "healthrecords_self_assignments_total")
	if err != nil {
		t.Error(err)
	}
}

// TestSelfAssignmentTellsNothingBeforeItIsConfirmed requests an assigned patient, an
// unassigned one, and one who does not exist.
func TestSelfAssignmentTellsNothingBeforeItIsConfirmed(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	other := s.world.patient("patient2")
	for name, body := range map[string]map[string]any{
		"nothing":          {},
		"no reason":        {"password": password},
		"no password":      {"reason": "care"},
		"a wrong password": {"reason": "care", "password": "wrong"},
		"a wrong code":     {"reason": "care", "totp_code": "000000"},
		"an end that was":  {"reason": "care", "password": password, "ends_at": "2025-05-27T10:00:00Z"},
	} {
		var answers []string
		for _, patient := range []int64{s.patient.profile, other.profile, other.profile + missingAfter} {
			got := s.do(selfAssign(s.doctor, patient, body))
			if got.status != http.StatusUnprocessableEntity {
				t.Errorf("%s is answered %d: %s", name, got.status, got.body)
			}
			answers = append(answers, anonymized(got))
		}
		if answers[0] != answers[1] || answers[1] != answers[2] {
			t.Errorf("%s tells one patient from another:\n%s", name, strings.Join(answers, "\n"))
		}
	}
}

func TestRefusedConfirmationsHaveTheirAuditRow(t *testing.T) {
	t.Parallel()
	database := testkit.NewDatabase(t, rights.Migrate)
	w, db := newWorldOn(t, database), testkit.NewFactory(t, database)
	patient, doctor := w.patient("patient1"), w.doctor(w.admin(), "doctor1")
	for i := range 11 {
		want, decision := http.StatusUnprocessableEntity, "invalid"
		if i == 10 {
			want, decision = http.StatusTooManyRequests, "too_many_attempts"
		}
		got := w.do(selfAssign(doctor, patient.profile, map[string]any{"reason": "care", "password": "wrong"}))
		if got.status != want {
			t.Errorf("wrong password %d is answered %d: %s", i+1, got.status, got.body)
		}
		if n := db.Count(`SELECT count(*) FROM audit_log WHERE request_id = $1 AND user_id = $2 AND operation = 'assignDoctor' AND decision = $3
			AND object_kind = 'patient' AND object_id = $4`, got.header.Get("X-Request-ID"), doctor.userID, decision, patient.profile); n != 1 {
			t.Errorf("wrong password %d has %d audit rows", i+1, n)
		}
	}
	if got := w.do(selfAssign(w.loggedIn("doctor1"), patient.profile, map[string]any{"reason": "care", "password": password})); got.status != http.StatusOK {
		t.Errorf("another session is answered %d: %s", got.status, got.body)
	}
}

func TestSelfAssignmentCanBeOff(t *testing.T) {
	t.Parallel()
	database := testkit.NewDatabase(t, rights.Migrate)
	db := testkit.NewFactory(t, database)
	w := newReplica(t, replica{database: database, keys: newKeys(t), selfTerms: clinic.SelfAssignmentOff})
	admin := w.admin()
	patient, doctor := w.patient("patient1"), w.doctor(admin, "doctor1")
	for _, body := range []map[string]any{{}, {"reason": "care", "password": password}} {
		got := w.do(selfAssign(doctor, patient.profile, body))
		if got.status != http.StatusForbidden || codeOf(t, got) != "self_assignment_off" {
			t.Errorf("it is answered %d: %s", got.status, got.body)
		}
		if n := db.Count(`SELECT count(*) FROM audit_log WHERE request_id = $1 AND decision = 'forbidden'`, got.header.Get("X-Request-ID")); n != 1 {
			t.Errorf("the refusal has %d audit rows", n)
		}
	}
	w.assign(admin, patient, doctor)
}

// TestAdministratorsGiveAssignmentsAnEnd: the end may be any time in the future.
func TestAdministratorsGiveAssignmentsAnEnd(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	doctor := s.world.doctor(s.admin, "newcomer")
	// The last one is in the year 10000 in UTC, which JSON cannot express.
	for _, wrong := range []string{"2025-05-27T10:00:00Z", "9999-12-31T23:59:59-14:00"} {
		assign := selfAssign(s.admin, s.patient.profile, map[string]any{"doctor_id": doctor.profile, "ends_at": wrong})
		if got := s.want(http.StatusUnprocessableEntity, assign); dig[string](t, got, "errors", 0, "field") != "ends_at" {
			t.Errorf("the end %s is answered %v", wrong, got)
		}
	}
	end := time.Now().AddDate(3, 0, 0).UTC().Truncate(time.Second)
	assign := selfAssign(s.admin, s.patient.profile, map[string]any{"doctor_id": doctor.profile, "ends_at": end})
	if got := s.want(http.StatusOK, assign); dig[string](t, got, "assignment", "ends_at") != end.Format(time.RFC3339) {
		t.Errorf("assignment = %v", got["assignment"])
	}
	s.settle()
	if told := s.notified(s.admin, "SELF_ASSIGNED"); len(told) > 0 {
		t.Errorf("the administrator's notifications are %v", told)
	}
}
