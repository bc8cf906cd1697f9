package server_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// setup is a patient with a record, and a doctor who is assigned to them.
type setup struct {
	*world
	admin, patient, doctor person
	record                 string // path
}

func newSetup(t *testing.T) *setup {
	t.Helper()
	w := newWorld(t)
	s := &setup{world: w, admin: w.admin(), patient: w.patient("patient1")}
	s.doctor = w.doctor(s.admin, "doctor1")
	w.assign(s.admin, s.patient, s.doctor)
	s.record = fmt.Sprintf("/api/health-records/%d/", w.record(s.patient))
	return s
}

func (s *setup) etag(p person) string {
	s.t.Helper()
	return s.do(call{method: get, path: s.record, token: p.token}).header.Get("ETag")
}

func (s *setup) comment(private bool) {
	s.t.Helper()
	s.want(http.StatusCreated, call{
		method: post, path: s.record + "comments/", token: s.doctor.token, body: map[string]any{"comment": "Rest.", "is_private": private},
	})
}

func TestETagsFollowWhatTheReaderSees(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	first, doctors := s.etag(s.patient), s.etag(s.doctor)
	s.comment(true)
	if got := s.etag(s.patient); got != first {
		t.Errorf("a private comment shows in the patient's ETag: %s, was %s", got, first)
	}
	if got := s.etag(s.doctor); got == doctors {
		t.Error("a private comment does not show in the doctor's ETag")
	}
	s.comment(false)
	if got := s.etag(s.patient); got == first {
		t.Error("a comment does not show in the patient's ETag")
	}
	unchanged := s.do(call{method: get, path: s.record, token: s.patient.token, header: map[string]string{"If-None-Match": `"x", W/` + s.etag(s.patient)}})
	if unchanged.status != http.StatusNotModified || len(unchanged.body) != 0 || unchanged.header.Get("ETag") == "" {
		t.Errorf("the answer for a current ETag is %d %q", unchanged.status, unchanged.body)
	}
}

func TestStaleChangesAreRefused(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	read := s.etag(s.patient)
	change := func(method, ifMatch string, body any) answer {
		return s.do(call{method: method, path: s.record, token: s.patient.token, body: body, header: map[string]string{"If-Match": ifMatch}})
	}
	changed := change(patch, read, map[string]any{"title": "Second"})
	if changed.status != http.StatusOK || changed.header.Get("ETag") == read {
		t.Fatalf("a fresh change was answered %d, ETag %s", changed.status, changed.header.Get("ETag"))
	}
	now := changed.header.Get("ETag")
	for _, stale := range []string{read, "W/" + now, `"of another server"`, read + `, "x"`} {
		for method, body := range map[string]any{put: visit(), patch: map[string]any{"title": "Lost"}, remove: nil} {
			if got := change(method, stale, body); got.status != http.StatusPreconditionFailed {
				t.Errorf("%s with If-Match: %s answered %d, want 412", method, stale, got.status)
			}
		}
	}
	if got := change(put, read+", "+now, visit()); got.status != http.StatusOK {
		t.Errorf("a list with the current tag answered %d", got.status)
	}
	if got := change(remove, "*", nil); got.status != http.StatusNoContent {
		t.Errorf("If-Match: * answered %d", got.status)
	}
	if got := change(remove, "*", nil); got.status != http.StatusNotFound {
		t.Errorf("deleting again answered %d", got.status)
	}
}

func TestPutReplacesAndPatchMerges(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	replaced := s.want(http.StatusOK, call{method: put, path: s.record, token: s.patient.token, body: map[string]any{
		"record_type": "DIAGNOSIS", "title": "Cold", "visit_date": "2025-06-01T08:00:00Z", "symptoms": "Cough",
	}})
	kept := visit()
	for field, want := range map[string]any{
		"record_type": "DIAGNOSIS", "title": "Cold", "symptoms": "Cough", "description": kept["description"], "medications": kept["medications"],
	} {
		if replaced[field] != want {
			t.Errorf("PUT left %s = %v, want %v", field, replaced[field], want)
		}
	}
	merged := s.want(http.StatusOK, call{
		method: patch, path: s.record, token: s.patient.token, body: map[string]any{"symptoms": nil, "treatment": "Tea"},
		header: map[string]string{"Content-Type": "application/merge-patch+json"},
	})
	for field, want := range map[string]any{"title": "Cold", "symptoms": "", "treatment": "Tea"} {
		if merged[field] != want {
			t.Errorf("PATCH left %s = %v, want %v", field, merged[field], want)
		}
	}
	cleared := s.want(http.StatusOK, call{method: put, path: s.record, token: s.patient.token, body: map[string]any{
		"record_type": "DIAGNOSIS", "title": "Cold", "visit_date": "2025-06-01T08:00:00Z", "description": nil, "medications": "",
	}})
	for field, want := range map[string]any{"description": "", "medications": "", "treatment": "Tea"} {
		if cleared[field] != want {
			t.Errorf("PUT left %s = %v, want %v", field, cleared[field], want)
		}
	}
	for _, field := range []string{"title", "record_type", "visit_date"} {
		s.want(http.StatusUnprocessableEntity, call{method: patch, path: s.record, token: s.patient.token, body: map[string]any{field: nil}})
	}
	s.want(http.StatusUnprocessableEntity, call{method: put, path: s.record, token: s.patient.token, body: map[string]any{"title": "Only"}})
}

