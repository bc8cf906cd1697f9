package service_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
)

// emergency is a patient with a record, and a doctor who is not assigned to them.
type emergency struct {
	fixture
	care
	doctor clinic.Doctor
	admins []clinic.User
}

func newEmergency(t *testing.T) emergency {
	t.Helper()
	return newEmergencyOn(t, testkit.NewDatabase(t, rights.Migrate))
}

// newEmergencyOn is newEmergency on a database that rights.Migrate was called for.
func newEmergencyOn(t *testing.T, dsn string) emergency {
	t.Helper()
	f := newFixtureOn(t, dsn)
	hash := testkit.Value(newHasher(t, 64).Hash(t.Context(), password))(t)
	return emergency{
		fixture: f, care: f.care(), admins: []clinic.User{f.db.Admin(), f.db.Admin()},
		doctor: f.db.Doctor(testkit.DoctorOptions{Person: testkit.Person{FirstName: "Eve", LastName: "Night", PasswordHash: hash}}),
	}
}

func (e emergency) asDoctor() clinic.Caller { return testkit.CallerOf(e.doctor.User) }

func (e emergency) request() clinic.BreakGlassRequest {
	return clinic.BreakGlassRequest{PatientID: e.patient.ID, Reason: "unconscious", Password: password}
}

func (e emergency) open(t *testing.T) clinic.Assignment {
	t.Helper()
	a, _, err := e.Assignments.OpenBreakGlass(t.Context(), e.asDoctor(), e.request(), noKey)
	wantCode(t, err, "")
	return a
}

func TestBreakGlassIsReadOnlyAndEndsByTheClock(t *testing.T) {
	t.Parallel()
	e := newEmergency(t)
	_, err := e.Records.Get(t.Context(), e.asDoctor(), e.record.ID)
	wantCode(t, err, clinic.CodeNotFound)

	a, opened, err := e.Assignments.OpenBreakGlass(t.Context(), e.asDoctor(), e.request(), noKey)
	if err != nil || !opened || a.Source != clinic.SourceBreakGlass || a.Reason != "unconscious" || a.EndsAt == nil ||
		a.EndsAt.Sub(a.StartsAt) != time.Hour || !a.Active || a.RequestedBy == nil || a.RequestedBy.ID != e.doctor.User.ID {
		t.Fatalf("assignment = %+v, opened %t, %v", a, opened, err)
	}
	testkit.Value(e.Records.Get(t.Context(), e.asDoctor(), e.record.ID))(t)
	_, err = e.Comments.Add(t.Context(), e.asDoctor(), e.record.ID, "fine", true, noKey)
	wantReason(t, err, "read_only")
	for _, caller := range []clinic.Caller{e.asDoctor(), e.asPatient(), testkit.CallerOf(e.admins[0])} {
		if found := testkit.Value(e.Assignments.Get(t.Context(), caller, a.ID))(t); found.Source != clinic.SourceBreakGlass {
			t.Errorf("%s is shown source %s", caller.Role, found.Source)
		}
	}

	e.db.Exec(`UPDATE assignments SET starts_at = now() - interval '2 hours', ends_at = now() - interval '1 microsecond' WHERE id = $1`, a.ID)
	_, err = e.Records.Get(t.Context(), e.asDoctor(), e.record.ID)
	wantCode(t, err, clinic.CodeNotFound)
	if again := e.open(t); again.ID == a.ID {
		t.Error("access that was over was not opened again")
	}
}

func TestBreakGlassIsEndedByAnAdministrator(t *testing.T) {
	t.Parallel()
	e := newEmergency(t)
	a := e.open(t)
	wantCode(t, e.end(t.Context(), e.asDoctor(), a.ID, false), clinic.CodeForbidden)
	wantCode(t, e.end(t.Context(), testkit.CallerOf(e.admins[1]), a.ID, false), "")
	_, err := e.Records.Get(t.Context(), e.asDoctor(), e.record.ID)
	wantCode(t, err, clinic.CodeNotFound)
}

func TestBreakGlassRefuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change string
		as     func(emergency) clinic.Caller
		edit   func(*clinic.BreakGlassRequest)
		code   clinic.Code
		reason string
	}{
		"a patient":          {as: func(e emergency) clinic.Caller { return e.asPatient() }, code: clinic.CodeForbidden},
		"an administrator":   {as: func(e emergency) clinic.Caller { return testkit.CallerOf(e.admins[0]) }, code: clinic.CodeForbidden},
		"a wrong password":   {edit: func(r *clinic.BreakGlassRequest) { r.Password = "securepass124" }, code: clinic.CodeInvalid, reason: "wrong_password"},
		"no password":        {edit: func(r *clinic.BreakGlassRequest) { r.Password = "" }, code: clinic.CodeInvalid, reason: "wrong_password"},
		"no reason":          {edit: func(r *clinic.BreakGlassRequest) { r.Reason = " \n" }, code: clinic.CodeInvalid},
		"an unseen reason":   {edit: func(r *clinic.BreakGlassRequest) { r.Reason = "\u3164\u2800\u200b\U000e0041" }, code: clinic.CodeInvalid},
		"too many reasons":   {edit: func(r *clinic.BreakGlassRequest) { r.Reason = string(make([]byte, 501)) }, code: clinic.CodeInvalid},
		"an unknown patient": {edit: func(r *clinic.BreakGlassRequest) { r.PatientID = 1 << 40 }, code: clinic.CodeNotFound},
		"a disabled doctor":  {change: `UPDATE users SET active = false WHERE role = 'DOCTOR'`, code: clinic.CodeUnauthenticated, reason: "account_inactive"},
		"an unverified doctor": {
			change: `UPDATE doctor_profiles SET verified_at = NULL`, code: clinic.CodeConflict, reason: "doctor_not_verified",
		},
		"an unverified doctor, for an unknown patient": {
			change: `UPDATE doctor_profiles SET verified_at = NULL`, edit: func(r *clinic.BreakGlassRequest) { r.PatientID = 1 << 40 },
			code: clinic.CodeConflict, reason: "doctor_not_verified",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEmergency(t)
			if test.change != "" {
				e.db.Exec(test.change)
			}
			as, request := e.asDoctor(), e.request()
			if test.as != nil {
				as = test.as(e)
			}
			if test.edit != nil {
				test.edit(&request)
			}
			_, opened, err := e.Assignments.OpenBreakGlass(t.Context(), as, request, noKey)
			wantCode(t, err, test.code)
			wantReason(t, err, test.reason)
			if n := e.db.Count(`SELECT count(*) FROM assignments WHERE source = 'break_glass'`) + e.db.Count(`SELECT count(*) FROM outbox`); opened || n != 0 {
				t.Errorf("opened = %t, %d rows were written", opened, n)
			}
		})
	}
}

