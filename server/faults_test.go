package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// faultsOf returns the messages of a problem by field, or nil.
func faultsOf(t *testing.T, got answer) map[string]any {
	t.Helper()
	list, has := got.object(t)["errors"].([]any)
	if !has {
		return nil
	}
	faults := map[string]any{}
	for i := range list {
		field, message := dig[string](t, got.object(t), "errors", i, "field"), dig[string](t, got.object(t), "errors", i, "message")
		if before, twice := faults[field].(string); twice {
			message = before + "\n" + message
		}
		faults[field] = message
	}
	return faults
}

// TestEachFaultIsNamedWithWhatIsAccepted: all of a request at once, those of the schema and those of the domain.
func TestEachFaultIsNamedWithWhatIsAccepted(t *testing.T) { //nolint:tparallel // the token of a subtest that waits for its turn could expire
	t.Parallel()
	s := newSetup(t)
	records := "/api/health-records/"
	const recordTakes = "this operation takes: description, diagnosis, language, medications, record_type, symptoms, title, treatment, visit_date"
	const profileTakes = "this operation takes: address, blood_type, date_of_birth, doctor_profile, email, emergency_contact, first_name, " +
		"last_name, license_number, patient_profile, phone_number, specialization, years_of_experience"
	type faults = map[string]any
	for name, test := range map[string]struct {
		call call
		want faults
	}{
		"a typo": {call{method: post, path: records, body: `{"record_type":"CHECKUP","titel":"x","visitDate":"2025-05-27T10:00:00Z","notes":1}`}, faults{
			"title":      `this field is required: send a text of 1 to 200 characters, such as "Annual Physical"`,
			"visit_date": "this field is required: send a time such as 2025-05-27T10:00:00Z",
			"": "unknown field; did you mean title? " + recordTakes + "\nunknown field; did you mean visit_date? " + recordTakes +
				"\nunknown field; " + recordTakes,
		}},
		"wrong values": {call{method: post, path: records, body: `{"record_type":"SURGERY","title":7,"visit_date":"yesterday","symptoms":["x"],"diagnosis":"\u0007"}`}, faults{
			"record_type": "must be one of CHECKUP, DIAGNOSIS, PRESCRIPTION, LAB_RESULT, EMERGENCY",
			"title":       `must be a text of 1 to 200 characters, such as "Annual Physical"`,
			"visit_date":  "must be a time such as 2025-05-27T10:00:00Z",
			"symptoms":    `must be a text of at most 10000 characters, such as "No specific symptoms"`,
			"diagnosis":   "use no control characters but tabs and line breaks, and no marks that override the writing direction",
		}},
		"the rules, whatever the order of the fields": {call{method: post, path: records, body: `{"visit_date":"never","record_type":"CHECKUP","title":"a\u0007"}`}, faults{
			"visit_date": "must be a time such as 2025-05-27T10:00:00Z",
			"title":      "use one line, without control characters or marks that change the writing direction",
		}},
		"an array": {call{method: post, path: records, body: `[]`}, faults{
			"": "the body must be an object with description, diagnosis, language, medications, record_type, symptoms, title, treatment, visit_date",
		}},
		"a number in another form": {call{method: patch, path: profilePath, body: `{"doctor_profile":{"years_of_experience":1e1,"specialization":"a\u0007"},"email":"x"}`, token: s.doctor.token}, faults{
			"doctor_profile.years_of_experience": "must be a whole number from 0 to 80, such as 0, or null",
			"doctor_profile.specialization":      "use one line, without control characters or marks that change the writing direction",
			"email":                              "enter an email address such as jane@example.org",
		}},
		"an unknown field of an object": {call{method: patch, path: profilePath, body: `{"doctor_profile":{"licence_number":"x"},"doctor_profile.qqqqqqq":1}`, token: s.doctor.token}, faults{
			"doctor_profile": "unknown field; did you mean license_number? this operation takes: license_number, specialization, years_of_experience",
			"":               "unknown field; " + profileTakes,
		}},
		"names with dots, before other faults": {call{method: put, path: profilePath, body: `{"patient_profile":{"blood.type":1,"x[0]":1,"blood_typ":1},"patient_profile.x":1,"titel":1,"email":"x","first_name":"a","last_name":"b"}`}, faults{
			"email":        "enter an email address such as jane@example.org",
			"phone_number": `this field is required: send a text of at most 20 characters, such as "+1234567890"`,
			"patient_profile": "unknown field; did you mean blood_type? this operation takes: address, blood_type, date_of_birth, emergency_contact\n" +
				"unknown field; this operation takes: address, blood_type, date_of_birth, emergency_contact",
			"": "unknown field; did you mean patient_profile? " + profileTakes + "\nunknown field; " + profileTakes,
		}},
		"parameters": {call{method: get, path: records + "?pagesize=1&page=two&record_type=X&from=yesterday&cursor=x&patient=0"}, faults{
			"page":        "must be a whole number from 1 to 10000, such as 1",
			"patient":     "must be a whole number of at least 1, such as 1",
			"record_type": "must be one of CHECKUP, DIAGNOSIS, PRESCRIPTION, LAB_RESULT, EMERGENCY",
			"cursor":      "this is not a cursor of this API; send the one of next or previous, or none for the first page",
			"":            "unknown parameter; did you mean page_size? this operation takes: page, page_size, cursor, record_type, patient, from, to, ordering, entered_in_error, deleted",
		}},
		"a parameter that nobody can read": {call{method: get, path: records + "?patient=1%"}, faults{
			"": "the query of the URL has a % that does not begin an escape; write % as %25",
		}},
		"only an unknown parameter": {call{method: get, path: records + "1/versions/1/?x=1&y=2"}, faults{"": "unknown parameter; this operation takes none"}},
		"a parameter and the body": {call{method: post, path: records + "?dry_run=1", body: `{"record_type":"CHECKUP","title":" ","visit_date":"2025-05-27T10:00:00Z"}`}, faults{
			"":      "unknown parameter; this operation takes none",
			"title": "must not be empty: use 1 to 200 characters that can be seen",
		}},
		"a header": {call{method: post, path: records, body: visit(), header: map[string]string{"Idempotency-Key": "a b"}}, faults{"Idempotency-Key": "must be visible ASCII characters"}},
		"a registration": {call{method: post, path: "/api/auth/register/", token: "-", body: `{"username":"a b","password":"short","password_confirm":"other","user_type":"PATIENT","email":"x","date_of_birth":"x"}`}, faults{
			"username":         "use letters, digits and @ . + - _ only, such as jane.smith",
			"password":         "must be a text of 8 to 128 characters",
			"password_confirm": "must be the same as password",
			"email":            "enter an email address such as jane@example.org",
			"date_of_birth":    "must be a day such as 1980-02-29",
		}},
		"a break-glass request": {call{method: post, path: "/api/break-glass/", token: s.doctor.token, body: `{"patient_id":"1","reason":"a\u0007","password":1}`}, faults{
			"patient_id": "must be a whole number of at least 1, such as 1",
			"reason":     "use one line, without control characters or marks that change the writing direction",
			"password":   "must be a text of at most 128 characters",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			c := test.call
			switch c.token {
			case "":
				c.token = s.patient.token
			case "-":
				c.token = ""
			}
			got := s.do(c)
			if got.status != http.StatusUnprocessableEntity {
				t.Errorf("the answer is %d %s", got.status, got.body)
			}
			if diff := cmp.Diff(test.want, faultsOf(t, got)); diff != "" {
				t.Errorf("faults (-want +got)\n%s", diff)
			}
		})
	}
}