func TestProfileUpdates(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	path := "/api/auth/profile/"
	s.want(http.StatusOK, call{method: patch, path: path, token: s.patient.token, body: map[string]any{
		"first_name": "Johnny", "blood_type": "A+", "date_of_birth": "1980-02-29", "address": "1 Main Street",
	}})
	replaced := s.want(http.StatusOK, call{method: put, path: path, token: s.patient.token, body: map[string]any{
		"email": "", "first_name": "John", "last_name": "Doe", "phone_number": "+49 30 1234",
	}})
	want := map[string]any{
		"id": float64(s.patient.userID), "username": "patient1", "email": "", "first_name": "John", "last_name": "Doe",
		"user_type": "PATIENT", "phone_number": "+49 30 1234", "patient_profile": map[string]any{
			"id": float64(s.patient.profile), "date_of_birth": "1980-02-29", "blood_type": "A+", "address": "1 Main Street", "emergency_contact": "",
		},
	}
	if diff := cmp.Diff(want, replaced); diff != "" {
		t.Errorf("after PUT (-want +got)\n%s", diff)
	}
	cleared := s.want(http.StatusOK, call{method: patch, path: path, token: s.patient.token, body: map[string]any{"date_of_birth": nil, "blood_type": nil}})
	if p := dig[map[string]any](t, cleared, "patient_profile"); p["date_of_birth"] != nil || p["blood_type"] != "" {
		t.Errorf("null did not clear: %v", p)
	}
	for _, refused := range []map[string]any{
		{"specialization": "Surgery"}, {"date_of_birth": "29.2.1980"}, {"blood_type": "C"}, {"is_verified": true},
	} {
		s.want(http.StatusUnprocessableEntity, call{method: patch, path: path, token: s.patient.token, body: refused})
	}
	doctor := s.want(http.StatusOK, call{method: patch, path: path, token: s.doctor.token, body: map[string]any{"years_of_experience": 5}})
	if dig[float64](t, doctor, "doctor_profile", "years_of_experience") != 5 || !dig[bool](t, doctor, "doctor_profile", "is_verified") {
		t.Errorf("doctor's profile = %v", doctor)
	}
}

func TestRepeatedPostsAreAnsweredTheSame(t *testing.T) { //nolint:tparallel // the token of a subtest that waits for its turn could expire
	t.Parallel()
	s := newSetup(t)
	key := func(k string) map[string]string { return map[string]string{"Idempotency-Key": k} }
	other := visit()
	other["title"] = "Another"
	for _, test := range []struct {
		name   string
		call   call
		other  any
		status int
	}{
		{"record", call{method: post, path: "/api/health-records/", token: s.patient.token, body: visit(), header: key("k1")}, other, 201},
		{"comment", call{method: post, path: s.record + "comments/", token: s.doctor.token, body: map[string]any{"comment": "Rest."}, header: key("k1")}, map[string]any{"comment": "Run."}, 201},
		{"registration", call{method: post, path: "/api/auth/register/", body: map[string]any{
			"username": "patient2", "password": password, "password_confirm": password, "user_type": "PATIENT",
		}, header: key("k1")}, map[string]any{"username": "patient2", "password": password, "password_confirm": password, "user_type": "DOCTOR"}, 201},
		{
			"assignment",
			call{method: post, path: "/api/auth/assign-doctor/", token: s.doctor.token, body: map[string]any{
				"patient_id": s.patient.profile, "reason": "care", "password": password,
			}, header: key("k1")},
			map[string]any{"patient_id": s.patient.profile, "reason": "other", "password": password},
			200,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			first, second := s.do(test.call), s.do(test.call)
			if first.status != test.status || second.status != test.status {
				t.Fatalf("answered %d and %d: %s", first.status, second.status, second.body)
			}
			one, two := first.object(t), second.object(t)
			delete(one, "tokens") // each request starts a new session
			delete(two, "tokens")
			if diff := cmp.Diff(one, two); diff != "" {
				t.Errorf("the repetition differs (-first +second)\n%s", diff)
			}
			changed := test.call
			changed.body = test.other
			got := s.do(changed)
			if got.status != http.StatusUnprocessableEntity || got.object(t)["code"] != "idempotency_key_reused" {
				t.Errorf("another body under the key answered %d %s", got.status, got.body)
			}
		})
	}
}

