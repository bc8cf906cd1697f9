package server_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
)

// TestWalkthrough sends the requests of the README's walkthrough. It compares the
// shape of each answer with its example, and the content if that is predictable.
func TestWalkthrough(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	admin := w.admin()

	registered := w.want(http.StatusCreated, call{method: post, path: "/api/auth/register/", body: `{
		"username": "patient1", "email": "patient@example.com", "password": "securepass123", "password_confirm": "securepass123",
		"first_name": "John", "last_name": "Doe", "user_type": "PATIENT", "phone_number": "+1234567890"}`})
	john := map[string]any{
		"id": dig[float64](t, registered, "user", "id"), "username": "patient1", "email": "patient@example.com",
		"first_name": "John", "last_name": "Doe", "user_type": "PATIENT",
	}
	equal(t, "registration", registered, map[string]any{"user": john, "tokens": map[string]any{"refresh": some, "access": some}})

	jane := w.want(http.StatusCreated, call{method: post, path: "/api/auth/register/", body: `{
		"username": "doctor1", "email": "doctor@example.com", "password": "securepass123", "password_confirm": "securepass123",
		"first_name": "Jane", "last_name": "Smith", "user_type": "DOCTOR", "phone_number": "+1234567891"}`})
	doctorToken := dig[string](t, jane, "tokens", "access")

	login := w.want(http.StatusOK, call{method: post, path: "/api/auth/login/", body: `{"username": "patient1", "password": "securepass123"}`})
	equal(t, "login", login, map[string]any{"user": john, "tokens": map[string]any{"refresh": some, "access": some}, "refresh": some, "access": some})
	patientToken := dig[string](t, login, "access")

	profile := w.want(http.StatusOK, call{method: get, path: "/api/auth/profile/", token: patientToken})
	patientID := dig[float64](t, profile, "patient_profile", "id")
	doctorID := dig[float64](t, w.want(http.StatusOK, call{method: get, path: "/api/auth/profile/", token: doctorToken}), "doctor_profile", "id")
	w.want(http.StatusOK, call{method: post, path: fmt.Sprintf("/api/doctors/%d/verify/", int(doctorID)), token: admin.token})
	w.assign(admin, person{profile: int64(patientID)}, person{profile: int64(doctorID)})

	example := map[string]any{
		"id": some, "patient": patientID, "record_type": "CHECKUP", "title": "Annual Physical",
		"description": "Routine annual physical examination", "symptoms": "No specific symptoms", "diagnosis": "Patient appears healthy",
		"treatment": "Continue current lifestyle", "medications": "None", "visit_date": "2025-05-27T10:00:00Z",
		"created_by": john, "doctor_comments": []any{}, "created_at": some, "updated_at": some,
	}
	record := w.want(http.StatusCreated, call{method: post, path: "/api/health-records/", token: patientToken, body: visit()})
	equal(t, "record", record, example)
	path := fmt.Sprintf("/api/health-records/%d/", int(dig[float64](t, record, "id")))

	commented := w.want(http.StatusCreated, call{method: post, path: path + "comments/", token: doctorToken, body: `{
		"comment": "Patient shows good health indicators. Recommend annual follow-up.", "is_private": false}`})
	comment := map[string]any{
		"id": some, "comment": "Patient shows good health indicators. Recommend annual follow-up.", "is_private": false, "created_at": some, "updated_at": some,
		"doctor": map[string]any{"id": doctorID, "name": "Jane Smith", "specialization": "General Medicine", "license_number": some, "years_of_experience": 0.0},
	}
	equal(t, "comment", commented, comment)
	example["doctor_comments"] = []any{comment}
	equal(t, "record with its comment", w.want(http.StatusOK, call{method: get, path: path, token: patientToken}), example)

	w.settle()
	for token, want := range map[string][]string{
		patientToken: {"COMMENT_ADDED", "PATIENT_ASSIGNED"},
		doctorToken:  {"LICENSE_VERIFIED", "NEW_RECORD", "PATIENT_ASSIGNED"},
	} {
		list := w.want(http.StatusOK, call{method: get, path: "/api/notifications/", token: token})
		var types []string
		for i := range int(dig[float64](t, list, "count")) {
			types = append(types, dig[string](t, list, "results", i, "notification_type"))
		}
		slices.Sort(types)
		if diff := cmp.Diff(want, types); diff != "" {
			t.Errorf("notifications (-want +got)\n%s", diff)
		}
	}

	refreshed := w.want(http.StatusOK, call{method: post, path: "/api/auth/token/refresh/", body: map[string]any{"refresh": dig[string](t, login, "refresh")}})
	equal(t, "refresh", refreshed, map[string]any{"refresh": some, "access": some})
}

// TestADoctorAssignsThemselvesAsInTheSeed: an operator can let doctors assign
// themselves without a password, a reason or an end.
func TestADoctorAssignsThemselvesAsInTheSeed(t *testing.T) {
	t.Parallel()
	w := newReplica(t, replica{database: testkit.NewDatabase(t, rights.Migrate), keys: newKeys(t), selfTerms: clinic.SelfAssignmentOpen})
	admin := w.admin()
	patient, doctor := w.patient("patient1"), w.doctor(admin, "doctor1")
	record := call{method: get, path: fmt.Sprintf("/api/health-records/%d/", w.record(patient)), token: doctor.token}
	w.want(http.StatusNotFound, record)
	assigned := w.want(http.StatusOK, call{method: post, path: "/api/auth/assign-doctor/", token: doctor.token, body: map[string]any{"patient_id": patient.profile}})
	if end := dig[map[string]any](t, assigned, "assignment")["ends_at"]; end != nil {
		t.Errorf("it ends at %v", end)
	}
	w.want(http.StatusOK, record)
	w.settle()
	for reader, want := range map[*person]string{&patient: "PATIENT_ASSIGNED", &doctor: "PATIENT_ASSIGNED", &admin: "SELF_ASSIGNED"} {
		list := w.want(http.StatusOK, call{method: get, path: "/api/notifications/", token: reader.token})
		if got := dig[string](t, list, "results", 0, "notification_type"); got != want {
			t.Errorf("%s is notified of %s, want %s", reader.username, got, want)
		}
	}
}

// some stands for any value that is not empty.
const some = "some value"

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	undetermined := cmp.FilterValues(func(a, b any) bool { return a == some || b == some }, cmp.Comparer(func(a, b any) bool {
		if a == some {
			a = b
		}
		return a != nil && a != ""
	}))
	if diff := cmp.Diff(want, got, undetermined); diff != "" {
		t.Errorf("%s (-want +got)\n%s", what, diff)
	}
}

func TestTimesAreUTCWithAZ(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.patient("patient1")
	body := visit()
	body["visit_date"] = "2025-05-27T12:30:00.500+02:30"
	record := w.want(http.StatusCreated, call{method: post, path: "/api/health-records/", token: p.token, body: body})
	if got := dig[string](t, record, "visit_date"); got != "2025-05-27T10:00:00.5Z" {
		t.Errorf("visit_date = %s", got)
	}
	created := dig[string](t, record, "created_at")
	if _, err := time.Parse(time.RFC3339Nano, created); err != nil || !strings.HasSuffix(created, "Z") {
		t.Errorf("created_at = %s", created)
	}
}
