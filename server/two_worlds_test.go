package server_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
)

// twoWorlds are two APIs whose databases are equal at the beginning. Later they differ in
// rows that are foreign to the caller. Foreign rows get ids from a separate range, so that
// the caller's own rows have the same ids in both. The design accepts that ids reveal how
// much is written in total: see docs/adr/0002-integer-identifiers.md.
type twoWorlds struct {
	world   [2]*world
	db      [2]*testkit.Factory
	session [2]map[string]clinic.Caller // by username
	caller  clinic.User
	foreign int64 // number of ids for foreign rows
	last    answer
}

// The people, by username. Ann and Bea are patients of House, Carl was one, and Dora may
// become one. Ann and Carl are patients of Wilson. Cuddy has emergency access to Ann.
const (
	ann, bea, carl, dora = "ann", "bea", "carl", "dora"
	house, wilson, cuddy = "house", "wilson", "cuddy"
	firstForeign         = 1_000_000
	missing              = 500_000 // an id that does not exist
	foreignStep          = 10      // ids for the rows of one event
)

func newTwoWorlds(t *testing.T, caller string) *twoWorlds {
	t.Helper()
	w := &twoWorlds{foreign: firstForeign}
	for i := range w.world {
		dsn := testkit.NewDatabase(t, rights.Migrate)
		w.db[i] = testkit.NewFactory(t, dsn)
		people := settleIn(w.db[i])
		w.world[i] = newWorldOn(t, dsn)
		hash, err := w.world[i].parts.Passwords.Hash(t.Context(), password)
		testkit.Must(t, err)
		w.db[i].Exec(`UPDATE users SET password_hash = $1`, hash)
		w.caller, w.session[i] = people[caller], map[string]clinic.Caller{}
		for _, name := range slices.Sorted(maps.Keys(people)) {
			w.session[i][name] = w.db[i].LoggedIn(people[name])
		}
	}
	return w
}

// token returns a new token of somebody in one of the worlds, because a check may take longer than a token is valid.
func (w *twoWorlds) token(i int, username string) string {
	token, err := w.world[i].parts.Tokens.Issue(w.session[i][username])
	testkit.Must(w.world[i].t, err)
	return token
}

// settleIn fills a world with the rows that both have at the beginning.
func settleIn(f *testkit.Factory) map[string]clinic.User {
	people := map[string]clinic.User{}
	patients, doctors := map[string]clinic.Patient{}, map[string]clinic.Doctor{}
	for _, name := range []string{ann, bea, carl, dora} {
		patients[name] = f.Patient(testkit.PatientOptions{Person: testkit.Person{Username: name}})
		people[name] = patients[name].User
	}
	for _, name := range []string{house, wilson, cuddy} {
		doctors[name] = f.Doctor(testkit.DoctorOptions{Person: testkit.Person{Username: name}})
		people[name] = doctors[name].User
	}
	for _, pair := range [][2]string{{ann, house}, {bea, house}, {carl, house}, {ann, wilson}, {carl, wilson}} {
		f.Assignment(testkit.AssignmentOptions{Patient: patients[pair[0]], Doctor: doctors[pair[1]]})
	}
	f.Assignment(testkit.AssignmentOptions{Patient: patients[ann], Doctor: doctors[cuddy], Source: clinic.SourceBreakGlass})
	for i, name := range []string{ann, bea, carl, ann, ann, bea} {
		visit := time.Date(2025, 1, 1+(i+1)%3, 0, 0, 0, 0, time.UTC)
		record := f.Record(testkit.RecordOptions{Patient: patients[name], VisitDate: visit})
		f.Comment(testkit.CommentOptions{Record: record, Doctor: doctors[house]})
		f.Comment(testkit.CommentOptions{Record: record, Doctor: doctors[house], Private: true})
	}
	f.Exec(`UPDATE users SET created_at = '2025-01-01'`)
	f.Exec(`UPDATE doctor_profiles SET verified_at = '2025-01-01'`)
	f.Exec(`UPDATE assignments SET starts_at = '2025-01-01', ends_at = CASE id WHEN 3 THEN '2025-03-01'::timestamptz END, created_at = '2025-01-01'
		WHERE source <> 'break_glass'`)
	f.Exec(`INSERT INTO notifications (recipient_id, event_id, type, patient_id, record_id, created_at)
		SELECT u.id, r.id, 'NEW_RECORD', r.patient_id, r.id, '2025-02-01' FROM users u, health_records r`)
	holdTime(f)
	return people
}

// holdTime sets equal times for rows that were written at different times.
func holdTime(f *testkit.Factory) {
	f.Exec(`UPDATE health_records SET created_at = '2025-02-01'::timestamptz - id % 4 * interval '1 hour', updated_at = '2025-02-01'`)
	f.Exec(`UPDATE doctor_comments SET created_at = '2025-02-01'`)
}

