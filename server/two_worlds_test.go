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

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
)

// twoWorlds are two APIs whose databases held the same when they began, and go on
// to differ in what is foreign to the caller. Foreign rows have ids of their own
// range, so that the caller's own get the same ones in both.
type twoWorlds struct {
	world   [2]*world
	db      [2]*testkit.Factory
	caller  clinic.User
	token   [2]string
	foreign int64 // ids given to foreign rows
	last    answer
}

// The people, by username. House has Ann and Bea, and had Carl.
const (
	ann, bea, carl, house, wilson = "ann", "bea", "carl", "house", "wilson"
	firstForeign                  = 1_000_000
)

func newTwoWorlds(t *testing.T, caller string) *twoWorlds {
	t.Helper()
	w := &twoWorlds{foreign: firstForeign}
	for i := range w.world {
		dsn := testkit.NewDatabase(t, rights.Migrate)
		w.db[i] = testkit.NewFactory(t, dsn)
		people := settleIn(w.db[i])
		w.world[i] = newWorldOn(t, dsn)
		w.caller = people[caller]
		access, err := w.world[i].parts.Tokens.Issue(w.db[i].LoggedIn(w.caller))
		must(t, err)
		w.token[i] = access
	}
	return w
}

// settleIn fills a world with what both begin with.
func settleIn(f *testkit.Factory) map[string]clinic.User {
	people := map[string]clinic.User{}
	patients, doctors := map[string]clinic.Patient{}, map[string]clinic.Doctor{}
	for _, name := range []string{ann, bea, carl} {
		patients[name] = f.Patient(testkit.PatientOptions{Person: testkit.Person{Username: name}})
		people[name] = patients[name].User
	}
	for _, name := range []string{house, wilson} {
		doctors[name] = f.Doctor(testkit.DoctorOptions{Person: testkit.Person{Username: name}})
		people[name] = doctors[name].User
	}
	for _, pair := range [][2]string{{ann, house}, {bea, house}, {carl, house}, {ann, wilson}, {carl, wilson}} {
		f.Assignment(testkit.AssignmentOptions{Patient: patients[pair[0]], Doctor: doctors[pair[1]]})
	}
	for _, name := range []string{ann, bea, carl, ann, ann, bea} {
		record := f.Record(testkit.RecordOptions{Patient: patients[name]})
		f.Comment(testkit.CommentOptions{Record: record, Doctor: doctors[house]})
		f.Comment(testkit.CommentOptions{Record: record, Doctor: doctors[house], Private: true})
	}
	f.Exec(`UPDATE health_records SET visit_date = '2025-01-01'::timestamptz + id % 3 * interval '1 day'`)
	f.Exec(`UPDATE users SET created_at = '2025-01-01'`)
	f.Exec(`UPDATE doctor_profiles SET verified_at = '2025-01-01'`)
	f.Exec(`UPDATE assignments SET starts_at = '2025-01-01', ends_at = CASE id WHEN 3 THEN '2025-03-01'::timestamptz END, created_at = '2025-01-01'`)
	f.Exec(`INSERT INTO notifications (recipient_id, event_id, type, patient_id, record_id, created_at)
		SELECT u.id, r.id, 'NEW_RECORD', r.patient_id, r.id, '2025-02-01' FROM users u, health_records r`)
	holdTime(f)
	return people
}

// holdTime makes what was written at different times the same again.
func holdTime(f *testkit.Factory) {
	f.Exec(`UPDATE health_records SET created_at = '2025-02-01'::timestamptz - id % 4 * interval '1 hour', updated_at = '2025-02-01'`)
	f.Exec(`UPDATE doctor_comments SET created_at = '2025-02-01'`)
}

// strangers are the patients whose rows are foreign to the caller.
func (w *twoWorlds) strangers() string {
	if w.caller.Role == clinic.RoleDoctor {
		return `SELECT id FROM patient_profiles WHERE id NOT IN (1, 2)`
	}
	return `SELECT id FROM patient_profiles WHERE id <> 1`
}

