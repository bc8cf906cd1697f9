package server_test

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// cast is everybody who calls in the matrix, around one patient's record.
type cast struct {
	*world
	people                           map[string]person
	record, assignment, notification int64
	refresh                          string
}

// roles are the columns of the matrix.
func roles() []string {
	return []string{"anonymous", "owner", "other patient", "assigned doctor", "other doctor", "unverified doctor", "administrator"}
}

func newCast(t *testing.T) *cast {
	t.Helper()
	return newCastIn(t, newWorld(t))
}

func newCastIn(t *testing.T, w *world) *cast {
	t.Helper()
	admin := w.admin()
	c := &cast{world: w, people: map[string]person{
		"owner": w.patient("owner"), "other patient": w.patient("other"), "administrator": admin,
		"assigned doctor": w.doctor(admin, "assigned"), "other doctor": w.doctor(admin, "unassigned"),
		"unverified doctor": w.register("unverified", clinic.RoleDoctor),
	}}
	c.assignment = w.assign(admin, c.people["owner"], c.people["assigned doctor"])
	c.record = w.record(c.people["owner"])
	w.settle()
	list := w.want(http.StatusOK, call{method: get, path: "/api/notifications/", token: c.people["owner"].token})
	c.notification = int64(dig[float64](t, list, "results", 0, "id"))
	login := w.want(http.StatusOK, call{method: post, path: "/api/auth/login/", body: map[string]any{"username": "owner", "password": password}})
	c.refresh = dig[string](t, login, "refresh")
	return c
}

// row is one operation of the matrix.
type row struct {
	want string // a status for each of roles()
	id   func(*cast) int64
	body func(c *cast, role string) any
	last bool // it changes what the others need
}

func matrix() map[string]row {
	record := func(c *cast) int64 { return c.record }
	assignment := func(c *cast) int64 { return c.assignment }
	body := func(content any) func(*cast, string) any { return func(*cast, string) any { return content } }
	all := "401 200 200 200 200 200 200"
	return map[string]row{
		"health":       {want: "200 200 200 200 200 200 200"},
		"login":        {want: "200 200 200 200 200 200 200", body: body(map[string]any{"username": "owner", "password": password})},
		"refreshToken": {want: "200 200 200 200 200 200 200", body: func(c *cast, _ string) any { return map[string]any{"refresh": c.refresh} }},
		"register": {want: "201 201 201 201 201 201 201", body: body(map[string]any{
			"username": "newcomer", "password": password, "password_confirm": password, "user_type": "PATIENT",
		})},
		"getProfile":     {want: all},
		"replaceProfile": {want: all, body: body(map[string]any{"email": "", "first_name": "", "last_name": "", "phone_number": ""})},
		"changeProfile":  {want: all, body: body(map[string]any{"first_name": "Changed"})},
		"listDoctors":    {want: all},
		"assignDoctor": {want: "401 403 403 200 200 409 200", last: true, body: func(c *cast, role string) any {
			request := map[string]any{"patient_id": c.people["owner"].profile}
			if role == "administrator" {
				request["doctor_id"] = c.people["other doctor"].profile
			}
			return request
		}},
		"listRecords":    {want: "401 200 200 200 200 200 403"},
		"createRecord":   {want: "401 201 201 403 403 403 403", body: body(visit())},
		"getRecord":      {want: "401 200 404 200 404 404 403", id: record},
		"replaceRecord":  {want: "401 200 404 403 403 403 403", id: record, body: body(visit())},
		"changeRecord":   {want: "401 200 404 403 403 403 403", id: record, body: body(map[string]any{"title": "Changed"})},
		"deleteRecord":   {want: "401 204 404 403 403 403 403", id: record, last: true},
		"listComments":   {want: "401 200 404 200 404 404 403", id: record},
		"addComment":     {want: "401 403 403 201 404 404 403", id: record, body: body(map[string]any{"comment": "Well done."})},
		"listMyPatients": {want: "401 403 403 200 200 200 403"},

		"listNotifications":    {want: all},
		"readNotification":     {want: "401 200 404 404 404 404 404", id: func(c *cast) int64 { return c.notification }},
		"readAllNotifications": {want: all},

		"listPatients":    {want: "401 403 403 403 403 403 200"},
		"verifyDoctor":    {want: "401 403 403 403 403 403 200", id: func(c *cast) int64 { return c.people["assigned doctor"].profile }},
		"listAssignments": {want: all},
		"getAssignment":   {want: "401 200 404 200 404 404 200", id: assignment},
		"getAccessLog":    {want: "401 200 200 403 403 403 403"},
		"getAudit":        {want: "401 403 403 403 403 403 200"},
		"endAssignment":   {want: "401 403 403 403 403 403 204", id: assignment, last: true},
	}
}

