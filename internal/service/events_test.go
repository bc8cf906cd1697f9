package service_test

import (
	"slices"
	"testing"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// event returns the id of the only open event.
func (f fixture) event(t testing.TB) int64 {
	t.Helper()
	return int64(f.db.Count(`SELECT id FROM outbox WHERE finished_at IS NULL`))
}

func (f fixture) outcome(id int64) int {
	return f.db.Count(`SELECT CASE outcome WHEN 'done' THEN 1 WHEN 'dropped' THEN 2 WHEN 'dead' THEN 3 ELSE 0 END FROM outbox WHERE id = $1`, id)
}

const (
	open = iota
	done
	dropped
	dead
)

// recipients returns the users who were notified of an event, by user id.
func (f fixture) recipients(t testing.TB, event int64) []int64 {
	t.Helper()
	rows, err := f.db.Pool.Query(t.Context(), `SELECT recipient_id FROM notifications WHERE event_id = $1 ORDER BY 1`, event)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var ids []int64
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return ids
}

func TestHandleEventTellsWhomItConcerns(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		happen func(*testing.T, fixture, care) // makes a change that writes one event
		change string                          // a change before it is handled
		want   func(care) []int64
		code   clinic.Code
	}{
		"assignment": {
			happen: assignStranger,
			want:   func(c care) []int64 { return []int64{c.patient.User.ID, c.stranger.User.ID} },
		},
		"assignment of a disabled patient": {
			happen: assignStranger,
			change: `UPDATE users SET active = false WHERE role = 'PATIENT'`,
			want:   func(c care) []int64 { return []int64{c.stranger.User.ID} },
		},
		"assignment that ended": {
			happen: assignStranger,
			change: `UPDATE assignments SET ends_at = now()`,
			code:   clinic.CodeNotFound,
		},
		"assignment that was canceled": {
			happen: assignStranger,
			change: `UPDATE assignments SET starts_at = now() + interval '1 hour', ends_at = now() + interval '1 hour'`,
			code:   clinic.CodeNotFound,
		},
		"assignment that was deleted": {
			happen: assignStranger,
			change: `DELETE FROM assignments`,
			code:   clinic.CodeNotFound,
		},
		"record": {
			happen: createRecord,
			want:   func(c care) []int64 { return []int64{c.doctor.User.ID} },
		},
		"record, assignment ended": {
			happen: createRecord,
			change: `UPDATE assignments SET ends_at = now()`,
		},
		"record, doctor not verified": {
			happen: createRecord,
			change: `UPDATE doctor_profiles SET verified_at = NULL`,
		},
		"record, doctor disabled": {
			happen: createRecord,
			change: `UPDATE users SET active = false WHERE role = 'DOCTOR'`,
		},
		"record, assigned after it": {
			happen: createRecord,
			change: `INSERT INTO assignments (patient_id, doctor_id, source, starts_at)
				SELECT p.id, d.id, 'rest', now() FROM patient_profiles p, doctor_profiles d
				WHERE NOT EXISTS (SELECT FROM assignments a WHERE a.doctor_id = d.id)`,
			want: func(c care) []int64 { return []int64{c.doctor.User.ID} },
		},
		"record, emergency access": {
			happen: createRecord,
			change: `INSERT INTO assignments (patient_id, doctor_id, source, starts_at, ends_at, reason)
				SELECT p.id, d.id, 'break_glass', now() - interval '1 hour', now() + interval '1 hour', 'emergency' FROM patient_profiles p, doctor_profiles d`,
			want: func(c care) []int64 { return []int64{c.doctor.User.ID} },
		},
		"record that was deleted": {
			happen: createRecord,
			change: `DELETE FROM health_records`,
			code:   clinic.CodeNotFound,
		},
		"comment": {
			happen: addComment,
			want:   func(c care) []int64 { return []int64{c.patient.User.ID} },
		},
		"comment whose record was deleted": {
			happen: addComment,
			change: `DELETE FROM health_records`,
			code:   clinic.CodeNotFound,
		},
		"code for a new password": {
			happen: issueCode,
			want:   func(c care) []int64 { return []int64{c.patient.User.ID, c.patient.User.ID + watching} },
		},
		"code for the account of an administrator": {
			happen: func(t *testing.T, f fixture, _ care) {
				t.Helper()
				testkit.Value(f.Resets.Issue(t.Context(), testkit.CallerOf(f.db.Admin()), f.db.Admin().ID))(t)
			},
			want: func(c care) []int64 { return []int64{c.patient.User.ID + watching + 1} },
		},
		"code of an account that was deleted": {
			happen: issueCode,
			change: `DELETE FROM health_records; DELETE FROM users WHERE role = 'PATIENT'`,
			code:   clinic.CodeNotFound,
		},
		"password that was set by a command": {
			happen: func(t *testing.T, f fixture, c care) {
				t.Helper()
				f.db.Admin()
				testkit.Value(f.Administrators.SetPassword(t.Context(), c.patient.User.Username, another))(t)
			},
			want: func(c care) []int64 { return []int64{c.patient.User.ID, c.patient.User.ID + watching} },
		},
		"comment, doctor not assigned any more": {
			happen: addComment,
			change: `UPDATE assignments SET ends_at = now()`,
			want:   func(c care) []int64 { return []int64{c.patient.User.ID} },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			c := f.care()
			test.happen(t, f, c)
			if test.change != "" {
				f.db.Exec(test.change)
			}
			event := f.event(t)
			wantCode(t, f.handle(t.Context(), event), test.code)
			var want []int64
			if test.want != nil {
				want = test.want(c)
			}
			if got := f.recipients(t, event); !slices.Equal(got, want) {
				t.Errorf("users %v are notified, want %v: compare the kinds of this event in clinic.NotificationKinds", got, want)
			}
			wantOutcome := done
			if test.code != "" {
				wantOutcome = dropped
			}
			if got := f.outcome(event); got != wantOutcome {
				t.Errorf("outcome = %d, want %d", got, wantOutcome)
			}
			wantCode(t, f.handle(t.Context(), event), "") // it is finished
		})
	}
}

