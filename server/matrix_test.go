package server_test

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/server"
)

// thing is a kind of object that an operation is about.
type thing string

// The things. For each role there is an own one, or else the patient's; a foreign
// one, which belongs to people who have no relation to any role; and a missing
// one.
const (
	nothing      thing = ""
	record       thing = "record"
	assigning    thing = "assignment"
	notice       thing = "notification"
	patientID    thing = "patient"
	doctorID     thing = "doctor"
	user         thing = "user"
	session      thing = "session"
	remark       thing = "comment"
	missingAfter       = 1_000_000 // added to an id so that it does not exist
)

// cast is the callers of the matrix, with their own objects and those that are
// foreign to all of them.
type cast struct {
	*world
	people  map[string]person
	own     map[string]map[thing]int64 // by role; "patient" has all things
	foreign map[thing]int64
	refresh string
}

// roles returns the callers, in the order of the answers in matrix. Strangers are not
// in it: they are refused unless the operation is for anybody.
func roles() []string {
	return []string{"patient", "assigned doctor", "other doctor", "unverified doctor", "emergency doctor", "administrator"}
}

func strangers() []string { return []string{"anonymous", "disabled user", "expired token"} }

func newCast(t testing.TB, changes ...func(*server.Options)) *cast {
	t.Helper()
	return newCastIn(t, newWorld(t, changes...))
}

func newCastIn(t testing.TB, w *world) *cast {
	t.Helper()
	admin := w.admin()
	c := &cast{world: w, own: map[string]map[thing]int64{}, people: map[string]person{
		"patient": w.patient("patient"), "administrator": admin, "assigned doctor": w.doctor(admin, "assigned"),
		"other doctor": w.doctor(admin, "unassigned"), "emergency doctor": w.doctor(admin, "emergency"),
		"unverified doctor": w.register("unverified", clinic.RoleDoctor), "disabled user": w.patient("disabled"),
	}}
	c.own["patient"] = c.things(admin, c.people["patient"], c.people["assigned doctor"])
	c.foreign = c.things(admin, w.patient("foreign"), w.doctor(admin, "foreigner"))
	opened := w.want(http.StatusOK, breakGlass(c.people["emergency doctor"], c.people["patient"]))
	w.settle()
	for _, role := range []string{"assigned doctor", "administrator"} {
		c.own[role] = map[thing]int64{notice: c.newest(c.people[role])}
	}
	c.own["patient"][notice], c.foreign[notice] = c.newest(c.people["patient"]), c.newest(w.loggedIn("foreign"))
	c.own["emergency doctor"] = map[thing]int64{assigning: int64(dig[float64](t, opened, "id"))}
	w.want(http.StatusOK, call{method: post, path: fmt.Sprintf("/api/users/%d/disable/", c.people["disabled user"].userID), token: admin.token})
	expired, err := w.past.Issue(clinic.Caller{UserID: c.people["patient"].userID, Role: clinic.RolePatient})
	testkit.Must(t, err)
	c.people["expired token"] = person{token: expired}
	c.refresh = w.login("patient").refresh
	c.own["patient"][session], c.foreign[session] = w.anotherSession("patient"), w.anotherSession("foreign")
	return c
}

// things assigns the doctor and lets the patient write a record.
func (w *world) things(admin, patient, doctor person) map[thing]int64 {
	assigned, written := w.assign(admin, patient, doctor), w.record(patient)
	said := w.want(http.StatusCreated, call{
		method: post, path: fmt.Sprintf("/api/health-records/%d/comments/", written), token: doctor.token, body: map[string]any{"comment": "Well."},
	})
	return map[thing]int64{
		assigning: assigned, record: written, remark: int64(dig[float64](w.t, said, "id")),
		patientID: patient.profile, doctorID: doctor.profile, user: patient.userID,
	}
}

func (w *world) loggedIn(username string) person {
	w.t.Helper()
	return person{username: username, token: w.login(username).access}
}

// anotherSession returns the id of a new session of the person.
func (w *world) anotherSession(username string) int64 {
	w.t.Helper()
	list := w.want(http.StatusOK, call{method: get, path: "/api/auth/sessions/", token: w.loggedIn(username).token})
	return int64(dig[float64](w.t, list, "results", 0, "id"))
}

