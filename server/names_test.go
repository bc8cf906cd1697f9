package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

func rename(p person, first, last string) call {
	return call{method: patch, path: "/api/auth/profile/", token: p.token, body: map[string]any{"first_name": first, "last_name": last}}
}

// TestEmergencyAccessUnderAnotherName lets a doctor take a name, use it, and return to
// the old one. The patient and the administrators must still see the real name.
func TestEmergencyAccessUnderAnotherName(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	doctor := s.world.doctor(s.admin, "night")
	changed := s.want(http.StatusOK, rename(doctor, "Jane", "Colleague"))
	if dig[string](t, changed, "first_name") != "First" || dig[string](t, changed, "doctor_profile", "pending_name", "last_name") != "Colleague" {
		t.Errorf("the profile is %v", changed)
	}
	s.want(http.StatusOK, breakGlass(doctor, s.patient))
	s.want(http.StatusConflict, rename(doctor, "First", "Of night")) // the new name stays pending
	s.settle()
	license := dig[string](t, changed, "doctor_profile", "license_number")
	told := "Dr. First Of night (night, license " + license + ") opened emergency access"
	for _, reader := range []person{s.patient, s.admin} {
		list := s.want(http.StatusOK, call{method: get, path: "/api/notifications/", token: reader.token})
		if got := dig[string](t, list, "results", 0, "message"); !strings.HasPrefix(got, told) {
			t.Errorf("%s reads %q", reader.username, got)
		}
	}
	for path, reader := range map[string]person{
		"/api/access-log/?page_size=20":                   s.patient,
		fmt.Sprintf("/api/audit/?user=%d", doctor.userID): s.admin,
	} {
		page := s.want(http.StatusOK, call{method: get, path: path, token: reader.token})
		var found bool
		for i := range dig[[]any](t, page, "results") {
			if entry := dig[map[string]any](t, page, "results", i); entry["operation"] == "breakGlass" {
				found = true
				user := dig[map[string]any](t, entry, "user")
				if user["username"] != "night" || user["name"] != "First Of night" || user["license_number"] != license {
					t.Errorf("%s names %v", path, user)
				}
			}
		}
		if !found {
			t.Errorf("%s has no entry of the emergency access: %v", path, page)
		}
	}
}

func TestAnAdministratorApprovesAName(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	verify := call{method: post, path: fmt.Sprintf("/api/doctors/%d/verify/", s.doctor.profile), token: s.admin.token}
	refuse := func(status int, body map[string]any) map[string]any {
		t.Helper()
		verify.body = body
		return s.want(status, verify)
	}
	s.want(http.StatusOK, rename(s.doctor, "Jane", "Miller"))
	if got := s.want(http.StatusConflict, rename(s.doctor, "Eve", "Miller")); dig[string](t, got, "code") != "name_pending" {
		t.Errorf("another name is answered %v", got)
	}
	for reader, shown := range map[person]bool{s.admin: true, s.patient: false, s.doctor: false} {
		list := s.do(call{method: get, path: "/api/auth/doctors/", token: reader.token})
		if strings.Contains(string(list.body), "pending_name") != shown || strings.Contains(string(list.body), "Miller") != shown {
			t.Errorf("%s is shown %s", reader.username, list.body)
		}
	}
	refuse(http.StatusUnprocessableEntity, map[string]any{"first_name": "Jane"})
	refuse(http.StatusUnprocessableEntity, map[string]any{"last_name": "Miller"})
	if got := refuse(http.StatusConflict, map[string]any{"first_name": "Jane", "last_name": "Other"}); dig[string](t, got, "code") != "doctor_changed" {
		t.Errorf("a name that was not there is answered %v", got)
	}
	refuse(http.StatusUnprocessableEntity, map[string]any{"is_verified": true, "verified": false})
	verify.body = map[string]any{"verified": true} // the former name
	if got := s.want(http.StatusOK, verify); dig[string](t, got, "user", "last_name") != "Miller" || got["pending_name"] != nil {
		t.Errorf("approved: %v", got)
	}
	if list := s.do(call{method: get, path: "/api/auth/doctors/", token: s.patient.token}); !strings.Contains(string(list.body), "Miller") {
		t.Errorf("the directory shows %s", list.body)
	}
}