// happen changes one of the worlds in a way that is none of the caller's business.
func (w *twoWorlds) happen(t *rapid.T) {
	i := rapid.IntRange(0, 1).Draw(t, "world")
	kind := rapid.SampledFrom([]string{"person", "record", "comment", "private comment", "assignment", "notification", "change", "removal"}).Draw(t, "event")
	w.foreign++
	id, exec, nth := w.foreign, w.db[i].Exec, rapid.IntRange(0, 3).Draw(t, "nth")
	someone := fmt.Sprintf(`(SELECT p.id FROM (%s) AS p ORDER BY id OFFSET %d %% (SELECT count(*) FROM (%s) AS q) LIMIT 1)`, w.strangers(), nth, w.strangers())
	theirs := fmt.Sprintf(`(SELECT r.id FROM health_records r WHERE r.patient_id IN (%s) ORDER BY r.id LIMIT 1 OFFSET %d)`, w.strangers(), nth)
	switch kind {
	case "person":
		exec(`INSERT INTO users (id, username, first_name, role, password_hash) OVERRIDING SYSTEM VALUE VALUES ($1, 'stranger' || $1::bigint::text, 'Findme', 'PATIENT', '-')`, id)
		exec(`INSERT INTO patient_profiles (id, user_id) OVERRIDING SYSTEM VALUE VALUES ($1, $1)`, id)
	case "record":
		exec(`INSERT INTO health_records (id, patient_id, created_by, record_type, title, visit_date) OVERRIDING SYSTEM VALUE
			SELECT $1, p.id, p.user_id, 'CHECKUP', 'foreign', '2025-01-02' FROM patient_profiles p WHERE p.id = `+someone, id)
	case "comment":
		exec(`INSERT INTO doctor_comments (id, record_id, doctor_id, comment) OVERRIDING SYSTEM VALUE
			SELECT $1, r.id, 2, 'foreign' FROM health_records r WHERE r.id = `+theirs, id)
	case "private comment": // on anybody's record, where the caller is a patient
		record := theirs
		if w.caller.Role == clinic.RolePatient {
			record = fmt.Sprintf(`%d`, []int{1, 4, 5, 2}[nth])
		}
		exec(`INSERT INTO doctor_comments (id, record_id, doctor_id, comment, is_private) OVERRIDING SYSTEM VALUE
			SELECT $1, r.id, 2, 'foreign', true FROM health_records r WHERE r.id = `+record, id)
	case "assignment":
		exec(`INSERT INTO assignments (id, patient_id, doctor_id, source, starts_at) OVERRIDING SYSTEM VALUE
			SELECT $1, p.id, 2, 'rest', now() FROM patient_profiles p WHERE p.id = `+someone+` ON CONFLICT DO NOTHING`, id)
	case "notification":
		exec(`INSERT INTO notifications (id, recipient_id, event_id, type, patient_id) OVERRIDING SYSTEM VALUE
			SELECT $1, u.id, $1, 'NEW_RECORD', 1 FROM users u WHERE u.id <> $2 ORDER BY u.id LIMIT 1 OFFSET $3`, id, w.caller.ID, nth)
	case "change":
		exec(`UPDATE health_records SET title = 'changed', record_type = 'EMERGENCY', version = version + 1 WHERE id = ` + theirs)
	case "removal":
		exec(`DELETE FROM health_records WHERE id = ` + theirs)
	}
}

