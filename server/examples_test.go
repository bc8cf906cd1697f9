package server_test

import (
	"cmp"
	"net/http"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// TestExamplesOfTheDocumentAreTaken sends the bodies that the documentation page fills in.
func TestExamplesOfTheDocumentAreTaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	admin := w.admin()
	doctor := w.doctor(admin, "doctor2")
	try := func(token, method, path, example string) map[string]any {
		t.Helper()
		body := exampleOf(w.contract.document.Paths.Find(path).GetOperation(method), example)
		got := w.do(call{method: method, path: filled(path, "1"), token: token, body: body})
		if got.status >= http.StatusMultipleChoices {
			t.Errorf("%s %s with %v is answered %d %s", method, path, body, got.status, got.body)
			return nil
		}
		return got.object(t)
	}
	try("", post, "/api/auth/register/", "")
	try("", post, "/api/auth/register/", "exampleForDoctor")
	w.wantAccount("patient1")
	patient := dig[string](t, try("", post, "/api/auth/login/", ""), "access")
	try(patient, post, "/api/health-records/", "")
	for _, path := range []string{"/api/health-records/{id}/", "/api/auth/profile/"} {
		try(patient, put, path, "")
		try(patient, patch, path, "")
	}
	try(doctor.token, patch, "/api/auth/profile/", "")
	try(doctor.token, post, "/api/break-glass/", "")
	try(doctor.token, post, "/api/auth/assign-doctor/", "doctor")
	try(admin.token, post, "/api/auth/assign-doctor/", "administrator")
	try(doctor.token, post, "/api/health-records/{id}/comments/", "")
	before := w.do(call{method: get, path: "/api/health-records/1/comments/", token: doctor.token}).body
	try(doctor.token, patch, "/api/comments/{id}/", "")
	if after := w.do(call{method: get, path: "/api/health-records/1/comments/", token: doctor.token}).body; string(after) == string(before) {
		t.Error("the example corrects nothing")
	}
}

// wantAccount makes sure that the account exists, even if its registration in the test failed.
func (w *world) wantAccount(username string) {
	w.t.Helper()
	body := map[string]any{"username": username, "password": password, "password_confirm": password, "user_type": "PATIENT"}
	w.do(call{method: post, path: "/api/auth/register/", body: body})
}

// exampleOf returns the operation's example of that name or, for "", the one that the documentation page fills in.
func exampleOf(op *openapi3.Operation, name string) any {
	return op.RequestBody.Value.Content.Get("application/json").Examples[cmp.Or(name, "example")].Value.Value
}