// newest returns the id of the person's newest notification.
func (w *world) newest(p person) int64 {
	w.t.Helper()
	list := w.want(http.StatusOK, call{method: get, path: "/api/notifications/", token: p.token})
	return int64(dig[float64](w.t, list, "results", 0, "id"))
}

// row is one operation of the matrix.
type row struct {
	// want has a status for each of roles(): "200" or, for an own and for a foreign object, "200/404". The answer for a
	// missing object is the same as for a foreign one, or 404 if the caller may see foreign ones. A single status means
	// that anybody may call the operation. "-" means that the role may not call it: the answer is 403.
	want  string
	of    thing // the object in the path or in the body
	query string
	body  func(c *cast, role string, id int64) any
	last  bool // it changes objects that the others need
}

func matrix() map[string]row {
	body := func(content any) func(*cast, string, int64) any {
		return func(*cast, string, int64) any { return content }
	}
	everybody := "200 200 200 200 200 200"
	onlyAdmin := "- - - - - 200"
	return map[string]row{
		"health":       {want: "200"},
		"login":        {want: "200", body: body(map[string]any{"username": "patient", "password": password})},
		"refreshToken": {want: "200", body: func(c *cast, _ string, _ int64) any { return map[string]any{"refresh": c.refresh} }},
		"register": {want: "201", body: body(map[string]any{
			"username": "newcomer", "password": password, "password_confirm": password, "user_type": "PATIENT",
		})},
		"listKeys":     {want: "200"},
		"logout":       {want: "204", last: true, body: func(c *cast, _ string, _ int64) any { return map[string]any{"refresh": c.refresh} }},
		"listSessions": {want: everybody},
		"endSession":   {of: session, want: "204/404 404/404 404/404 404/404 404/404 404/404"},
		"getTOTP":      {want: everybody},
		"enrolTOTP":    {want: "201 201 201 201 201 201", body: body(map[string]any{"password": password})},
		"confirmTOTP":  {want: "409 409 409 409 409 409", body: body(map[string]any{"code": "000000"})}, // not enrolled yet
		"disableTOTP":  {want: "409 409 409 409 409 409", body: body(map[string]any{"password": password})},
		"changePassword": {want: "204 204 204 204 204 204", last: true, body: body(map[string]any{
			"current_password": password, "new_password": "another horse",
		})},
		"resetPassword": {want: "401", body: body(map[string]any{
			"username": "patient", "code": "AAAA-BBBB", "new_password": "another horse", "new_password_confirm": "another horse",
		})},
		"getProfile": {want: everybody},
		"replaceProfile": {want: everybody, body: func(c *cast, role string, _ int64) any { // with the name that changeProfile requested
			return map[string]any{"email": "", "first_name": "Changed", "last_name": "Of " + c.people[role].username, "phone_number": ""}
		}},
		"changeProfile": {want: everybody, body: body(map[string]any{"first_name": "Changed"})},
		"listDoctors":   {want: everybody},
		"getDoctor":     {of: doctorID, want: "200/200 200/200 200/200 200/200 200/200 200/200"},
		"assignDoctor": {of: patientID, want: "- 200/200 200/200 409 200/200 200/200", last: true, body: func(c *cast, role string, id int64) any {
			request := map[string]any{"patient_id": id, "reason": "primary care", "password": password}
			if role == "administrator" {
				request["doctor_id"] = c.people["other doctor"].profile
			}
			return request
		}},
		"breakGlass": {of: patientID, want: "- 200/200 200/200 409 200/200 -", last: true, body: func(_ *cast, _ string, id int64) any {
			return map[string]any{"patient_id": id, "reason": "unconscious", "password": password}
		}},
		"listRecords":          {want: "200 200 200 200 200 -"},
		"searchRecords":        {want: "200 200 200 200 200 -", body: body(map[string]any{"query": "annual physical"})},
		"createRecord":         {want: "201 - - - - -", body: body(visit())},
		"getRecord":            {of: record, want: "200/404 200/404 404 404 200/404 -"},
		"replaceRecord":        {of: record, want: "200/404 - - - - -", body: body(visit())},
		"changeRecord":         {of: record, want: "200/404 - - - - -", body: body(map[string]any{"title": "Changed"})},
		"deleteRecord":         {of: record, want: "204/404 - - - - -", last: true},
		"listRecordVersions":   {of: record, want: "200/404 200/404 404 404 200/404 -"},
		"getRecordVersion":     {of: record, want: "200/404 200/404 404 404 200/404 -"},
		"getRecordDifference":  {of: record, want: "200/404 200/404 404 404 200/404 -", query: "?from=1&to=1"},
		"restoreRecord":        {of: record, want: "200/404 - - - - -", body: body(map[string]any{"version": 1})},
		"markEnteredInError":   {of: record, want: "200/404 - - - - -", body: body(map[string]any{"reason": "of somebody else"})},
		"unmarkEnteredInError": {of: record, want: "200/404 - - - - -"},
		"listCommentVersions":  {of: remark, want: "200/404 200/404 404 404 200/404 -"},
		"listComments":         {of: record, want: "200/404 200/404 404 404 200/404 -"},
		"addComment":           {of: record, want: "- 201/404 404 404 403/404 -", body: body(map[string]any{"comment": "Well done."})},
		"correctComment":       {of: remark, want: "- 200/404 404 404 403/404 -", body: body(map[string]any{"comment": "Better."})},
		"listMyPatients":       {want: "- 200 200 200 200 -"},

		"listNotifications":    {want: everybody},
		"readNotification":     {of: notice, want: "200/404 200/404 404 404 404 200/404"},
		"readAllNotifications": {want: everybody},

		"listPatients":    {want: onlyAdmin},
		"listUsers":       {want: onlyAdmin},
		"getLegalHold":    {of: patientID, want: "- - - - - 404/404"}, // none is placed yet
		"liftLegalHold":   {of: patientID, want: "- - - - - 404/404"},
		"placeLegalHold":  {of: patientID, want: "- - - - - 200/200", last: true, body: body(map[string]any{"reason": "lawsuit"})},
		"confirmErasure":  {of: patientID, want: "- - - - - 404/404"}, // none is requested yet
		"getErasure":      {of: patientID, want: "- - - - - 404/404"},
		"requestErasure":  {of: patientID, want: "- - - - - 201/201", body: body(map[string]any{"reason": "asked for it"})},
		"withdrawErasure": {of: patientID, want: "- - - - - 204/204"},
		"listErasures":    {want: onlyAdmin},
		"disableUser":     {of: user, want: "- - - - - 200/200", last: true},
		"enableUser":      {of: user, want: "- - - - - 200/200"},
		"issueResetCode":  {of: user, want: "- - - - - 200/200"},
		"verifyDoctor":    {of: doctorID, want: "- - - - - 200/200"},
		"listAssignments": {want: everybody},
		"getAssignment":   {of: assigning, want: "200/404 200/404 404 404 200/404 200/200"},
		"endAssignment":   {of: assigning, want: "- - - - - 204/204", last: true},
		"liftHold":        {of: assigning, want: "- - - - - 204/204"},
		"getAccessLog":    {want: "200 - - - - -"},
		"getAudit":        {want: onlyAdmin},
	}
}