func TestBreakGlassIsOpenedOnceWhoeverRaces(t *testing.T) {
	t.Parallel()
	e := newEmergency(t)
	var group sync.WaitGroup
	var mutex sync.Mutex
	ids, openings := map[int64]bool{}, 0
	for range 8 {
		group.Go(func() {
			a, opened, err := e.Assignments.OpenBreakGlass(t.Context(), e.asDoctor(), e.request(), noKey)
			mutex.Lock()
			defer mutex.Unlock()
			ids[a.ID] = true
			if opened {
				openings++
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if n := e.db.Count(`SELECT count(*) FROM outbox WHERE type = 'break_glass.opened'`); len(ids) != 1 || openings != 1 || n != 1 {
		t.Errorf("%d accesses, opened %d times, notified %d times", len(ids), openings, n)
	}
}

// TestBreakGlassWaitsForNoTeam: while a large team is declared, its doctors are locked for longer than a request waits.
func TestBreakGlassWaitsForNoTeam(t *testing.T) {
	t.Parallel()
	dsn := testkit.NewDatabase(t, rights.Migrate)
	e := newEmergencyOn(t, dsn)
	controller := testkit.Value(pgx.Connect(t.Context(), rights.URL(t, dsn, schema.PartController)))(t)
	t.Cleanup(func() { _ = controller.Close(context.WithoutCancel(t.Context())) })
	testkit.Value(controller.Exec(t.Context(), `BEGIN`))(t)
	testkit.Value(controller.Exec(t.Context(), `SELECT FROM doctor_profiles ORDER BY id FOR NO KEY UPDATE`))(t)
	if a := e.open(t); !a.Active {
		t.Errorf("emergency access is %+v", a)
	}
}

func TestBreakGlassRepeatedUnderItsKeyOpensNothing(t *testing.T) {
	t.Parallel()
	e := newEmergency(t)
	key := clinic.Idempotency{Key: "k", Operation: "breakGlass", Hash: []byte("h")}
	first, _, err := e.Assignments.OpenBreakGlass(t.Context(), e.asDoctor(), e.request(), key)
	wantCode(t, err, "")
	wantCode(t, e.end(t.Context(), testkit.CallerOf(e.admins[0]), first.ID, false), "")
	again, opened, err := e.Assignments.OpenBreakGlass(t.Context(), e.asDoctor(), e.request(), key)
	if err != nil || opened || again.ID != first.ID || again.Active {
		t.Errorf("again = %+v, opened %t, %v", again, opened, err)
	}
	wrong := e.request()
	wrong.Password = "securepass124"
	_, _, err = e.Assignments.OpenBreakGlass(t.Context(), e.asDoctor(), wrong, key)
	wantReason(t, err, "wrong_password")
}

// TestBreakGlassIsTold expects a notification to the patient and every administrator, one
// each, also where the access is over by then.
func TestBreakGlassIsTold(t *testing.T) {
	t.Parallel()
	e := newEmergency(t)
	disabled := e.db.User(clinic.RoleAdmin, testkit.Person{Inactive: true})
	a := e.open(t)
	wantCode(t, e.end(t.Context(), testkit.CallerOf(e.admins[0]), a.ID, false), "")
	event := e.event(t)
	for range 2 {
		wantCode(t, e.handle(t.Context(), event), "")
	}
	want := []int64{e.patient.User.ID, e.admins[0].ID, e.admins[1].ID}
	slices.Sort(want)
	if got := e.recipients(t, event); !slices.Equal(got, want) || slices.Contains(got, disabled.ID) {
		t.Errorf("recipients = %v, want %v", got, want)
	}
	for reader, want := range map[clinic.Caller]string{
		e.asPatient():                 "Dr. Eve Night (user6, license LIC000006) opened emergency access to your health records.",
		testkit.CallerOf(e.admins[0]): "Dr. Eve Night (user6, license LIC000006) opened emergency access to John Doe's health records.",
	} {
		if n := e.newest(t, reader); n.Type != clinic.NotifyBreakGlass || n.Message != want || n.AssignmentID != a.ID {
			t.Errorf("%s reads %+v, want %q", reader.Role, n, want)
		}
	}
}
