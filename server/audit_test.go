package server_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
)

// TestEachRequestHasItsAuditRow calls every operation of the document as every
// role and looks for the row, whether the request was allowed or refused.
func TestEachRequestHasItsAuditRow(t *testing.T) {
	t.Parallel()
	for _, role := range roles() {
		t.Run(role, func(t *testing.T) {
			t.Parallel()
			database := testkit.NewDatabase(t, rights.Migrate)
			c, db := newCastIn(t, newWorldOn(t, database)), testkit.NewFactory(t, database)
			for _, o := range documented(c.contract) {
				r, classified := matrix()[o.id]
				if !classified {
					t.Errorf("%s %s has no row in the matrix (matrix_test.go)", o.method, o.path)
					continue
				}
				want, _, _ := r.statuses(role)
				got := c.cell(t, o, role, cell{"own", c.ownID(role, r.of), want})
				audited := slices.Contains(routes()[o.id].Audited, clinicRole(role))
				expectAuditRow(t, db, expectedRow{operation: o.id, caller: c.people[role], audited: audited}, got)
			}
		})
	}
}

// expectedRow is the audit row that a call must add, if it is audited.
type expectedRow struct {
	operation string
	caller    person
	audited   bool
}

func expectAuditRow(t *testing.T, db *testkit.Factory, row expectedRow, got answer) {
	t.Helper()
	decisions := map[int]string{
		http.StatusOK: "allowed", http.StatusCreated: "allowed", http.StatusNoContent: "allowed", http.StatusForbidden: "forbidden",
		http.StatusNotFound: "not_found", http.StatusConflict: "conflict",
	}
	want := 1
	if !row.audited || decisions[got.status] == "" {
		want = 0
	}
	id := got.header.Get("X-Request-ID")
	if n := db.Count(`SELECT count(*) FROM audit_log WHERE request_id = $1`, id); n != want {
		t.Errorf("%s, answered %d: %d audit rows, want %d", row.operation, got.status, n, want)
	}
	if n := db.Count(`SELECT count(*) FROM audit_log WHERE request_id = $1 AND user_id = $2 AND operation = $3 AND decision = $4
		AND host(address) = '127.0.0.1'`, id, row.caller.userID, row.operation, decisions[got.status]); n != want {
		t.Errorf("%s, answered %d: the audit row does not say so", row.operation, got.status)
	}
}

// TestAuditSaysWhyAndOfWhom checks the reasons and patients in the rows of a doctor's requests.
func TestAuditSaysWhyAndOfWhom(t *testing.T) {
	t.Parallel()
	database := testkit.NewDatabase(t, rights.Migrate)
	c, db := newCastIn(t, newWorldOn(t, database)), testkit.NewFactory(t, database)
	owner, other, doctor := c.people["patient"], c.patient("second"), c.people["assigned doctor"]
	ofOwner, first := c.own["patient"][record], c.own["patient"][assigning]
	second := c.assign(c.people["administrator"], other, doctor)
	c.record(other)
	for path, want := range map[string]string{
		fmt.Sprintf("/api/health-records/%d/", ofOwner):          fmt.Sprintf("{%d} {%d} assignment", owner.profile, first),
		fmt.Sprintf("/api/health-records/%d/comments/", ofOwner): fmt.Sprintf("{%d} {%d} assignment", owner.profile, first),
		"/api/health-records/?page_size=1":                       fmt.Sprintf("{%d} {%d} assignment", other.profile, second),
		"/api/health-records/my-patients/":                       fmt.Sprintf("{%d,%d} {%d,%d} assignment", owner.profile, other.profile, first, second),
		"/api/health-records/?page=1&record_type=EMERGENCY":      "{} {} assignment",
		"/api/health-records/9999999/":                           "{} {} refused",
	} {
		got := c.do(call{method: get, path: path, token: doctor.token})
		if n := db.Count(`SELECT count(*) FROM audit_log WHERE request_id = $1 AND patient_ids::text || ' ' || assignment_ids::text || ' ' || reason = $2`,
			got.header.Get("X-Request-ID"), want); n != 1 {
			t.Errorf("%s has no row %s", path, want)
		}
	}
	title := map[string]string{"If-Match": `"77-0"`}
	stale := c.do(call{method: patch, path: fmt.Sprintf("/api/health-records/%d/", ofOwner), token: owner.token, body: map[string]any{"title": "New"}, header: title})
	if n := db.Count(`SELECT count(*) FROM audit_log WHERE request_id = $1 AND decision = 'precondition_failed' AND patient_ids = ARRAY[$2::bigint]`,
		stale.header.Get("X-Request-ID"), owner.profile); n != 1 {
		t.Error("the change that came too late has no row with its patient")
	}
}

