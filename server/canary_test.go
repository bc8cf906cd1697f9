package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

const canary = "Canary-3fa1"

// TestNothingSubmittedComesBack puts a marker into every place of every
// operation's request where it is not valid, and looks for it in the answer and in
// the log.
func TestNothingSubmittedComesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	admin := w.admin()
	people := []person{w.patient("owner"), w.doctor(admin, "doctor"), admin}
	asked := 0
	w.contract.each(func(path, method string, op *openapi3.Operation) {
		for _, c := range wrongCalls(path, method, op) {
			for _, p := range people {
				c.token = p.token
				asked++
				got := w.do(c)
				if got.status < 400 {
					t.Errorf("%s %s took %s", c.method, c.path, show(c))
				}
				if strings.Contains(string(got.body)+fmt.Sprint(got.header), canary) {
					t.Errorf("%s %s with %s comes back: %s", c.method, c.path, show(c), got.body)
				}
			}
		}
	})
	if asked < 500 {
		t.Errorf("only %d requests were made", asked)
	}
	if log := w.log.String(); strings.Contains(log, canary) {
		t.Error("the log contains the input")
	}
}

func show(c call) string {
	body, err := json.Marshal(c.body)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%.300s %v", body, c.header)
}

// wrongCalls returns requests of the operation with one error each.
func wrongCalls(path, method string, op *openapi3.Operation) []call {
	good := filled(path, "1")
	calls := []call{
		{method: method, path: good + canary + "/"},
		{method: canary, path: good},
		{method: method, path: good + "?" + url.Values{canary: {"1"}}.Encode(), body: optionalBody(op)},
	}
	for _, parameter := range op.Parameters {
		switch p := parameter.Value; {
		case p.In == "query" && p.Name != "search" && p.Schema.Value != nil:
			calls = append(calls, call{method: method, path: good + "?" + url.Values{p.Name: {canary + strings.Repeat("!", 200)}}.Encode()})
		case p.In == "header" && p.Name != "If-None-Match":
			calls = append(calls, call{method: method, path: good, body: optionalBody(op), header: map[string]string{p.Name: canary + " \x80"}})
		case p.In == "path":
			calls = append(calls, call{method: method, path: filled(strings.Replace(path, "{"+p.Name+"}", canary, 1), "1"), body: optionalBody(op)})
		}
	}
	if op.RequestBody != nil {
		calls = append(calls, wrongBodies(good, method, op.RequestBody.Value.Content["application/json"].Schema.Value)...)
	}
	return calls
}

// optionalBody is a body that is not valid if the operation has one, so that the
// operation does nothing.
func optionalBody(op *openapi3.Operation) any {
	if op.RequestBody == nil {
		return nil
	}
	return `{"` + canary + `":1}`
}

func wrongBodies(path, method string, schema *openapi3.Schema) []call {
	bodies := []string{
		canary, `"` + canary + `"`, `["` + canary + `"]`, `{"` + canary + `":"` + canary + `"}`, `{"a":"` + canary, "\xff" + canary,
	}
	for name, property := range schema.Properties {
		if property.Value.ReadOnly { // no value is wrong: see TestIgnoredFieldsChangeNothing
			continue
		}
		for _, value := range []string{
			`{"` + canary + `":1}`, `["` + canary + `"]`, `"` + canary + `\u0000"`, `"` + canary + strings.Repeat("x", 10_001) + `"`,
		} {
			bodies = append(bodies, fmt.Sprintf(`{%q:%s}`, name, value))
		}
		bodies = append(bodies, fmt.Sprintf(`{%q:"1"}`, name+canary), fmt.Sprintf(`{%q:"%s"}`, strings.ToUpper(name), canary))
	}
	calls := []call{{method: method, path: path, body: "{}", header: map[string]string{"Content-Type": "text/" + canary}}}
	for _, body := range bodies {
		calls = append(calls, call{method: method, path: path, body: body})
	}
	return calls
}

// TestWhatTheDomainRefusesDoesNotComeBack sends requests that pass the schema and that the domain refuses.
func TestWhatTheDomainRefusesDoesNotComeBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.patient("patient1")
	taken := map[string]any{"username": canary, "password": password, "password_confirm": password, "user_type": clinic.RolePatient}
	w.want(http.StatusCreated, call{method: post, path: "/api/auth/register/", body: taken})
	year := visit()
	year["title"], year["visit_date"] = canary, "1066-10-14T10:00:00Z"
	control := visit()
	control["title"] = canary + "\u0007"
	for _, c := range []call{
		{method: post, path: "/api/auth/register/", body: taken},
		{method: post, path: "/api/auth/login/", body: map[string]any{"username": canary, "password": canary}},
		{method: post, path: "/api/auth/token/refresh/", body: map[string]any{"refresh": canary}},
		{method: patch, path: "/api/auth/profile/", body: map[string]any{"email": canary}, token: p.token},
		{method: patch, path: "/api/auth/profile/", body: map[string]any{"specialization": canary}, token: p.token},
		{method: patch, path: "/api/auth/profile/", body: map[string]any{"blood_type": canary}, token: p.token},
		{method: post, path: "/api/health-records/", body: year, token: p.token},
		{method: post, path: "/api/health-records/", body: control, token: p.token},
		{method: get, path: "/api/auth/profile/", token: canary},
	} {
		got := w.do(c)
		if got.status < 400 || got.status >= 500 || strings.Contains(string(got.body)+fmt.Sprint(got.header), canary) {
			t.Errorf("%s %s answered %d: %s", c.method, c.path, got.status, got.body)
		}
	}
	if strings.Contains(w.log.String(), canary) {
		t.Error("the log contains the input")
	}
}