// TestAuthorizationMatrix asks every operation of the OpenAPI document as every
// role. An operation without a row fails.
func TestAuthorizationMatrix(t *testing.T) {
	t.Parallel()
	for column, role := range roles() {
		t.Run(role, func(t *testing.T) {
			t.Parallel()
			c := newCast(t)
			for _, o := range documented(c.contract) {
				r, classified := matrix()[o.id]
				if !classified {
					t.Errorf("%s %s has no row in the matrix", o.method, o.path)
					continue
				}
				want, err := strconv.Atoi(strings.Fields(r.want)[column])
				must(t, err)
				c.cell(t, o, role, want)
			}
		})
	}
}

// cell asks one operation as one role. Where the answer is 404 an id that was
// never given must get the very same.
func (c *cast) cell(t *testing.T, o operation, role string, want int) {
	t.Helper()
	r := matrix()[o.id]
	request := call{method: o.method, path: o.path, token: c.people[role].token}
	if r.body != nil {
		request.body = r.body(c, role)
	}
	ask := func(id int64) answer {
		request.path = strings.Replace(o.path, "{id}", strconv.FormatInt(id, 10), 1)
		return c.do(request)
	}
	var id int64
	if r.id != nil {
		id = r.id(c)
	}
	got := ask(id)
	if got.status != want {
		t.Errorf("%s as %s answered %d, want %d: %s", o.id, role, got.status, want, got.body)
	}
	if want != http.StatusNotFound {
		return
	}
	missing := ask(id + 1_000_000)
	if foreign := anonymised(got); foreign != anonymised(missing) {
		t.Errorf("%s as %s tells foreign from missing:\n%s\n%s", o.id, role, foreign, anonymised(missing))
	}
}

// anonymised is an answer without what differs between any two.
func anonymised(a answer) string {
	id := a.header.Get("X-Request-ID")
	header := a.header.Clone()
	for _, name := range []string{"X-Request-Id", "Date"} {
		header.Del(name)
	}
	return fmt.Sprint(a.status, header, string(bytes.ReplaceAll(a.body, []byte(id), nil)))
}

type operation struct{ id, method, path string }

// documented lists the document's operations; last are those that change what
// the others need.
func documented(c *contract) []operation {
	var list []operation
	c.each(func(path, method string, op *openapi3.Operation) {
		list = append(list, operation{id: op.OperationID, method: method, path: path})
	})
	slices.SortFunc(list, func(a, b operation) int {
		if lastA, lastB := matrix()[a.id].last, matrix()[b.id].last; lastA != lastB {
			if lastA {
				return 1
			}
			return -1
		}
		return strings.Compare(a.id, b.id)
	})
	return list
}

func TestFiltersDoNotTellForeignFromMissing(t *testing.T) {
	t.Parallel()
	c := newCast(t)
	for _, role := range []string{"other patient", "other doctor", "unverified doctor"} {
		for _, list := range []string{"/api/health-records/?patient=%d", "/api/assignments/?patient=%d"} {
			ask := func(id int64) string {
				return anonymised(c.do(call{method: get, path: fmt.Sprintf(list, id), token: c.people[role].token}))
			}
			id := c.people["owner"].profile
			if foreign, missing := ask(id), ask(id+1_000_000); foreign != missing {
				t.Errorf("%s as %s tells foreign from missing:\n%s\n%s", list, role, foreign, missing)
			}
		}
	}
}

func TestAccessEndsWithTheAssignment(t *testing.T) {
	t.Parallel()
	c := newCast(t)
	record := call{method: get, path: fmt.Sprintf("/api/health-records/%d/", c.record), token: c.people["assigned doctor"].token}
	c.want(http.StatusOK, record)
	c.want(http.StatusNoContent, call{method: remove, path: fmt.Sprintf("/api/assignments/%d/", c.assignment), token: c.people["administrator"].token})
	c.want(http.StatusNotFound, record)
	list := c.want(http.StatusOK, call{method: get, path: "/api/assignments/?is_active=false", token: c.people["assigned doctor"].token})
	if dig[float64](t, list, "count") != 1 || dig[bool](t, list, "results", 0, "is_active") {
		t.Errorf("the ended assignment is not history: %v", list)
	}
}

func TestNoFieldRegistersAnotherRole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i, extra := range []string{
		`"user_type":"ADMIN"`, `"user_type":"admin"`, `"user_type":"PATIENT","USER_TYPE":"ADMIN"`, `"user_type":"PATIENT","User_Type":"ADMIN"`,
		`"user_type":"PATIENT","user_type":"ADMIN"`, `"user_type":"PATIENT","role":"ADMIN"`, `"user_type":"PATIENT","is_staff":true`,
		`"user_type":"PATIENT","is_superuser":true`, `"user_type":"PATIENT","is_admin":true`, `"user_type":["ADMIN"]`, `"user_type":null`,
	} {
		body := fmt.Sprintf(`{"username":"user%d","password":"securepass123","password_confirm":"securepass123",%s}`, i, extra)
		if got := w.do(call{method: post, path: "/api/auth/register/", body: body}); got.status != http.StatusUnprocessableEntity {
			t.Errorf("%s answered %d: %s", extra, got.status, got.body)
		}
	}
}