// notDrawn are the operations that draw leaves out, each with the reason.
func notDrawn() map[string]string {
	const credentials = "is about the caller's own account, session or second factor, and knows of nobody else"
	return map[string]string{
		"register": "makes an account, whose name may be taken: which usernames there are is no secret",
		"login":    credentials, "refreshToken": credentials, "logout": credentials, "listSessions": credentials, "endSession": credentials,
		"changePassword": credentials, "resetPassword": credentials, "getTOTP": credentials, "enrolTOTP": credentials, "confirmTOTP": credentials, "disableTOTP": credentials,
		"replaceProfile": credentials, "changeProfile": credentials,
		"replaceRecord": "as changeRecord",
		"disableUser":   "is for administrators, who know everybody", "enableUser": "as disableUser", "verifyDoctor": "as disableUser", "issueResetCode": "as disableUser",
		"endAssignment": "as disableUser", "liftHold": "as disableUser",
		"getLegalHold": "as disableUser", "placeLegalHold": "as disableUser", "liftLegalHold": "as disableUser",
		"getErasure": "as disableUser", "requestErasure": "as disableUser", "withdrawErasure": "as disableUser", "confirmErasure": "as disableUser",
		"listErasures": "as disableUser",
		"listKeys":     "public keys", "health": "knows of nobody",
	}
}

// TestTwoWorldsAskEveryOperation finds operations of the document that are neither in calls nor in notDrawn.
func TestTwoWorldsAskEveryOperation(t *testing.T) {
	t.Parallel()
	drawn := rapid.Custom(func(t *rapid.T) map[string]func() call { return (&twoWorlds{foreign: firstForeign}).calls(t) }).Example()
	known := map[string]bool{}
	for _, o := range documented(loadContract(t)) {
		known[o.id] = true
		if _, asked := drawn[o.id]; asked == (notDrawn()[o.id] != "") {
			t.Errorf("%s is in calls: %t; let it be there, or else in notDrawn with a reason", o.id, asked)
		}
	}
	for id := range notDrawn() {
		if !known[id] {
			t.Errorf("%s is in notDrawn and is no operation", id)
		}
	}
}

// draw returns a random request of the caller.
func (w *twoWorlds) draw(t *rapid.T) call {
	operations := w.calls(t)
	return operations[rapid.SampledFrom(slices.Sorted(maps.Keys(operations))).Draw(t, "operation")]()
}