// TestABodyThatIsNotJSONIsLocated without a word of it.
func TestABodyThatIsNotJSONIsLocated(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for body, want := range map[string]string{
		"":                          "the body is missing; send an object with password, recovery_code, totp_code, username",
		"{":                         "the body is not complete JSON: it ends at line 1, column 2",
		"{\n \"username\": canary}": "the body is not JSON in UTF-8: see line 2, column 14",
		"{\"username\":\"ä\",\n\"username\":\"b\"}": "the body has a field twice, the second time at line 2, column 1; send each field once",
		"{\"username\":\"\xff\"}":                   "the body is not JSON in UTF-8: see line 1, column 14",
		"{} canary":                                 "the body is not JSON in UTF-8: see line 1, column 4",
		"{\"username\":1e999}":                      "the body has a number that is too large, at line 1, column 13",
	} {
		got := w.do(call{method: post, path: "/api/auth/login/", body: body})
		if detail := dig[string](t, got.object(t), "detail"); got.status != http.StatusBadRequest || detail != want {
			t.Errorf("%q is answered %d: %s\nwant: %s", body, got.status, detail, want)
		}
	}
}

func TestAPathSaysWhatIsWrongWithIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const id, list = "the id in this path must be a whole number of at most 18 digits, such as 1", "no such path; GET /api/ lists the operations"
	for path, want := range map[string]string{
		"/api/health-records/abc/": id, "/api/v1/health-records/abc/comments": id, "/api/health-records/-1/": id,
		"/api/health-records/" + strings.Repeat("9", 19) + "/": id, "/api/doctors/x/verify/": id,
		"/api/health-record/": list, "/api/health-records/1/comment/": list, "/api/health-records/x/y/z/": list, "/nothing/": list, "/auth/register/": list,
		"/api" + strings.Repeat("/x", 20): list,
	} {
		got := w.do(call{method: get, path: path})
		if detail := dig[string](t, got.object(t), "detail"); got.status != http.StatusNotFound || detail != want {
			t.Errorf("GET %s is answered %d: %s", path, got.status, detail)
		}
	}
}