// TestCountingLeavesATrace filters lists by one patient in ways that reveal only a count.
func TestCountingLeavesATrace(t *testing.T) {
	t.Parallel()
	database := testkit.NewDatabase(t, rights.Migrate)
	c, db := newCastIn(t, newWorldOn(t, database)), testkit.NewFactory(t, database)
	owner := c.own["patient"][patientID]
	const records, assignments, audit = "/api/health-records/?patient=%d", "/api/assignments/?patient=%d", "/api/audit/?patient=%d"
	beyond := func(position string) string { // a cursor
		return "&cursor=" + base64.RawURLEncoding.EncodeToString([]byte(position))
	}
	narrowed := map[string][]string{
		records: {
			"", "&record_type=EMERGENCY", "&from=2999-01-01", "&page_size=1", "&page=99", "&page_size=1&page=2",
			beyond(`{"k":"1900-01-01T00:00:00Z","i":1}`), beyond(`{"b":true,"k":"2999-01-01T00:00:00Z","i":1}`), "&ordering=created_at&record_type=EMERGENCY",
		},
		assignments: {"", "&is_active=false", "&doctor=999999", "&page=99", beyond(`{"i":1}`)},
		audit:       {"", "&operation=nothing", "&to=2000-01-01", beyond(`{"i":1}`)},
	}
	for _, test := range []struct {
		role, list string
		patient    int64
		want       string // for each filter of the list
	}{
		{"assigned doctor", records, owner, fmt.Sprintf("{%d} {%d} assignment", owner, c.own["patient"][assigning])},
		{"assigned doctor", assignments, owner, fmt.Sprintf("{%d} {%d} assignment", owner, c.own["patient"][assigning])},
		{"emergency doctor", records, owner, fmt.Sprintf("{%d} {%d} break_glass", owner, c.own["emergency doctor"][assigning])},
		{"emergency doctor", assignments, owner, fmt.Sprintf("{%d} {%d} break_glass", owner, c.own["emergency doctor"][assigning])},
		{"patient", records, owner, fmt.Sprintf("{%d} {0} own", owner)},
		{"patient", assignments, owner, fmt.Sprintf("{%d} {0} own", owner)},
		{"administrator", assignments, owner, fmt.Sprintf("{%d} {0} role", owner)},
		{"administrator", audit, owner, fmt.Sprintf("{%d} {0} role", owner)},
		{"assigned doctor", records, c.foreign[patientID], "{} {} assignment"}, // a patient whom the caller may not see is like a missing one
		{"assigned doctor", records, missingAfter, "{} {} assignment"},
		{"assigned doctor", assignments, c.foreign[patientID], "{} {} assignment"},
		{"unverified doctor", records, owner, "{} {} assignment"},
		{"patient", records, c.foreign[patientID], "{} {} own"},
		{"patient", records, missingAfter, "{} {} own"},
		{"administrator", assignments, missingAfter, "{} {} role"},
		{"administrator", audit, missingAfter, "{} {} role"},
	} {
		for _, narrowing := range narrowed[test.list] {
			path := fmt.Sprintf(test.list, test.patient) + narrowing
			got := c.do(call{method: get, path: path, token: c.people[test.role].token})
			if n := db.Count(`SELECT count(*) FROM audit_log WHERE request_id = $1 AND object_kind = 'patient' AND object_id = $2
				AND patient_ids::text || ' ' || assignment_ids::text || ' ' || reason = $3 AND decision = 'allowed'`,
				got.header.Get("X-Request-ID"), test.patient, test.want); n != 1 {
				t.Errorf("%s as %s, answered %d, has no row %s", path, test.role, got.status, test.want)
			}
		}
	}
}