// calls returns the requests of the caller, by operation: with own, foreign and missing ids, with any
// filter, and from page to page. Patients to whom doctors assign themselves, or open
// emergency access, exist in both worlds or in none: doctors may find out which patients
// exist, and then these are their own.
func (w *twoWorlds) calls(t *rapid.T) map[string]func() call {
	event := rapid.Map(rapid.Int64Range(0, (w.foreign-firstForeign)/foreignStep+1), func(n int64) int64 { return firstForeign + n*foreignStep })
	id := rapid.OneOf(rapid.Int64Range(1, 6), rapid.Int64Range(1, 20), event, rapid.Map(event, func(id int64) int64 { return id + 1 })).Draw(t, "id")
	query := url.Values{}
	maybe := func(name string, values ...string) {
		if v := rapid.SampledFrom(append(values, "", "")).Draw(t, name); v != "" {
			query.Set(name, v)
		}
	}
	list := func(path string) call {
		maybe("page", "1", "2", "3")
		maybe("page_size", "1", "2", "100")
		if len(query["page"]) == 0 && rapid.Bool().Draw(t, "keyset") {
			query.Set("cursor", "")
		}
		return call{method: get, path: path + "?" + query.Encode()}
	}
	at := func(format string) string { return fmt.Sprintf(format, id) }
	ids := []string{"1", "2", "3", at("%d")}
	inBoth := func() int64 { return rapid.SampledFrom([]int64{1, 2, 4, missing}).Draw(t, "patient") }
	return map[string]func() call{
		"listRecords": func() call {
			maybe("patient", ids...)
			maybe("record_type", "CHECKUP", "EMERGENCY")
			maybe("from", "2025-01-02")
			maybe("to", "2025-01-02")
			maybe("ordering", "visit_date", "-created_at", "created_at")
			maybe("deleted", "true")
			maybe("entered_in_error", "true")
			return list("/api/health-records/")
		},
		"searchRecords": func() call {
			body := map[string]any{
				"query":     rapid.SampledFrom([]string{"annual physical", "looks fine", "foreign", "annual -foreign", "annuel", "corrected", "title*", "changed"}).Draw(t, "query"),
				"page_size": rapid.SampledFrom([]int{1, 2, 100}).Draw(t, "page_size"),
			}
			filters := map[string]any{}
			if rapid.Bool().Draw(t, "of one patient") {
				filters["patient"] = id
			}
			if rapid.Bool().Draw(t, "since") {
				filters["from"] = "2025-01-02"
			}
			body["filters"] = filters
			return call{method: post, path: "/api/health-records/search/", body: body}
		},
		"listAssignments": func() call {
			maybe("patient", ids...)
			maybe("doctor", ids...)
			maybe("is_active", "true", "false")
			maybe("source", "rest", "break_glass")
			return list("/api/assignments/")
		},
		"listNotifications": func() call { maybe("is_read", "true", "false"); return list("/api/notifications/") },
		"listDoctors": func() call {
			maybe("search", "findme", "house", "stranger")
			maybe("is_verified", "true", "false")
			maybe("has_pending_name", "true")
			return list("/api/auth/doctors/")
		},
		"getDoctor":      func() call { return call{method: get, path: at("/api/auth/doctors/%d/")} },
		"listUsers":      func() call { maybe("search", "findme"); return list("/api/users/") },
		"listPatients":   func() call { maybe("search", "findme"); return list("/api/patients/") },
		"listMyPatients": func() call { return list("/api/health-records/my-patients/") },
		"listComments":   func() call { return list(at("/api/health-records/%d/comments/")) },
		"getRecord": func() call {
			maybe("deleted", "true")
			return call{method: get, path: at("/api/health-records/%d/?") + query.Encode()}
		},
		"listRecordVersions":  func() call { return list(at("/api/health-records/%d/versions/")) },
		"getRecordVersion":    func() call { return call{method: get, path: at("/api/health-records/%d/versions/1/")} },
		"getRecordDifference": func() call { return call{method: get, path: at("/api/health-records/%d/versions/diff/?from=1&to=2")} },
		"listCommentVersions": func() call { return list(at("/api/comments/%d/versions/")) },
		"restoreRecord": func() call {
			return call{method: post, path: at("/api/health-records/%d/restore/"), body: map[string]any{"version": 1}}
		},
		"markEnteredInError": func() call {
			return call{method: post, path: at("/api/health-records/%d/entered-in-error/"), body: map[string]any{"reason": "mixed up"}}
		},
		"unmarkEnteredInError": func() call { return call{method: remove, path: at("/api/health-records/%d/entered-in-error/")} },
		"getAssignment":        func() call { return call{method: get, path: at("/api/assignments/%d/")} },
		"getProfile":           func() call { return call{method: get, path: "/api/auth/profile/"} },
		"createRecord":         func() call { return call{method: post, path: "/api/health-records/", body: visit()} },
		"changeRecord": func() call {
			return call{method: patch, path: at("/api/health-records/%d/"), body: map[string]any{"title": at("title %d")}}
		},
		"deleteRecord": func() call { // only objects that the test created, so that the original ones remain
			return call{method: remove, path: fmt.Sprintf("/api/health-records/%d/", id+6)}
		},
		"addComment": func() call {
			return call{method: post, path: at("/api/health-records/%d/comments/"), body: map[string]any{"comment": "Well done."}}
		},
		"correctComment": func() call {
			return call{method: patch, path: at("/api/comments/%d/"), body: map[string]any{"comment": "Better."}}
		},
		"readNotification":     func() call { return call{method: post, path: at("/api/notifications/%d/read/")} },
		"readAllNotifications": func() call { return call{method: post, path: "/api/notifications/mark-all-read/"} },
		"assignDoctor": func() call {
			return call{method: post, path: "/api/auth/assign-doctor/", body: map[string]any{
				"patient_id": inBoth(), "doctor_id": rapid.Int64Range(1, 4).Draw(t, "doctor"), "reason": at("reason %d"), "password": password,
			}}
		},
		"breakGlass": func() call {
			return call{method: post, path: "/api/break-glass/", body: map[string]any{
				"patient_id": inBoth(), "reason": at("reason %d"), "password": password,
			}}
		},
		"getAccessLog": func() call {
			maybe("page_size", "1", "5", "100")
			return call{method: get, path: "/api/access-log/?" + query.Encode()}
		},
		"getAudit": func() call {
			maybe("user", ids...)
			maybe("patient", ids...)
			return call{method: get, path: "/api/audit/?" + query.Encode()}
		},
		"next page": func() call {
			var page struct{ Next string }
			_ = json.Unmarshal(w.last.body, &page) // other answers have no page
			switch {
			case page.Next == "":
				return call{method: get, path: "/api/notifications/?cursor=&page_size=2"}
			case page.Next[0] != '/': // in a log, next is not a link
				return call{method: get, path: "/api/access-log/?page_size=2&cursor=" + page.Next}
			}
			return call{method: get, path: page.Next}
		},
	}
}

