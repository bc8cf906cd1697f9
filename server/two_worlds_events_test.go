package server_test

import (
	"fmt"
	"maps"
	"slices"

	"pgregory.net/rapid"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// happen does something that does not concern the caller. It happens in one of the
// worlds, or in both if the caller must not see a difference.
func (w *twoWorlds) happen(t *rapid.T) {
	i := rapid.IntRange(0, 1).Draw(t, "world")
	w.foreign += foreignStep
	events := w.written(t, i)
	maps.Copy(events, w.asked(t, i))
	if w.caller.Role == clinic.RolePatient {
		maps.Copy(events, w.askedOfAnn(t, i))
	}
	events[rapid.SampledFrom(slices.Sorted(maps.Keys(events))).Draw(t, "event")]()
}

// strangers are the patients whose rows are foreign to the caller. To a doctor, Dora's
// are not, because she may become their patient.
func (w *twoWorlds) strangers() string {
	if w.caller.Role == clinic.RoleDoctor {
		return `SELECT id FROM patient_profiles WHERE id NOT IN (1, 2, 4)`
	}
	return `SELECT id FROM patient_profiles WHERE id <> 1`
}

// written returns changes of the world's rows, by the kind of object.
func (w *twoWorlds) written(t *rapid.T, i int) map[string]func() {
	id, exec, nth := w.foreign, w.db[i].Exec, rapid.IntRange(0, 3).Draw(t, "nth")
	someone := fmt.Sprintf(`(SELECT p.id FROM (%s) AS p ORDER BY id OFFSET %d %% (SELECT count(*) FROM (%s) AS q) LIMIT 1)`, w.strangers(), nth, w.strangers())
	theirs := fmt.Sprintf(`(SELECT r.id FROM health_records r WHERE r.patient_id IN (%s) ORDER BY r.id LIMIT 1 OFFSET %d)`, w.strangers(), nth)
	return map[string]func(){
		"person": func() {
			exec(`INSERT INTO users (id, username, first_name, role, password_hash) OVERRIDING SYSTEM VALUE
				VALUES ($1, 'stranger' || $1::bigint::text, 'Findme', 'PATIENT', '-')`, id)
			exec(`INSERT INTO patient_profiles (id, user_id) OVERRIDING SYSTEM VALUE VALUES ($1, $1)`, id)
		},
		"record": func() {
			exec(`INSERT INTO health_records (id, patient_id, created_by, record_type, title, visit_date) OVERRIDING SYSTEM VALUE
				SELECT $1, p.id, p.user_id, 'CHECKUP', 'foreign', '2025-01-02' FROM patient_profiles p WHERE p.id = `+someone, id)
		},
		"comment": func() {
			exec(`INSERT INTO doctor_comments (id, record_id, doctor_id, comment) OVERRIDING SYSTEM VALUE
				SELECT $1, r.id, 2, 'foreign' FROM health_records r WHERE r.id = `+theirs, id)
		},
		"private comment": func() { // on anybody's record, if the caller is a patient
			record := theirs
			if w.caller.Role == clinic.RolePatient {
				record = fmt.Sprintf(`%d`, []int{1, 4, 5, 2}[nth])
			}
			exec(`INSERT INTO doctor_comments (id, record_id, doctor_id, comment, is_private) OVERRIDING SYSTEM VALUE
				SELECT $1, r.id, 2, 'foreign', true FROM health_records r WHERE r.id = `+record, id)
		},
		"correction": func() { // of a private comment on anybody's record, if the caller is a patient
			which := `record_id = ` + theirs
			if w.caller.Role == clinic.RolePatient {
				which = `is_private`
			}
			exec(`UPDATE doctor_comments SET comment = 'corrected', version = version + 1, updated_at = '2025-02-02' WHERE ` + which)
		},
		"assignment": func() {
			exec(`INSERT INTO assignments (id, patient_id, doctor_id, source, starts_at) OVERRIDING SYSTEM VALUE
				SELECT $1, p.id, 2, 'rest', now() FROM patient_profiles p WHERE p.id = `+someone+` ON CONFLICT DO NOTHING`, id)
		},
		"claim of an object": func() { // whose assignments and audit rows get ids of their own
			w.foreignly(i, func() {
				exec(`INSERT INTO assignment_claims (patient_id, doctor_id, source, owner, declared_by, requester, starts_at)
					SELECT p.id, 2, 'kubernetes', $1::bigint::text, 'clinic/foreign', 'foreign', now() FROM patient_profiles p WHERE p.id = `+someone, id)
				exec(`INSERT INTO audit_log (role, operation, object_kind, object_id, patient_ids, assignment_ids, reason, decision, request_id)
					SELECT 'CONTROLLER', 'declare', 'assignment', $1, ARRAY[p.id], ARRAY[$1::bigint], 'role', 'allowed', 'kubernetes:foreign'
					FROM patient_profiles p WHERE p.id = `+someone, id)
			})
		},
		"notification": func() {
			exec(`INSERT INTO notifications (id, recipient_id, event_id, type, patient_id) OVERRIDING SYSTEM VALUE
				SELECT $1, u.id, $1, 'NEW_RECORD', 1 FROM users u WHERE u.id <> $2 ORDER BY u.id LIMIT 1 OFFSET $3`, id, w.caller.ID, nth)
		},
		"change": func() {
			exec(`UPDATE health_records SET title = 'changed', record_type = 'EMERGENCY', version = version + 1 WHERE id = ` + theirs)
		},
		"indexing": func() { exec(`SELECT index_pending_records(1000, 'simple')`) },
		"removal":  func() { exec(`DELETE FROM health_records WHERE id = ` + theirs) },
	}
}

// asked returns requests of others in one of the worlds, which add audit rows. In a
// patient's world they are about others; in a doctor's, also about the doctor's patients.
func (w *twoWorlds) asked(t *rapid.T, i int) map[string]func() {
	patient, doctor := rapid.Int64Range(2, 4).Draw(t, "whom"), rapid.SampledFrom([]string{wilson, cuddy}).Draw(t, "who")
	lists := []string{"/api/health-records/?patient=%d", "/api/health-records/?patient=%d&record_type=EMERGENCY", "/api/assignments/?patient=%d"}
	if w.caller.Role == clinic.RoleDoctor {
		patient = rapid.Int64Range(1, 4).Draw(t, "whom")
		lists = append(lists, "/api/health-records/my-patients/?page=%d", "/api/health-records/%d/", "/api/health-records/%d/comments/")
	}
	list := fmt.Sprintf(rapid.SampledFrom(lists).Draw(t, "list"), patient)
	ask := func(username string, c call) func() {
		return func() { w.foreignly(i, func() { w.send(i, username, c) }) }
	}
	return map[string]func(){
		"others read": ask(doctor, call{method: get, path: list}),
		"others search": ask(doctor, call{method: post, path: "/api/health-records/search/", body: map[string]any{
			"query": "annual", "filters": map[string]any{"patient": patient},
		}}),
		"others open emergency access": ask(doctor, call{method: post, path: "/api/break-glass/", body: map[string]any{
			"patient_id": patient, "reason": "unconscious", "password": password,
		}}),
		"others assign themselves": ask(doctor, call{method: post, path: "/api/auth/assign-doctor/", body: map[string]any{
			"patient_id": patient, "reason": "colleague on leave", "password": password,
		}}),
		"others comment": ask(wilson, call{method: post, path: "/api/health-records/3/comments/", body: map[string]any{
			"comment": "foreign", "is_private": rapid.Bool().Draw(t, "private"),
		}}),
		"others are refused":       ask(bea, call{method: get, path: "/api/audit/"}),
		"others look for a record": ask(bea, call{method: get, path: "/api/health-records/1/"}),
	}
}

// askedOfAnn returns requests that appear in Ann's access log, with the same entries in
// both worlds. An entry does not reveal that a comment is private, or which other
// patients were on a page.
func (w *twoWorlds) askedOfAnn(t *rapid.T, i int) map[string]func() {
	doctor := rapid.SampledFrom([]string{house, wilson}).Draw(t, "doctor")
	record := fmt.Sprintf("/api/health-records/%d/", rapid.SampledFrom([]int64{1, 4, 5, 7, 8}).Draw(t, "record"))
	key, times := fmt.Sprintf("key-%d", w.foreign), rapid.IntRange(1, 2).Draw(t, "times")
	comment := func(private, keyed bool) call {
		c := call{method: post, path: record + "comments/", body: map[string]any{"comment": "foreign", "is_private": private}}
		if keyed {
			c.header = map[string]string{"Idempotency-Key": key}
		}
		return c
	}
	keyed := rapid.Bool().Draw(t, "keyed")
	pair := func(username string, calls [2]call) func() {
		return func() {
			for world := range w.world {
				w.foreignly(world, func() {
					for range times {
						w.send(world, username, calls[(world+i)%2])
					}
				})
			}
		}
	}
	both := func(username, path string) func() {
		c := call{method: get, path: path}
		return pair(username, [2]call{c, c})
	}
	return map[string]func(){
		"a private comment or a reading":                   pair(doctor, [2]call{comment(true, keyed), {method: get, path: record}}),
		"a private comment that is refused or another one": pair(cuddy, [2]call{comment(true, keyed), comment(false, keyed)}),
		"a page with her":                                  both(wilson, "/api/health-records/my-patients/?page_size=100"),
		"a count of hers":                                  both(doctor, "/api/health-records/?patient=1&record_type=EMERGENCY"),
		"an emergency":                                     both(cuddy, "/api/health-records/?patient=1&page_size=1&cursor="),
	}
}

// send sends a request of somebody else.
func (w *twoWorlds) send(i int, username string, c call) {
	c.token = w.token(i, username)
	w.world[i].do(c)
	w.settle(i)
}

// settle does the work of the worker in a patient's worlds. It does nothing in a doctor's:
// the database chooses the order of an event's recipients, which is visible in the ids.
func (w *twoWorlds) settle(i int) {
	if w.caller.Role == clinic.RolePatient {
		w.world[i].settle()
	}
}

// foreignly runs do, whose rows get ids from the foreign range.
func (w *twoWorlds) foreignly(i int, do func()) {
	db, t := w.db[i], w.world[i].t
	var names []string
	var last []int64
	var called []bool
	testkit.Must(t, db.Pool.QueryRow(t.Context(), `SELECT array_agg(format('%I', sequencename)), array_agg(coalesce(last_value, 1)), array_agg(last_value IS NOT NULL)
		FROM pg_sequences WHERE schemaname = current_schema()`).Scan(&names, &last, &called))
	db.Exec(`SELECT setval(name::regclass, $2) FROM unnest($1::text[]) AS name`, names, w.foreign)
	do()
	db.Exec(`SELECT setval(s.name::regclass, s.last, s.called) FROM unnest($1::text[], $2::bigint[], $3::boolean[]) AS s (name, last, called)`, names, last, called)
}