// statuses returns the expected statuses for the role's own, a foreign and a
// missing object.
func (r row) statuses(role string) (own, foreign, missing int) {
	cells := strings.Fields(r.want)
	cell := strconv.Itoa(http.StatusUnauthorized)
	switch column := slices.Index(roles(), role); {
	case len(cells) == 1:
		cell = cells[0]
	case column >= 0:
		cell = cells[column]
	case role == "disabled user" && cells[0] == notForRole: // the role is checked before the account
		cell = notForRole
	}
	if cell == notForRole {
		cell = strconv.Itoa(http.StatusForbidden)
	}
	first, second, two := strings.Cut(cell, "/")
	own, _ = strconv.Atoi(first)
	if foreign = own; two {
		foreign, _ = strconv.Atoi(second)
	}
	if missing = foreign; missing < http.StatusBadRequest {
		missing = http.StatusNotFound
	}
	return own, foreign, missing
}

// TestAuthorizationMatrix calls every operation of the OpenAPI document as every
// role, with an own, a foreign and a missing object. It fails for an operation
// without a row. make security prints the number of cells.
func TestAuthorizationMatrix(t *testing.T) {
	t.Parallel()
	var cells atomic.Int64
	t.Cleanup(func() { // after all roles
		if !t.Failed() {
			t.Logf("authorization matrix: %d cells (%d roles, %d operations), all passed",
				cells.Load(), len(roles())+len(strangers()), len(matrix()))
		}
	})
	for _, role := range append(roles(), strangers()...) {
		t.Run(role, func(t *testing.T) {
			t.Parallel()
			c := newCast(t)
			for _, o := range documented(c.contract) {
				r, classified := matrix()[o.id]
				if !classified {
					t.Errorf("%s %s has no row in the matrix (matrix_test.go)", o.method, o.path)
					continue
				}
				if anybody := len(strings.Fields(r.want)) == 1; anybody != o.public {
					t.Errorf("%s is for anybody: %t in the matrix, %t in the document", o.id, anybody, o.public)
				}
				cells.Add(c.ask(t, o, role))
			}
		})
	}
}

