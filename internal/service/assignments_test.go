package service_test

import (
	"context"
	"testing"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// pair is a patient and a doctor without an assignment, and an administrator.
type pair struct {
	fixture
	patient clinic.Patient
	doctor  clinic.Doctor
	admin   clinic.Caller
}

func newPair(t *testing.T) pair {
	t.Helper()
	f := newFixture(t)
	return pair{f, f.db.Patient(testkit.PatientOptions{}), f.db.Doctor(testkit.DoctorOptions{}), testkit.CallerOf(f.db.Admin())}
}

func (p pair) asDoctor() clinic.Caller { return testkit.CallerOf(p.doctor.User) }

func (p pair) both() clinic.AssignmentRequest {
	return clinic.AssignmentRequest{PatientID: p.patient.ID, DoctorID: p.doctor.ID, Reason: "primary care"}
}

func TestAssignGivesAccess(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		as func(pair) clinic.Caller
		by func(pair) clinic.AssignmentRequest
	}{
		"administrator":             {func(p pair) clinic.Caller { return p.admin }, pair.both},
		"doctor, naming themselves": {pair.asDoctor, pair.both},
		"doctor, naming no doctor": {pair.asDoctor, func(p pair) clinic.AssignmentRequest {
			return clinic.AssignmentRequest{PatientID: p.patient.ID, Reason: "primary care"}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t)
			record := p.db.Record(testkit.RecordOptions{Patient: p.patient})
			as := test.as(p)
			a, created, err := p.Assignments.Assign(t.Context(), as, test.by(p), noKey)
			if err != nil || !created {
				t.Fatalf("created = %v, %v", created, err)
			}
			if a.Patient.ID != p.patient.ID || a.Doctor.ID != p.doctor.ID || a.Source != clinic.SourceREST ||
				a.Reason != "primary care" || a.EndsAt != nil || !a.Active ||
				a.RequestedBy == nil || a.RequestedBy.ID != as.UserID || a.Patient.User.Username != p.patient.User.Username {
				t.Errorf("assignment = %+v", a)
			}
			testkit.Value(p.Records.Get(t.Context(), p.asDoctor(), record.ID))(t)
			if n := p.db.Count(`SELECT count(*) FROM outbox WHERE type = 'assignment.created' AND assignment_id = $1
				AND doctor_id = $2 AND patient_id = $3`, a.ID, p.doctor.ID, p.patient.ID); n != 1 {
				t.Errorf("events = %d, want 1", n)
			}
		})
	}
}

func TestAssignRefuses(t *testing.T) {
	t.Parallel()
	const missing = 1 << 40
	for name, test := range map[string]struct {
		change string
		as     func(pair) clinic.Caller
		edit   func(pair, *clinic.AssignmentRequest)
		code   clinic.Code
		reason string
	}{
		"a patient": {
			as:   func(p pair) clinic.Caller { return testkit.CallerOf(p.patient.User) },
			code: clinic.CodeForbidden,
		},
		"a doctor for another": {
			as:   func(p pair) clinic.Caller { return testkit.CallerOf(p.db.Doctor(testkit.DoctorOptions{}).User) },
			code: clinic.CodeForbidden,
		},
		"an unverified doctor": {
			change: `UPDATE doctor_profiles SET verified_at = NULL`,
			code:   clinic.CodeConflict, reason: "doctor_not_verified",
		},
		"an unverified doctor themselves, for a missing patient": {
			change: `UPDATE doctor_profiles SET verified_at = NULL`,
			as:     pair.asDoctor,
			edit:   func(_ pair, r *clinic.AssignmentRequest) { r.PatientID = missing },
			code:   clinic.CodeConflict, reason: "doctor_not_verified",
		},
		"a disabled doctor": {
			change: `UPDATE users SET active = false WHERE role = 'DOCTOR'`,
			code:   clinic.CodeNotFound,
		},
		"an unknown patient": {
			edit: func(_ pair, r *clinic.AssignmentRequest) { r.PatientID = missing },
			code: clinic.CodeNotFound,
		},
		"an unknown patient to a doctor": {
			as:   pair.asDoctor,
			edit: func(_ pair, r *clinic.AssignmentRequest) { r.PatientID = missing },
			code: clinic.CodeNotFound,
		},
		"an unknown doctor": {
			edit: func(_ pair, r *clinic.AssignmentRequest) { r.DoctorID = missing },
			code: clinic.CodeNotFound,
		},
		"no doctor": {
			edit: func(_ pair, r *clinic.AssignmentRequest) { r.DoctorID = 0 },
			code: clinic.CodeInvalid,
		},
		"a control character": {
			edit: func(_ pair, r *clinic.AssignmentRequest) { r.Reason = "\x00" },
			code: clinic.CodeInvalid,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t)
			if test.change != "" {
				p.db.Exec(test.change)
			}
			as, request := p.admin, p.both()
			if test.as != nil {
				as = test.as(p)
			}
			if test.edit != nil {
				test.edit(p, &request)
			}
			_, created, err := p.Assignments.Assign(t.Context(), as, request, noKey)
			wantCode(t, err, test.code)
			wantReason(t, err, test.reason)
			if n := p.db.Count(`SELECT count(*) FROM outbox`); n != 0 || created {
				t.Errorf("events = %d, created = %v after a refusal", n, created)
			}
		})
	}
}