func TestARepetitionOfWhatIsDeletedIs410(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	create := call{method: post, path: "/api/health-records/", token: s.patient.token, body: visit(), header: map[string]string{"Idempotency-Key": "k1"}}
	path := fmt.Sprintf("/api/health-records/%.0f/", s.want(http.StatusCreated, create)["id"])
	comment := call{method: post, path: path + "comments/", token: s.doctor.token, body: map[string]any{"comment": "Rest."}, header: create.header}
	s.want(http.StatusCreated, comment)
	s.want(http.StatusNoContent, call{method: remove, path: path, token: s.patient.token})
	for name, c := range map[string]call{"record": create, "comment": comment} {
		if got := s.want(http.StatusGone, c); got["code"] != "gone" {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestAssigningAnswersWithThePatient(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	other := s.world.patient("patient2")
	body := map[string]any{"patient_id": other.profile, "reason": "second opinion", "password": password}
	first := s.want(http.StatusOK, call{method: post, path: "/api/auth/assign-doctor/", token: s.doctor.token, body: body})
	equal(t, "assignment", first["assignment"], map[string]any{
		"id": some, "patient": first["patient"], "doctor": some, "source": "rest", "declared_by": nil, "requested_by": "doctor1",
		"reason": "second opinion", "is_active": true, "starts_at": some, "ends_at": some, "created_at": some, "claims": nil,
	})
	if dig[float64](t, first, "patient", "id") != float64(other.profile) || dig[string](t, first, "patient", "user", "username") != "patient2" {
		t.Errorf("patient = %v", first["patient"])
	}
	again := s.want(http.StatusOK, call{method: post, path: "/api/auth/assign-doctor/", token: s.doctor.token, body: body})
	if diff := cmp.Diff(first["assignment"], again["assignment"]); diff != "" || first["message"] == again["message"] {
		t.Errorf("assigning again: %v %s", again["message"], diff)
	}
	s.want(http.StatusUnprocessableEntity, call{method: post, path: "/api/auth/assign-doctor/", token: s.admin.token, body: body})
	body["patient_id"] = 999_999
	s.want(http.StatusNotFound, call{method: post, path: "/api/auth/assign-doctor/", token: s.doctor.token, body: body})
}

func TestNotificationsAreReadOnce(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.comment(false)
	s.comment(true)
	s.settle()
	list := s.want(http.StatusOK, call{method: get, path: "/api/notifications/?is_read=false", token: s.patient.token})
	if dig[float64](t, list, "count") != 2 {
		t.Fatalf("unread = %v, want the assignment and the public comment", list)
	}
	newest := dig[map[string]any](t, list, "results", 0)
	equal(t, "notification", newest, map[string]any{
		"id": some, "notification_type": "COMMENT_ADDED", "title": some, "message": some, "is_read": false, "created_at": some,
		"patient": float64(s.patient.profile), "doctor": float64(s.doctor.profile), "health_record": some, "comment": some, "assignment": nil,
		"user": nil,
	})
	read := s.want(http.StatusOK, call{method: post, path: fmt.Sprintf("/api/notifications/%d/read/", int(dig[float64](t, newest, "id"))), token: s.patient.token})
	if !dig[bool](t, read, "is_read") {
		t.Errorf("it is still unread: %v", read)
	}
	for _, want := range []float64{1, 0} {
		all := s.want(http.StatusOK, call{method: post, path: "/api/notifications/mark-all-read/", token: s.patient.token})
		if dig[float64](t, all, "updated") != want || all["message"] == "" {
			t.Errorf("mark-all-read = %v, want %v", all, want)
		}
	}
}