// ask calls one operation as one role, with each object, and returns the number of
// cells. An object that the caller may not see must look like a missing one: the
// answers are compared byte by byte.
func (c *cast) ask(t *testing.T, o operation, role string) int64 {
	t.Helper()
	r := matrix()[o.id]
	own, foreign, missing := r.statuses(role)
	if r.of == nothing {
		c.cell(t, o, role, cell{want: own})
		return 1
	}
	absent := c.cell(t, o, role, cell{"missing", c.foreign[r.of] + missingAfter, missing})
	for _, present := range []cell{{"foreign", c.foreign[r.of], foreign}, {"own", c.ownID(role, r.of), own}} {
		got := c.cell(t, o, role, present)
		if got := anonymized(got); present.want == http.StatusNotFound && got != anonymized(absent) {
			t.Errorf("%s as %s tells %s from missing:\n%s\n%s", o.id, role, present.whose, got, anonymized(absent))
		}
	}
	return 3
}

// ownID returns the role's own object, or else the patient's.
func (c *cast) ownID(role string, of thing) int64 {
	if id, ok := c.own[role][of]; ok {
		return id
	}
	return c.own["patient"][of]
}

// cell is an object and the expected status.
type cell struct {
	whose string
	id    int64
	want  int
}

func (c *cast) cell(t *testing.T, o operation, role string, cell cell) answer {
	t.Helper()
	request := call{method: o.method, token: c.people[role].token}
	r := matrix()[o.id]
	request.path = filled(o.path, strconv.FormatInt(cell.id, 10)) + r.query
	if r.body != nil {
		request.body = r.body(c, role, cell.id)
	}
	got := c.do(request)
	if got.status != cell.want {
		t.Errorf("%s as %s, %s, answered %d, want %d: %s", o.id, role, cell.whose, got.status, cell.want, got.body)
	}
	return got
}

// filled returns the path about the object with the id.
func filled(path, id string) string {
	return strings.NewReplacer("{id}", id, "{version}", "1").Replace(path)
}

// anonymized returns an answer without the parts that differ between any two answers.
func anonymized(a answer) string {
	id := a.header.Get("X-Request-ID")
	header := a.header.Clone()
	for _, name := range []string{"X-Request-Id", "Date"} {
		header.Del(name)
	}
	return fmt.Sprint(a.status, header, string(bytes.ReplaceAll(a.body, []byte(id), nil)))
}

type operation struct {
	id, method, path string
	public           bool // the document requires no access token
}

// public reports whether anybody may call the operation, according to the document.
func public(op *openapi3.Operation) bool {
	return op.Security == nil || len(*op.Security) == 0 || slices.ContainsFunc(*op.Security, func(r openapi3.SecurityRequirement) bool { return len(r) == 0 })
}

// documented returns the document's operations. Those that change objects that the
// others need come last.
func documented(c *contract) []operation {
	var list []operation
	c.each(func(path, method string, op *openapi3.Operation) {
		list = append(list, operation{id: op.OperationID, method: method, path: path, public: public(op)})
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
	for _, role := range []string{"patient", "assigned doctor", "other doctor", "unverified doctor", "emergency doctor"} {
		for _, list := range []string{"/api/health-records/?patient=%d", "/api/assignments/?patient=%d"} {
			ask := func(id int64) string {
				return anonymized(c.do(call{method: get, path: fmt.Sprintf(list, id), token: c.people[role].token}))
			}
			id := c.foreign[patientID]
			if foreign, missing := ask(id), ask(id+1_000_000); foreign != missing {
				t.Errorf("%s as %s tells foreign from missing:\n%s\n%s", list, role, foreign, missing)
			}
		}
	}
}
