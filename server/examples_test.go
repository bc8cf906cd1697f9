package server_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// TestExamplesOfTheDocumentAreTaken sends the bodies that the documentation page fills in.
func TestExamplesOfTheDocumentAreTaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	admin := w.admin()
	doctor := w.doctor(admin, "doctor1")
	try := func(token, method, path, example string) map[string]any {
		t.Helper()
		body := exampleOf(w.contract.document.Paths.Find(path).GetOperation(method), example)
		got := w.do(call{method: method, path: strings.Replace(path, "{id}", "1", 1), token: token, body: body})
		if got.status >= http.StatusMultipleChoices {
			t.Errorf("%s %s with %v is answered %d %s", method, path, body, got.status, got.body)
			return nil
		}
		return got.object(t)
	}
	try("", post, "/api/auth/register/", "")
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
}

// wantAccount makes sure that the account exists, even if its registration in the test failed.
func (w *world) wantAccount(username string) {
	w.t.Helper()
	body := map[string]any{"username": username, "password": password, "password_confirm": password, "user_type": "PATIENT"}
	w.do(call{method: post, path: "/api/auth/register/", body: body})
}

// exampleOf returns the operation's example of a body, or else the body that Swagger UI builds from the schema's examples.
func exampleOf(op *openapi3.Operation, name string) any {
	content := op.RequestBody.Value.Content.Get("application/json")
	switch {
	case content.Examples[name] != nil:
		return content.Examples[name].Value.Value
	case content.Examples["example"] != nil:
		return content.Examples["example"].Value.Value
	}
	return sampleOf(content.Schema.Value)
}

func sampleOf(schema *openapi3.Schema) any {
	var given struct{ Examples []any }
	if written, err := json.Marshal(schema); err == nil && json.Unmarshal(written, &given) == nil && len(given.Examples) > 0 {
		return given.Examples[0]
	}
	switch {
	case len(schema.Enum) > 0:
		return schema.Enum[0]
	case schema.Type.Is("object"):
		object := map[string]any{}
		for name, property := range schema.Properties {
			object[name] = sampleOf(property.Value)
		}
		return object
	case schema.Type.Is("integer"):
		return 0
	case schema.Type.Is("boolean"):
		return true
	case schema.Format == "date":
		return "2025-05-27"
	}
	return "string"
}