func TestAssignTwiceIsOneAssignment(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	first, _, err := p.Assignments.Assign(t.Context(), p.admin, p.both(), noKey)
	wantCode(t, err, "")
	second, created, err := p.Assignments.Assign(t.Context(), p.asDoctor(), p.both(), noKey)
	wantCode(t, err, "")
	if created || second.ID != first.ID {
		t.Errorf("second = %d (created %v), want %d again", second.ID, created, first.ID)
	}
	if n := p.db.Count(`SELECT count(*) FROM outbox`); n != 1 {
		t.Errorf("events = %d, want 1", n)
	}
	if err := p.end(t.Context(), p.admin, first.ID, false); err != nil {
		t.Fatal(err)
	}
	third, created, err := p.Assignments.Assign(t.Context(), p.admin, p.both(), noKey)
	wantCode(t, err, "")
	if !created || third.ID == first.ID {
		t.Errorf("third = %d (created %v), want a new one", third.ID, created)
	}
}

func TestAssignOnceUnderAKey(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	key := clinic.Idempotency{Key: "k", Operation: "assign", Hash: []byte("hash")}
	first, _, err := p.Assignments.Assign(t.Context(), p.asDoctor(), p.both(), key)
	wantCode(t, err, "")
	if err := p.end(t.Context(), p.admin, first.ID, false); err != nil {
		t.Fatal(err)
	}
	second, created, err := p.Assignments.Assign(t.Context(), p.asDoctor(), p.both(), key)
	wantCode(t, err, "")
	if !created || second.ID != first.ID {
		t.Errorf("second = %d (created %v), want the first answer", second.ID, created)
	}
	if second.Patient.User.Username != "" {
		t.Error("the repetition shows the patient to a doctor whose assignment has ended")
	}
}

func TestConcurrentAssignsOfOnePair(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	type result struct {
		id      int64
		created bool
		err     error
	}
	results := make(chan result)
	const callers = 16
	for i := range callers {
		go func() {
			as := p.admin
			if i%2 == 1 {
				as = p.asDoctor()
			}
			a, created, err := p.Assignments.Assign(t.Context(), as, p.both(), noKey)
			results <- result{a.ID, created, err}
		}()
	}
	ids, created := map[int64]bool{}, 0
	for range callers {
		r := <-results
		if r.err != nil {
			t.Error(r.err)
		}
		ids[r.id] = true
		if r.created {
			created++
		}
	}
	if len(ids) != 1 || created != 1 {
		t.Errorf("%d assignments, %d times created, want one of each", len(ids), created)
	}
	if n := p.db.Count(`SELECT count(*) FROM outbox`); n != 1 {
		t.Errorf("events = %d, want 1", n)
	}
}