// watching is the distance from the id of the patient to that of the first administrator.
const watching = 3

// issueCode issues a code for the patient. Another administrator watches.
func issueCode(t *testing.T, f fixture, c care) {
	t.Helper()
	f.db.Admin()
	testkit.Value(f.Resets.Issue(t.Context(), testkit.CallerOf(f.db.Admin()), c.patient.User.ID))(t)
}

func assignStranger(t *testing.T, f fixture, c care) {
	t.Helper()
	request := clinic.AssignmentRequest{PatientID: c.patient.ID, DoctorID: c.stranger.ID}
	_, _, err := f.Assignments.Assign(t.Context(), testkit.CallerOf(f.db.Admin()), request, noKey)
	wantCode(t, err, "")
}

func createRecord(t *testing.T, f fixture, c care) {
	t.Helper()
	testkit.Value(f.Records.Create(t.Context(), c.asPatient(), fields(), noKey))(t)
}

func addComment(t *testing.T, f fixture, c care) {
	t.Helper()
	testkit.Value(f.Comments.Add(t.Context(), c.asDoctor(), c.record.ID, "fine", false, noKey))(t)
}

func TestHandleEventManyTimesAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.care()
	assignStranger(t, f, c)
	event := f.event(t)
	results := make(chan error)
	const times = 20
	for range times {
		go func() { results <- f.handle(t.Context(), event) }()
	}
	for range times {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	if got := f.recipients(t, event); len(got) != 2 {
		t.Errorf("recipients = %v, want the patient and the doctor once", got)
	}
	wantCode(t, f.handle(t.Context(), 1<<40), "") // trimmed
}

// TestEventsOfALaterReleaseStayOpen beside those that this release knows.
func TestEventsOfALaterReleaseStayOpen(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.care()
	assignStranger(t, f, c)
	known := f.event(t)
	f.db.Exec(`ALTER TABLE outbox DROP CONSTRAINT outbox_type_known`)
	f.db.Exec(`INSERT INTO outbox (type, patient_id) VALUES ('patient.discharged', $1)`, c.patient.ID)
	later := int64(f.db.Count(`SELECT id FROM outbox WHERE type = 'patient.discharged'`))
	if gone, err := f.Outbox.Handle(t.Context(), []int64{known, later}); err != nil || len(gone) != 0 {
		t.Errorf("dropped %v, %v", gone, err)
	}
	if got := f.recipients(t, known); len(got) != 2 {
		t.Errorf("recipients = %v, want the patient and the doctor", got)
	}
	if n := f.db.Count(`SELECT count(*) FROM outbox WHERE id = $1 AND finished_at IS NULL`, later); n != 1 {
		t.Error("the event was finished without any effect")
	}
}