// TestAPatientSeesWhoLooked reads all pages of a patient's access log.
func TestAPatientSeesWhoLooked(t *testing.T) {
	t.Parallel()
	c := newCast(t)
	owner, other, doctor := c.people["patient"], c.patient("second"), c.people["assigned doctor"]
	c.assign(c.people["administrator"], other, doctor)
	c.want(http.StatusOK, call{method: get, path: "/api/health-records/my-patients/", token: doctor.token})
	page := c.want(http.StatusOK, call{method: get, path: "/api/access-log/?page_size=1", token: owner.token})
	if dig[string](t, page, "results", 0, "operation") != "listMyPatients" || dig[string](t, page, "results", 0, "user", "username") != doctor.username ||
		int64(dig[float64](t, page, "results", 0, "assignment")) != c.own["patient"][assigning] || dig[string](t, page, "results", 0, "purpose") != "primary care" {
		t.Errorf("the newest entry is %v", page["results"])
	}
	seen := map[float64]bool{}
	path := "/api/access-log/?page_size=2"
	for path != "" {
		page := c.want(http.StatusOK, call{method: get, path: path, token: owner.token})
		for i := range dig[[]any](t, page, "results") {
			id := dig[float64](t, page, "results", i, "id")
			if seen[id] {
				t.Fatalf("entry %v comes twice", id)
			}
			seen[id] = true
		}
		path = ""
		if next, more := page["next"].(string); more {
			path = "/api/access-log/?page_size=2&cursor=" + next
		}
	}
	if len(seen) < 5 {
		t.Errorf("only %d entries", len(seen))
	}
	foreign := c.do(call{method: get, path: "/api/access-log/", token: other.token})
	if strings.Contains(string(foreign.body), `"username":"patient"`) {
		t.Error("another patient's name is in the log")
	}
}

// TestAPrivateCommentIsAReadingToThePatient lets a doctor read a record and comment on it privately. The patient's log must
// have the same entry for both, even if the request is repeated under its key, or refused.
func TestAPrivateCommentIsAReadingToThePatient(t *testing.T) {
	t.Parallel()
	c := newCast(t)
	owner, doctor, emergency := c.people["patient"], c.people["assigned doctor"], c.people["emergency doctor"]
	path := fmt.Sprintf("/api/health-records/%d/", c.own["patient"][record])
	entry := func(request call) map[string]any {
		t.Helper()
		c.do(request)
		newest := dig[map[string]any](t, c.want(http.StatusOK, call{method: get, path: "/api/access-log/?page_size=1", token: owner.token}), "results", 0)
		delete(newest, "id")
		delete(newest, "at")
		return newest
	}
	comment := func(by person, text string, private bool, header ...string) call {
		request := call{
			method: post, path: path + "comments/", token: by.token, header: map[string]string{},
			body: map[string]any{"comment": text, "is_private": private},
		}
		for _, key := range header {
			request.header["Idempotency-Key"] = key
		}
		return request
	}
	added := func() int {
		t.Helper()
		log := c.want(http.StatusOK, call{method: get, path: "/api/audit/?operation=addComment&decision=allowed", token: c.people["administrator"].token})
		return len(dig[[]any](t, log, "results"))
	}
	before := added() // by newCast
	want := entry(call{method: get, path: path, token: doctor.token})
	for _, request := range []call{
		comment(doctor, "Looks fine.", true), comment(doctor, "Looks fine.", true, "key"), comment(doctor, "Looks fine.", true, "key"),
	} {
		if diff := cmp.Diff(want, entry(request)); diff != "" {
			t.Errorf("a private comment differs from a read of the record:\n%s", diff)
		}
	}
	if public := entry(comment(doctor, "Looks fine.", false)); public["operation"] != "addComment" || public["object"] != "comment" {
		t.Errorf("a comment for everybody is %v", public)
	}
	for want, refused := range map[string]func(private bool) call{
		"addComment":   func(private bool) call { return comment(emergency, "Looks fine.", private) },
		"getAccessLog": func(private bool) call { return comment(doctor, "Looks bad.", private, "key") }, // with a used key, which creates nothing
	} {
		public, private := entry(refused(false)), entry(refused(true))
		if diff := cmp.Diff(public, private); diff != "" || public["operation"] != want {
			t.Errorf("a refused request, %v, reveals whether the comment is private:\n%s", public, diff)
		}
	}
	if n := added() - before; n != 4 {
		t.Errorf("administrators see %d more requests that added a comment, want 4", n)
	}
}