// TestAssignAndEndTakeTurns assigns and ends one pair concurrently: the only
// refusals are those of the rules, and the pair never has two assignments at once.
func TestAssignAndEndTakeTurns(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	done := make(chan error)
	const callers, rounds = 6, 10
	for range callers {
		go func() {
			for range rounds {
				a, _, err := p.Assignments.Assign(t.Context(), p.admin, p.both(), noKey)
				if err == nil {
					err = p.end(t.Context(), p.admin, a.ID, false)
				}
				if err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range callers {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if n := p.db.Count(`SELECT count(*) FROM assignments WHERE ends_at IS NULL`); n != 0 {
		t.Errorf("%d assignments are open after each was ended", n)
	}
}

func TestEndAssignment(t *testing.T) {
	t.Parallel()
	later := time.Now().Add(time.Hour)
	for name, test := range map[string]struct {
		insert testkit.AssignmentOptions
		as     func(care, clinic.Caller) clinic.Caller
		force  bool
		code   clinic.Code
		reason string
	}{
		"open":            {},
		"ends later":      {insert: testkit.AssignmentOptions{EndsAt: &later}},
		"not begun":       {insert: testkit.AssignmentOptions{StartsAt: later}},
		"owned by nobody": {insert: testkit.AssignmentOptions{Source: clinic.SourceKubernetes, DeclaredBy: "ns/gone"}},
		"owned": {
			insert: testkit.AssignmentOptions{Source: clinic.SourceKubernetes, Owner: "uid", DeclaredBy: "ns/name"},
			code:   clinic.CodeConflict, reason: "managed_by_kubernetes",
		},
		"owned, by force": {
			insert: testkit.AssignmentOptions{Source: clinic.SourceKubernetes, Owner: "uid", DeclaredBy: "ns/name"},
			force:  true,
		},
		"by the doctor":  {as: func(c care, _ clinic.Caller) clinic.Caller { return c.asDoctor() }, code: clinic.CodeForbidden},
		"by the patient": {as: func(c care, _ clinic.Caller) clinic.Caller { return c.asPatient() }, code: clinic.CodeForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			c := f.care()
			test.insert.Patient, test.insert.Doctor = c.patient, c.stranger
			a := f.db.Assignment(test.insert)
			as := testkit.CallerOf(f.db.Admin())
			if test.as != nil {
				as = test.as(c, as)
			}
			for range 2 { // the second time changes nothing
				err := f.end(t.Context(), as, a.ID, test.force)
				wantCode(t, err, test.code)
				wantReason(t, err, test.reason)
			}
			open := f.db.Count(`SELECT count(*) FROM assignments WHERE id = $1 AND (ends_at IS NULL OR ends_at > now())`, a.ID)
			if (open == 1) != (test.code != "") && name != "not begun" {
				t.Errorf("open = %d after %q", open, test.code)
			}
			if n := f.db.Count(`SELECT count(*) FROM assignments WHERE id = $1 AND ends_at = starts_at`, a.ID); (n == 1) != (name == "not begun") {
				t.Errorf("canceled = %d", n)
			}
			wantCode(t, f.end(t.Context(), as, 1<<40, false), map[bool]clinic.Code{true: clinic.CodeForbidden, false: clinic.CodeNotFound}[test.as != nil])
		})
	}
}

func TestEndedAssignmentKeepsItsEnd(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.care()
	later := time.Now().Add(time.Hour)
	off := f.db.Assignment(testkit.AssignmentOptions{
		Patient: c.patient, Doctor: c.stranger, StartsAt: later, EndsAt: &later, Source: clinic.SourceKubernetes, Owner: "uid",
	})
	if err := f.end(t.Context(), testkit.CallerOf(f.db.Admin()), off.ID, false); err != nil {
		t.Errorf("ending one that was canceled: %v", err)
	}
	ended := time.Now().Add(-time.Minute)
	a := f.db.Assignment(testkit.AssignmentOptions{Patient: c.patient, Doctor: c.stranger, EndsAt: &ended, Source: clinic.SourceKubernetes, Owner: "uid"})
	if err := f.end(t.Context(), testkit.CallerOf(f.db.Admin()), a.ID, false); err != nil {
		t.Fatal(err)
	}
	if n := f.db.Count(`SELECT count(*) FROM assignments WHERE id = $1 AND ends_at = $2`, a.ID, ended); n != 1 {
		t.Error("the end moved")
	}
}

// TestADoctorVerifiedAmidTheirRequestIsAskedToRepeatIt: the request's identity was found before
// it waited for the verification, and row-level security uses that identity. Emergency access does not wait.
func TestADoctorVerifiedAmidTheirRequestIsAskedToRepeatIt(t *testing.T) {
	t.Parallel()
	e := newEmergency(t)
	e.db.Exec(`UPDATE doctor_profiles SET verified_at = NULL WHERE id = $1`, e.doctor.ID)
	tx := testkit.Value(e.db.Pool.Begin(t.Context()))(t)
	defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
	testkit.Value(tx.Exec(t.Context(), `UPDATE doctor_profiles SET verified_at = now() WHERE id = $1`, e.doctor.ID))(t)
	assigned, opened := make(chan error, 1), make(chan error, 1)
	go func() {
		_, _, err := e.Assignments.Assign(t.Context(), e.asDoctor(), clinic.AssignmentRequest{PatientID: e.patient.ID, Reason: "care"}, noKey)
		assigned <- err
	}()
	go func() {
		_, _, err := e.Assignments.OpenBreakGlass(t.Context(), e.asDoctor(), e.request(), noKey)
		opened <- err
	}()
	for e.db.Count(`SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE datname = current_database() AND NOT granted`) == 0 {
		if t.Context().Err() != nil {
			t.Fatal("the request does not wait")
		}
	}
	wantReason(t, <-opened, "doctor_not_verified")
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantReason(t, <-assigned, "doctor_not_verified")
	e.open(t)
}