// differ sends the call to both worlds and returns how the answers differ.
func (w *twoWorlds) differ(c call) string {
	var got [2]string
	for i := range w.world {
		c.token = w.token(i, w.caller.Username)
		w.last = w.world[i].do(c)
		got[i] = w.last.comparable()
		if c.method != get {
			w.settle(i)
			holdTime(w.db[i])
		}
	}
	return cmp.Diff(got[0], got[1])
}

// comparable returns the answer without the parts that are new for each request.
func (a answer) comparable() string {
	header := a.header.Clone()
	request := header.Get("X-Request-Id")
	header.Del("Date")
	header.Del("X-Request-Id")
	body := string(a.body)
	if request != "" {
		body = strings.ReplaceAll(body, request, "REQUEST")
	}
	// the times of rows that were just written; all other rows are from the previous year
	body = regexp.MustCompile(`"20(2[6-9]|[3-9]\d)-\d\d-\d\dT[0-9:.]+Z"`).ReplaceAllString(body, `"NOW"`)
	length := header.Get("Content-Length") != ""
	header.Del("Content-Length") // times are written without trailing zeros
	return fmt.Sprintln(a.status, header, length, body)
}

func TestTwoWorldsLookTheSame(t *testing.T) {
	t.Parallel()
	for _, caller := range []string{ann, house} {
		t.Run(caller, func(t *testing.T) {
			t.Parallel()
			w := newTwoWorlds(t, caller)
			rapid.Check(t, func(t *rapid.T) {
				for range rapid.IntRange(1, 30).Draw(t, "steps") {
					if rapid.IntRange(0, 2).Draw(t, "kind") == 0 {
						w.happen(t)
						continue
					}
					c := w.draw(t)
					if diff := w.differ(c); diff != "" {
						t.Fatalf("%s %s tells one world from the other:\n%s", c.method, c.path, diff)
					}
				}
			})
		})
	}
}

// The comparison must notice changes that the caller may see.
func TestTwoWorldsTellWhatIsNotForeign(t *testing.T) {
	t.Parallel()
	row := `INSERT INTO audit_log (id, user_id, role, operation, object_kind, object_id, patient_ids, assignment_ids, reason, decision)
		VALUES (%d, 6, 'DOCTOR', '%s', '%s', 1, '{1}', '{4}', 'assignment', 'allowed')`
	for caller, steps := range map[string][][2]string{
		house: {
			{"/api/health-records/?record_type=EMERGENCY", `UPDATE health_records SET record_type = 'EMERGENCY' WHERE id = 2`},
			{"/api/health-records/1/comments/", `INSERT INTO doctor_comments (record_id, doctor_id, comment, is_private) VALUES (1, 2, 'new', true)`},
			{"/api/notifications/?is_read=true", `UPDATE notifications SET read_at = '2025-03-02' WHERE recipient_id = 5 AND event_id = 1`},
			{"/api/assignments/3/", `UPDATE assignments SET ends_at = '2025-03-02' WHERE id = 3`},
			{"/api/health-records/my-patients/", `DELETE FROM assignments WHERE id = 2`},
		},
		ann: {
			{"/api/access-log/", fmt.Sprintf(row, firstForeign, "getRecord", "record")},
			{"/api/access-log/", fmt.Sprintf(row, firstForeign+1, "addComment", "comment")},
			{"/api/access-log/", fmt.Sprintf(`UPDATE audit_log SET role = 'CONTROLLER', request_id = 'kubernetes:jane' WHERE id = %d`, firstForeign)},
			{"/api/assignments/1/", `UPDATE assignments SET requester = 'jane' WHERE id = 1`},
			{"/api/health-records/1/comments/", `UPDATE doctor_comments SET is_private = false WHERE id = 2`},
			{"/api/health-records/1/", `UPDATE doctor_comments SET comment = 'corrected', version = version + 1, updated_at = '2025-03-02' WHERE id = 1`},
			{"/api/auth/doctors/2/", `UPDATE doctor_profiles SET specialization = 'Oncology' WHERE id = 2`},
		},
	} {
		t.Run(caller, func(t *testing.T) {
			t.Parallel()
			w := newTwoWorlds(t, caller)
			w.differ(call{method: get, path: "/api/health-records/"}) // an access log is not empty
			for _, step := range steps {
				path, sql := step[0], step[1]
				if diff := w.differ(call{method: get, path: path}); diff != "" {
					t.Errorf("%s: the worlds do not begin the same:\n%s", path, diff)
				}
				if w.db[1].Exec(sql) == 0 {
					t.Errorf("%s changes nothing", path)
				}
				if w.differ(call{method: get, path: path}) == "" {
					t.Errorf("%s: the difference is not noticed", path)
				}
				w.db[0].Exec(sql)
			}
		})
	}
}