func TestClaimEvents(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.care()
	for range 3 {
		createRecord(t, f, c)
	}
	first := testkit.Value(f.Outbox.Claim(t.Context(), 2, time.Hour))(t)
	second := testkit.Value(f.Outbox.Claim(t.Context(), 2, time.Hour))(t)
	third := testkit.Value(f.Outbox.Claim(t.Context(), 2, time.Hour))(t)
	if len(first) != 2 || len(second) != 1 || len(third) != 0 {
		t.Fatalf("claims = %d, %d, %d events, want 2, 1, 0", len(first), len(second), len(third))
	}
	e := first[0]
	if e.Type != clinic.EventRecordCreated || e.Attempts != 1 || time.Since(e.CreatedAt) > time.Minute || e.ID > first[1].ID {
		t.Errorf("event = %+v", e)
	}
	if n := f.db.Count(`SELECT count(*) FROM outbox WHERE next_at > now() + interval '9 minutes' AND next_at <= now() + interval '10 minutes'`); n != 3 {
		t.Errorf("%d events wait ten minutes, want all 3: that is the most", n)
	}
	if err := f.handle(t.Context(), e.ID); err != nil {
		t.Fatal(err)
	}
	for attempt := 2; attempt <= 3; attempt++ {
		f.db.Exec(`UPDATE outbox SET next_at = now()`)
		again := testkit.Value(f.Outbox.Claim(t.Context(), 10, time.Second))(t)
		if len(again) != 2 || again[0].Attempts != attempt {
			t.Fatalf("events = %+v, want the 2 open ones at attempt %d", again, attempt)
		}
	}
	if n := f.db.Count(`SELECT count(*) FROM outbox WHERE finished_at IS NULL AND next_at BETWEEN now() + interval '3 seconds' AND now() + interval '4 seconds'`); n != 2 {
		t.Errorf("%d events wait four seconds after the third attempt, want 2", n)
	}
}

// TestClaimEventsSharesThemOut makes many relays claim at once.
func TestClaimEventsSharesThemOut(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.db.Exec(`INSERT INTO outbox (type) SELECT 'record.created' FROM generate_series(1, 200)`)
	claimed := make(chan []clinic.Event)
	const relays = 8
	for range relays {
		go func() {
			var mine []clinic.Event
			for {
				events, err := f.Outbox.Claim(t.Context(), 10, time.Hour)
				if err != nil {
					t.Error(err)
				}
				if len(events) == 0 {
					claimed <- mine
					return
				}
				mine = append(mine, events...)
			}
		}()
	}
	seen := map[int64]int{}
	for range relays {
		for _, e := range <-claimed {
			seen[e.ID]++
		}
	}
	for id, times := range seen {
		if times != 1 {
			t.Errorf("event %d was claimed %d times", id, times)
		}
	}
	// A relay stops while the others have claimed the rest for a moment, so some may be left.
	if left := f.db.Count(`SELECT count(*) FROM outbox WHERE attempts = 0`); len(seen)+left != 200 {
		t.Errorf("claimed %d, left %d, want 200 together", len(seen), left)
	}
}

func TestMarkDeadAndCountEvents(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.care()
	createRecord(t, f, c)
	event := f.event(t)
	f.db.Exec(`UPDATE outbox SET created_at = now() - interval '1 hour'`)
	n, oldest, err := f.Outbox.CountOpen(t.Context())
	if err != nil || n != 1 || oldest < time.Hour || oldest > time.Hour+time.Minute {
		t.Errorf("open = %d, oldest %v, %v", n, oldest, err)
	}
	if err := f.Outbox.MarkDead(t.Context(), event); err != nil {
		t.Fatal(err)
	}
	if got := f.outcome(event); got != dead {
		t.Errorf("outcome = %d, want dead", got)
	}
	if err := f.handle(t.Context(), event); err != nil {
		t.Fatal(err)
	}
	if got := f.recipients(t, event); len(got) != 0 {
		t.Errorf("a dead event notified %v", got)
	}
	n, oldest, err = f.Outbox.CountOpen(t.Context())
	if err != nil || n != 0 || oldest != 0 {
		t.Errorf("open = %d, oldest %v, %v", n, oldest, err)
	}
}

func TestTrimEvents(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.care()
	f.db.Exec(`INSERT INTO outbox (type, finished_at, outcome)
		SELECT 'record.created', now() - make_interval(hours => h), 'done' FROM generate_series(0, 5) h`)
	createRecord(t, f, c) // open
	f.db.Exec(`INSERT INTO idempotency_keys (user_id, operation, key, request_hash, created_at)
		SELECT $1, 'x', h::text, '', now() - make_interval(hours => h) FROM generate_series(22, 26, 2) h`, c.patient.User.ID)
	trim := func(limit, want int) {
		t.Helper()
		if n := testkit.Value(f.Cleanup.DeleteExpired(t.Context(), 3*time.Hour-time.Minute, limit))(t); n != want {
			t.Errorf("trimmed %d rows, want %d", n, want)
		}
	}
	trim(2, 4) // two events, two keys
	trim(2, 1) // the third event of three hours and more
	trim(2, 0)
	if n := f.db.Count(`SELECT count(*) FROM outbox`); n != 4 {
		t.Errorf("events = %d, want the three young ones and the open one", n)
	}
}