// calls is what the caller may ask: with ids that are his, foreign, and missing,
// any filter, and the way from page to page. A doctor's assigning himself is not
// among it: it is for him to know which patients there are.
func (w *twoWorlds) draw(t *rapid.T) call {
	id := rapid.OneOf(rapid.Int64Range(1, 6), rapid.Int64Range(1, 20), rapid.Int64Range(firstForeign, w.foreign+1)).Draw(t, "id")
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
	operations := map[string]func() call{
		"records": func() call {
			maybe("patient", ids...)
			maybe("record_type", "CHECKUP", "EMERGENCY")
			maybe("from", "2025-01-02")
			maybe("to", "2025-01-02")
			maybe("ordering", "visit_date", "-created_at", "created_at")
			return list("/api/health-records/")
		},
		"assignments": func() call {
			maybe("patient", ids...)
			maybe("doctor", ids...)
			maybe("is_active", "true", "false")
			return list("/api/assignments/")
		},
		"notifications": func() call { maybe("is_read", "true", "false"); return list("/api/notifications/") },
		"doctors":       func() call { maybe("search", "findme", "house", "stranger"); return list("/api/auth/doctors/") },
		"patients":      func() call { maybe("search", "findme"); return list("/api/patients/") },
		"my patients":   func() call { return list("/api/health-records/my-patients/") },
		"comments":      func() call { return list(at("/api/health-records/%d/comments/")) },
		"record":        func() call { return call{method: get, path: at("/api/health-records/%d/")} },
		"assignment":    func() call { return call{method: get, path: at("/api/assignments/%d/")} },
		"profile":       func() call { return call{method: get, path: "/api/auth/profile/"} },
		"create":        func() call { return call{method: post, path: "/api/health-records/", body: visit()} },
		"change": func() call {
			return call{method: patch, path: at("/api/health-records/%d/"), body: map[string]any{"title": at("title %d")}}
		},
		"delete": func() call { // one that was made meanwhile: what both began with is there to be looked at
			return call{method: remove, path: fmt.Sprintf("/api/health-records/%d/", id+6)}
		},
		"comment": func() call {
			return call{method: post, path: at("/api/health-records/%d/comments/"), body: map[string]any{"comment": "Well done."}}
		},
		"read":     func() call { return call{method: post, path: at("/api/notifications/%d/read/")} },
		"read all": func() call { return call{method: post, path: "/api/notifications/mark-all-read/"} },
		"next page": func() call {
			var page struct{ Next string }
			_ = json.Unmarshal(w.last.body, &page) // an answer of another kind has none
			next := page.Next
			if next == "" {
				next = "/api/notifications/?cursor=&page_size=2"
			}
			return call{method: get, path: next}
		},
	}
	name := rapid.SampledFrom(slices.Sorted(maps.Keys(operations))).Draw(t, "operation")
	return operations[name]()
}

// differ sends the call to both and says in what the answers differ.
func (w *twoWorlds) differ(c call) string {
	var got [2]string
	for i := range w.world {
		c.token = w.token[i]
		w.last = w.world[i].do(c)
		got[i] = w.last.comparable()
		if c.method != get {
			holdTime(w.db[i])
		}
	}
	return cmp.Diff(got[0], got[1])
}

// comparable is all of the answer but what is new with each request.
func (a answer) comparable() string {
	header := a.header.Clone()
	request := header.Get("X-Request-Id")
	header.Del("Date")
	header.Del("X-Request-Id")
	body := string(a.body)
	if request != "" {
		body = strings.ReplaceAll(body, request, "REQUEST")
	}
	// the times of what has just been written; everything else is of the year before
	body = regexp.MustCompile(`"20(2[6-9]|[3-9]\d)-\d\d-\d\dT[0-9:.]+Z"`).ReplaceAllString(body, `"NOW"`)
	length := header.Get("Content-Length") != ""
	header.Del("Content-Length") // a time is written without the zeroes at its end
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

// The comparison must notice what the caller may see.
func TestTwoWorldsTellWhatIsNotForeign(t *testing.T) {
	t.Parallel()
	w := newTwoWorlds(t, house)
	for _, step := range [][2]string{
		{"/api/health-records/?record_type=EMERGENCY", `UPDATE health_records SET record_type = 'EMERGENCY' WHERE id = 2`},
		{"/api/health-records/1/comments/", `INSERT INTO doctor_comments (record_id, doctor_id, comment, is_private) VALUES (1, 2, 'new', true)`},
		{"/api/notifications/?is_read=true", `UPDATE notifications SET read_at = '2025-03-02' WHERE recipient_id = 4 AND event_id = 1`},
		{"/api/assignments/3/", `UPDATE assignments SET ends_at = '2025-03-02' WHERE id = 3`},
		{"/api/health-records/my-patients/", `DELETE FROM assignments WHERE id = 2`},
	} {
		path, sql := step[0], step[1]
		if diff := w.differ(call{method: get, path: path}); diff != "" {
			t.Errorf("%s: the worlds do not begin the same:\n%s", path, diff)
		}
		if w.db[1].Exec(sql) == 0 {
			t.Errorf("%s changes nothing", sql)
		}
		if w.differ(call{method: get, path: path}) == "" {
			t.Errorf("%s: the difference is not noticed", path)
		}
		w.db[0].Exec(sql)
	}
}
