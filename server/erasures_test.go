package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// secondAdmin returns an administrator beside that of admin.
func (w *world) secondAdmin() person {
	w.t.Helper()
	u, err := w.owner.Create(w.t.Context(), clinic.Registration{Username: "second-admin", Password: password, Role: clinic.RoleAdmin})
	testkit.Must(w.t, err)
	return person{username: u.Username, userID: u.ID, token: w.loggedIn(u.Username).token}
}

// TestTwoAdministratorsEraseAPatient takes the whole way over REST.
func TestTwoAdministratorsEraseAPatient(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first, owner := w.admin(), w.patient("owner")
	second := w.secondAdmin()
	doctor := w.doctor(first, "doctor")
	w.assign(first, owner, doctor)
	record := w.record(owner)
	hold, erasure := fmt.Sprintf("/api/patients/%d/legal-hold/", owner.profile), fmt.Sprintf("/api/patients/%d/erasure/", owner.profile)
	reason := map[string]any{"reason": "asked for it in writing"}
	refused := func(code string, c call) {
		t.Helper()
		if got := w.want(http.StatusConflict, c); got["code"] != code {
			t.Errorf("%s %s answers %v, want %s", c.method, c.path, got["code"], code)
		}
	}
	placed := w.want(http.StatusOK, call{method: http.MethodPut, path: hold, token: first.token, body: map[string]any{"reason": "lawsuit"}})
	if read := w.want(http.StatusOK, call{method: get, path: hold, token: second.token}); fmt.Sprint(read) != fmt.Sprint(placed) || read["placed_by"] != float64(first.userID) {
		t.Errorf("the hold was answered as %v, and is read as %v", placed, read)
	}
	refused("legal_hold", call{method: post, path: erasure, token: first.token, body: reason})
	w.want(http.StatusNoContent, call{method: http.MethodDelete, path: hold, token: second.token})

	asked := w.want(http.StatusCreated, call{method: post, path: erasure, token: first.token, body: reason})
	if asked["state"] != "requested" || asked["removed"] != nil || asked["erased_at"] != nil || asked["confirmed_by"] != nil {
		t.Errorf("the request is %v", asked)
	}
	refused("erasure_requested", call{method: post, path: erasure, token: second.token, body: reason})
	refused("own_request", call{method: post, path: erasure + "confirm/", token: first.token})
	w.settle()
	list := w.want(http.StatusOK, call{method: get, path: "/api/notifications/", token: second.token})
	if text := dig[string](t, list, "results", 0, "message"); dig[string](t, list, "results", 0, "notification_type") != "ERASURE_REQUESTED" || !strings.Contains(text, "(owner)") {
		t.Errorf("the other administrator reads %q", text)
	}
	certificate := w.want(http.StatusOK, call{method: post, path: erasure + "confirm/", token: second.token})
	if certificate["state"] != "erased" || certificate["requested_by"] != float64(first.userID) || certificate["confirmed_by"] != float64(second.userID) ||
		dig[float64](t, certificate, "removed", "records") != 1 || certificate["erased_at"] == nil || certificate["schema_version"] == nil {
		t.Errorf("the certificate is %v", certificate)
	}
	if read := w.want(http.StatusOK, call{method: get, path: erasure, token: first.token}); fmt.Sprint(read) != fmt.Sprint(certificate) {
		t.Errorf("the certificate is read as %v", read)
	}
	page := w.want(http.StatusOK, call{method: get, path: "/api/erasures/", token: first.token})
	if fmt.Sprint(dig[map[string]any](t, page, "results", 0)) != fmt.Sprint(certificate) || page["count"] != float64(1) {
		t.Errorf("the list is %v", page)
	}
	refused("erased", call{method: post, path: fmt.Sprintf("/api/users/%d/enable/", owner.userID), token: first.token})
	w.want(http.StatusUnauthorized, call{method: get, path: "/api/auth/profile/", token: owner.token})
	w.want(http.StatusNotFound, call{method: get, path: fmt.Sprintf("/api/health-records/%d/", record), token: doctor.token})
	w.want(http.StatusNotFound, call{
		method: post, path: "/api/auth/assign-doctor/", token: first.token,
		body: map[string]any{"patient_id": owner.profile, "doctor_id": doctor.profile},
	})
	for _, path := range []string{"/api/patients/", "/api/users/", "/api/assignments/", "/api/audit/", "/api/notifications/"} {
		if got := w.do(call{method: get, path: path, token: second.token}); got.status != http.StatusOK || strings.Contains(string(got.body), "owner") {
			t.Errorf("%s answers %d, and names the patient: %s", path, got.status, got.body)
		}
	}
}