// TestAdministratorsFilterTheAuditLog tests each filter separately.
func TestAdministratorsFilterTheAuditLog(t *testing.T) {
	t.Parallel()
	c := newCast(t)
	admin, doctor, owner := c.people["administrator"], c.people["assigned doctor"], c.people["patient"]
	c.do(call{method: get, path: "/api/health-records/", token: doctor.token})
	c.do(call{method: get, path: "/api/health-records/", token: admin.token})
	for filter, fits := range map[string]func(entry map[string]any) bool{
		fmt.Sprintf("user=%d", doctor.userID): func(e map[string]any) bool { return e["user_id"] == float64(doctor.userID) },
		fmt.Sprintf("patient=%d", owner.profile): func(e map[string]any) bool {
			return strings.Contains(fmt.Sprint(e["patients"]), strconv.FormatInt(owner.profile, 10))
		},
		"operation=listRecords":         func(e map[string]any) bool { return e["operation"] == "listRecords" },
		"decision=forbidden":            func(e map[string]any) bool { return e["decision"] == "forbidden" && e["reason"] == "refused" },
		"from=2020-01-01&to=2999-01-01": func(map[string]any) bool { return true },
	} {
		page := c.want(http.StatusOK, call{method: get, path: "/api/audit/?" + filter, token: admin.token})
		entries := dig[[]any](t, page, "results")
		if len(entries) == 0 {
			t.Errorf("%s finds nothing", filter)
		}
		for i := range entries {
			if e := dig[map[string]any](t, page, "results", i); !fits(e) {
				t.Errorf("%s finds %v", filter, e)
			}
		}
	}
	if page := c.want(http.StatusOK, call{method: get, path: "/api/audit/?to=2020-01-01", token: admin.token}); len(dig[[]any](t, page, "results")) != 0 {
		t.Error("something happened before there was anything")
	}
}

// TestAuditPolicyKnowsReadsByTheirNames: without a caller, the server may add rows of
// reads, which the policy recognizes by the beginning of the operation's name, and of a search.
func TestAuditPolicyKnowsReadsByTheirNames(t *testing.T) {
	t.Parallel()
	database := testkit.NewDatabase(t, rights.Migrate)
	db := testkit.NewFactory(t, rights.URL(t, database, schema.PartServer))
	for _, o := range documented(loadContract(t)) {
		if len(routes()[o.id].Audited) == 0 {
			continue
		}
		_, err := db.Pool.Exec(t.Context(), `INSERT INTO audit_log (user_id, role, operation, object_kind, reason, decision)
			VALUES (1, 'PATIENT', $1, 'record', 'own', 'allowed')`, o.id)
		if reads := o.method == get || o.id == "searchRecords"; reads != (err == nil) {
			t.Errorf("%s %s %s: %v: only the ids of operations that read may begin with get or list, and a search has its own name", o.id, o.method, o.path, err)
		}
	}
}

// TestNoOperationIsForgotten compares the table of the API with the document: each
// operation is in both, and an operation without audit rows gives the reason.
func TestNoOperationIsForgotten(t *testing.T) {
	t.Parallel()
	all := routes()
	known := map[string]bool{}
	loadContract(t).each(func(_, _ string, op *openapi3.Operation) {
		known[op.OperationID] = true
		if _, routed := all[op.OperationID]; !routed {
			t.Errorf("%s is documented and has no route", op.OperationID)
		}
	})
	for id, o := range all {
		if !known[id] {
			t.Errorf("%s is not documented", id)
		}
		if exempt := len(o.Audited) < 3; exempt != (o.Reason != "") {
			t.Errorf("%s is audited for %v, and the reason is %q", id, o.Audited, o.Reason)
		}
	}
}

// TestAuditTellsTheClientBehindAProxy: the address of the proxy would be the same for all clients.
func TestAuditTellsTheClientBehindAProxy(t *testing.T) {
	t.Parallel()
	database := testkit.NewDatabase(t, rights.Migrate)
	w, db := newWorldOn(t, database, throughProxy), testkit.NewFactory(t, database)
	p := w.patient("patient1")
	for sent, want := range map[string]string{"203.0.113.99, 192.0.2.7": "192.0.2.7", "": "127.0.0.1", "2001:db8::7": "2001:db8::7"} {
		header := map[string]string{}
		if sent != "" {
			header["X-Forwarded-For"] = sent
		}
		got := w.do(call{method: get, path: "/api/health-records/", token: p.token, header: header})
		if n := db.Count(`SELECT count(*) FROM audit_log WHERE request_id = $1 AND host(address) = $2`, got.header.Get("X-Request-ID"), want); n != 1 {
			t.Errorf("X-Forwarded-For %q: the audit row does not have the address %s", sent, want)
		}
	}
}
