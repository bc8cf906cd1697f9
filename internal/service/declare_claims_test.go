package service_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// newest returns the newest assignment of the first patient, as an administrator sees it.
func (w ward) newest(t testing.TB, admin clinic.Caller) clinic.Assignment {
	t.Helper()
	id := w.db.Count(`SELECT max(id) FROM assignments WHERE patient_id = $1`, w.patients[0].ID)
	return testkit.Value(w.Assignments.Get(t.Context(), admin, int64(id)))(t)
}

func (w ward) assign(t testing.TB, admin clinic.Caller, patient clinic.Patient) clinic.Assignment {
	t.Helper()
	a, _, err := w.Assignments.Assign(t.Context(), admin, clinic.AssignmentRequest{PatientID: patient.ID, DoctorID: w.doctor.ID, Reason: "by hand"}, noKey)
	wantCode(t, err, "")
	return a
}

func TestDeclareBesideOthers(t *testing.T) {
	t.Parallel()
	w := newWard(t, 2)
	admin := testkit.CallerOf(w.db.Admin())
	rest := w.assign(t, admin, w.patients[0])
	second := byAnother(w.wish(2), "uid-2")
	w.declare(t, w.wish(2), clinic.DeclarationResult{Assigned: 2, Claims: 2, Shared: 1, Created: 1})
	w.declare(t, second, clinic.DeclarationResult{Assigned: 2, Claims: 2, Shared: 2})
	w.settled(t, w.wish(2))
	w.settled(t, second)
	if n := w.db.Count(`SELECT count(*) FROM outbox`); n != 2 {
		t.Errorf("%d events, want one for each assignment", n)
	}
	for _, test := range []struct {
		owner clinic.Owner
		ended int
	}{{w.wish(0).Owner, 0}, {second.Owner, 1}, {second.Owner, 0}} {
		if n := testkit.Value(w.Declarations.Release(t.Context(), test.owner))(t); n != test.ended {
			t.Errorf("releasing %s ended %d assignments, want %d", test.owner.UID, n, test.ended)
		}
	}
	if a := testkit.Value(w.Assignments.Get(t.Context(), admin, rest.ID))(t); !a.Active || a.EndsAt != nil {
		t.Errorf("the assignment that REST claims is %+v", a)
	}
	w.agree(t, "in the end")
}

// TestRetainLeavesAssignmentsToREST: no object is named any more, and an administrator may end them.
func TestRetainLeavesAssignmentsToREST(t *testing.T) {
	t.Parallel()
	w := newWard(t, 3)
	admin := testkit.CallerOf(w.db.Admin())
	d := w.wish(3)
	w.declare(t, d, clinic.DeclarationResult{Assigned: 3, Claims: 3, Created: 3})
	_, err := w.Assignments.End(t.Context(), admin, w.newest(t, admin).ID, false)
	wantReason(t, err, "managed_by_kubernetes")
	w.db.Exec(`INSERT INTO assignment_claims (patient_id, doctor_id, source, starts_at, ends_at) VALUES ($1, $2, 'rest', now(), now() + interval '1 hour')`,
		w.patients[1].ID, w.doctor.ID) // would end before the object's
	for range 2 {
		testkit.Must(t, w.Declarations.Retain(t.Context(), d.Owner))
	}
	if n := w.db.Count(`SELECT count(*) FROM assignments WHERE source = 'rest' AND owner IS NULL AND declared_by IS NULL AND ends_at IS NULL`); n != 3 {
		t.Errorf("%d assignments belong to REST, want 3", n)
	}
	if n := testkit.Value(w.Declarations.Release(t.Context(), d.Owner))(t); n != 0 {
		t.Errorf("ended %d assignments without an owner", n)
	}
	a := w.newest(t, admin)
	if len(a.Claims) != 2 || a.Claims[0].Source != clinic.SourceREST || a.Claims[0].DeclaredBy != "" || a.Claims[0].RequestedBy != "alice" {
		t.Errorf("claims = %+v, want that of REST first", a.Claims)
	}
	if a = testkit.Value(w.Assignments.End(t.Context(), admin, a.ID, false))(t); !a.Ended {
		t.Errorf("assignment = %+v, want it ended", a)
	}
	w.agree(t, "in the end")
}

// TestForceHoldsTheObject until its spec changes or the hold is lifted.
func TestForceHoldsTheObject(t *testing.T) {
	t.Parallel()
	w := newWard(t, 2)
	admin := testkit.CallerOf(w.db.Admin())
	d := w.wish(2)
	problems := []clinic.DeclarationProblem{{Doctor: "doctor1", Patient: d.Patients[0], Reason: clinic.EndedByAdministrator}}
	force := func() clinic.Assignment {
		t.Helper()
		return testkit.Value(w.Assignments.End(t.Context(), admin, w.newest(t, admin).ID, true))(t)
	}
	w.declare(t, d, clinic.DeclarationResult{Assigned: 2, Claims: 2, Created: 2})
	if ended := force(); !ended.Ended {
		t.Errorf("assignment = %+v, want it ended", ended)
	}
	w.declare(t, d, clinic.DeclarationResult{Assigned: 1, Claims: 1, Troubled: 1, Problems: problems})
	w.settled(t, d)
	if got := testkit.Value(w.Declarations.States(t.Context(), d.Cluster, []string{d.UID}))(t); len(got) != 1 || got[0].Held != 1 || got[0].Claims != 1 {
		t.Errorf("state = %+v, want one pair held", got)
	}
	d.Term = 2 // a new controller
	w.declare(t, d, clinic.DeclarationResult{Assigned: 1, Claims: 1, Troubled: 1, Problems: problems})

	d.Generation = 2
	w.declare(t, d, clinic.DeclarationResult{Assigned: 2, Claims: 2, Created: 1})
	held := force()
	w.declare(t, d, clinic.DeclarationResult{Assigned: 1, Claims: 1, Troubled: 1, Problems: problems})
	w.assign(t, admin, w.patients[0]) // what is held is assigned all the same
	w.declare(t, d, clinic.DeclarationResult{Assigned: 2, Claims: 1, Shared: 1, Troubled: 1, Problems: problems})
	testkit.Must(t, w.Assignments.LiftHold(t.Context(), admin, held.ID))
	w.declare(t, d, clinic.DeclarationResult{Assigned: 2, Claims: 2, Shared: 1})
	w.agree(t, "in the end")
}

// TestAdoptTakesOver what REST claims, without a gap, and only once.
func TestAdoptTakesOver(t *testing.T) {
	t.Parallel()
	w := newWard(t, 2)
	admin := testkit.CallerOf(w.db.Admin())
	before := w.assign(t, admin, w.patients[0])
	d := w.wish(2)
	d.Adopt = true
	w.declare(t, d, clinic.DeclarationResult{Assigned: 2, Claims: 2, Created: 1})
	if a := w.newest(t, admin); a.ID != before.ID || a.Owner != "uid-1" || a.RequestedBy != nil || !a.StartsAt.Equal(before.StartsAt) {
		t.Errorf("assignment = %+v, want the same one in the object's hands", a)
	}
	w.assign(t, admin, w.patients[0]) // later, on purpose
	w.declare(t, d, clinic.DeclarationResult{Assigned: 2, Claims: 2, Shared: 1})
	w.settled(t, d)
	d.Generation, d.Reason, d.StartsAt = 2, "from tomorrow", new(time.Now().Add(24*time.Hour).UTC().Truncate(time.Second))
	w.declare(t, d, clinic.DeclarationResult{Assigned: 1, Claims: 2, Shared: 1, Created: 1, Ended: 1})
	if n := w.db.Count(`SELECT count(*) FROM assignment_claims WHERE source = 'rest' AND ended_at IS NULL AND ends_at = $1`, *d.StartsAt); n != 1 {
		t.Errorf("%d claims of REST end when the object's begins, want 1", n)
	}
	if a := w.newest(t, admin); a.ID != before.ID || a.EndsAt != nil {
		t.Errorf("assignment = %+v, want the same one without an end", a)
	}
	w.agree(t, "in the end")
}

// TestAFrozenControllerChangesNothing: one that was paused and comes back after its successor.
func TestAFrozenControllerChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWard(t, 2)
	first := testkit.Value(w.Declarations.NewTerm(t.Context()))(t)
	second := testkit.Value(w.Declarations.NewTerm(t.Context()))(t)
	if second <= first {
		t.Fatalf("the second term is %d after %d", second, first)
	}
	by := func(term, generation int64, patients int) clinic.Declaration {
		d := w.wish(patients)
		d.Term, d.Generation = term, generation
		return d
	}
	refused := func(d clinic.Declaration) {
		t.Helper()
		_, err := w.Declarations.Declare(t.Context(), d)
		wantCode(t, err, clinic.CodeConflict)
		wantReason(t, err, "superseded")
	}
	w.declare(t, by(first, 1, 2), clinic.DeclarationResult{Assigned: 2, Claims: 2, Created: 2})
	w.declare(t, by(second, 2, 1), clinic.DeclarationResult{Assigned: 1, Claims: 1, Ended: 1})
	refused(by(first, 1, 2))
	refused(by(first, 3, 2))
	refused(by(second, 1, 2))
	_, err := w.Declarations.Release(t.Context(), by(first, 0, 0).Owner)
	wantReason(t, err, "superseded")
	wantReason(t, w.Declarations.Retain(t.Context(), by(first, 0, 0).Owner), "superseded")
	testkit.Value(w.Declarations.Release(t.Context(), by(second, 0, 0).Owner))(t)
	refused(by(first, 3, 2))
	refused(by(second, 1, 2))
	if n := w.access(); n != 0 {
		t.Errorf("%d pairs are assigned, want none", n)
	}
	never := by(second, 0, 0).Owner // its object was made and deleted while the first one was frozen
	never.UID = "uid-2"
	testkit.Value(w.Declarations.Release(t.Context(), never))(t)
	refused(byAnother(by(first, 1, 2), "uid-2"))
	w.declare(t, by(second, 2, 1), clinic.DeclarationResult{Assigned: 1, Claims: 1, Created: 1}) // released by mistake, and declared again
}

// TestANewTermIsTheLatest: after a restore of the database, its sequence may be behind the terms of controllers that went on.
func TestANewTermIsTheLatest(t *testing.T) {
	t.Parallel()
	w := newWard(t, 2)
	d := w.wish(2)
	d.Term = 50
	w.declare(t, d, clinic.DeclarationResult{Assigned: 2, Claims: 2, Created: 2})
	first, second := testkit.Value(w.Declarations.NewTerm(t.Context()))(t), testkit.Value(w.Declarations.NewTerm(t.Context()))(t)
	if first <= d.Term || second <= first {
		t.Errorf("after the term %d, the terms are %d and %d", d.Term, first, second)
	}
	d = w.wish(1)
	d.Term, d.Generation = first, 2
	w.declare(t, d, clinic.DeclarationResult{Assigned: 1, Claims: 1, Ended: 1})
}

// TestOwnersAreFoundAfterARestore: those of a database that is older than the deletion of their objects.
func TestOwnersAreFoundAfterARestore(t *testing.T) {
	t.Parallel()
	w := newWard(t, 2)
	for _, uid := range []string{"uid-1", "uid-2", "uid-3", "uid-4", "uid-5"} {
		d := byAnother(w.wish(2), uid)
		d.Retain = uid == "uid-3"
		switch uid {
		case "uid-2":
			d.Cluster = "cluster-2"
		case "uid-4":
			d.Suspended = true
		}
		testkit.Value(w.Declarations.Declare(t.Context(), d))(t)
	}
	testkit.Value(w.Declarations.Release(t.Context(), clinic.Owner{UID: "uid-5", Cluster: "cluster-1", Term: 1}))(t)
	first := testkit.Value(w.Declarations.Owners(t.Context(), "cluster-1", "", 1))(t)
	rest := testkit.Value(w.Declarations.Owners(t.Context(), "cluster-1", first[0].UID, 10))(t)
	want := []clinic.DeclaredState{{UID: "uid-1", Name: "ns/uid-1", Generation: 1}, {UID: "uid-3", Name: "ns/uid-3", Generation: 1, Retain: true}}
	if diff := cmp.Diff(want, append(first, rest...)); diff != "" {
		t.Errorf("owners (-want +got)\n%s", diff)
	}
	// the state of an object that was changed since the backup is not that of its status
	states := testkit.Value(w.Declarations.States(t.Context(), "cluster-1", []string{"uid-1", "uid-2", "uid-4", "uid-5", "unknown"}))(t)
	wantStates := []clinic.DeclaredState{
		{UID: "uid-1", Name: "ns/uid-1", Generation: 1, Assigned: 2, Claims: 2, Shared: 2}, {UID: "uid-4", Name: "ns/uid-4", Generation: 1}, {UID: "uid-5", Name: "ns/uid-5"},
	}
	if diff := cmp.Diff(wantStates, states); diff != "" {
		t.Errorf("states (-want +got)\n%s", diff)
	}
	w.db.Exec(`UPDATE declarations SET released_at = now() - interval '31 days' WHERE uid = 'uid-5'`)
	testkit.Value(w.Declarations.Release(t.Context(), clinic.Owner{UID: "uid-4", Cluster: "cluster-1", Term: 1}))(t)
	if n := w.db.Count(`SELECT count(*) FROM declarations WHERE uid = 'uid-5'`); n != 0 {
		t.Error("an object that was released a month ago is not forgotten")
	}
}

// TestTheRequesterIsKept in claims, assignments, and audit rows.
func TestTheRequesterIsKept(t *testing.T) {
	t.Parallel()
	w := newWard(t, 2)
	w.declare(t, w.wish(1), clinic.DeclarationResult{Assigned: 1, Claims: 1, Created: 1})
	d := w.wish(2)
	d.Generation, d.Requester = 2, "system:serviceaccount:flux-system:flux"
	w.declare(t, d, clinic.DeclarationResult{Assigned: 2, Claims: 2, Created: 1})
	d.Generation, d.Requester, d.Reason = 3, "", "another"
	w.declare(t, d, clinic.DeclarationResult{Assigned: 2, Claims: 2})
	for query, want := range map[string]int{
		`SELECT count(*) FROM audit_log WHERE operation = 'declare' AND request_id = 'kubernetes:alice'`:                                  1,
		`SELECT count(*) FROM audit_log WHERE operation = 'declare' AND request_id = 'kubernetes:system:serviceaccount:flux-system:flux'`: 1,
		`SELECT count(*) FROM audit_log WHERE operation = 'adjustDeclared' AND request_id = ''`:                                           2,
		`SELECT count(*) FROM assignments WHERE requester IS NULL AND reason = 'another'`:                                                 2,
		`SELECT count(*) FROM assignment_claims WHERE requester IS NULL`:                                                                  2,
	} {
		if got := w.db.Count(query); got != want {
			t.Errorf("%s: %d, want %d", query, got, want)
		}
	}
}

// TestAHandoverKeepsTheRow is the order of events as doctors and readers of the history see it.
func TestAHandoverKeepsTheRow(t *testing.T) {
	t.Parallel()
	w := newWard(t, 1)
	admin := testkit.CallerOf(w.db.Admin())
	w.declare(t, w.wish(1), clinic.DeclarationResult{Assigned: 1, Claims: 1, Created: 1})
	row := w.newest(t, admin)
	w.declare(t, byAnother(w.wish(1), "uid-2"), clinic.DeclarationResult{Assigned: 1, Claims: 1, Shared: 1})
	testkit.Value(w.Declarations.Release(t.Context(), w.wish(0).Owner))(t)
	w.assign(t, admin, w.patients[0])
	testkit.Must(t, w.Declarations.Retain(t.Context(), clinic.Owner{UID: "uid-2", Cluster: "cluster-1", Term: 1}))
	w.declare(t, byAnother(w.wish(1), "uid-3"), clinic.DeclarationResult{Assigned: 1, Claims: 1, Shared: 1})
	if a := testkit.Value(w.Assignments.End(t.Context(), admin, row.ID, false))(t); a.ID != row.ID || !a.Active || a.Owner != "uid-3" || !a.StartsAt.Equal(row.StartsAt) {
		t.Errorf("assignment = %+v, want the first row in the hands of the third object", a)
	}
	if n := w.db.Count(`SELECT (SELECT count(*) FROM assignments) * 10 + (SELECT count(*) FROM outbox)`); n != 11 {
		t.Errorf("rows and events = %d, want one of each", n)
	}
	if n := testkit.Value(w.Declarations.Release(t.Context(), clinic.Owner{UID: "uid-3", Cluster: "cluster-1", Term: 1}))(t); n != 1 || w.access() != 0 {
		t.Errorf("ended %d, %d pairs are assigned", n, w.access())
	}
}

// TestNothingIsHeldForADeletedObject: nobody could lift the hold by a change of the object.
func TestNothingIsHeldForADeletedObject(t *testing.T) {
	t.Parallel()
	w := newWard(t, 2)
	admin := testkit.CallerOf(w.db.Admin())
	leave := map[string]func(clinic.Owner) error{
		"uid-1": func(o clinic.Owner) error { _, err := w.Declarations.Release(t.Context(), o); return err },
		"uid-2": func(o clinic.Owner) error { return w.Declarations.Retain(t.Context(), o) },
	}
	for uid := range leave {
		w.declare(t, byAnother(w.wish(2), uid), clinic.DeclarationResult{Assigned: 2, Claims: 2, Created: 2})
		testkit.Value(w.Assignments.End(t.Context(), admin, w.newest(t, admin).ID, true))(t)
		w.db.Exec(`UPDATE assignment_claims SET ended_at = now() WHERE ended_at IS NULL`)
	}
	for uid, fn := range leave {
		owner := byAnother(w.wish(0), uid).Owner
		testkit.Must(t, fn(owner))
		if n := w.db.Count(`SELECT count(*) FROM assignment_claims WHERE owner = $1 AND held IS NOT NULL`, uid); n != 0 {
			t.Errorf("%s holds %d claims after it is gone", uid, n)
		}
		before := w.db.Count(state)
		testkit.Must(t, fn(owner))
		if w.db.Count(state) != before {
			t.Errorf("a repetition for %s wrote something", uid)
		}
	}
}

// TestAdministratorsHearOfASelfAssignmentThatAnObjectTookOver before the worker came to it.
func TestAdministratorsHearOfASelfAssignmentThatAnObjectTookOver(t *testing.T) {
	t.Parallel()
	w := newWard(t, 1)
	w.db.Admin()
	_, _, err := w.Assignments.Assign(t.Context(), testkit.CallerOf(w.doctor.User), clinic.AssignmentRequest{PatientID: w.patients[0].ID}, noKey)
	wantCode(t, err, "")
	d := w.wish(1)
	d.Adopt = true
	w.declare(t, d, clinic.DeclarationResult{Assigned: 1, Claims: 1})
	testkit.Must(t, w.handle(t.Context(), int64(w.db.Count(`SELECT max(id) FROM outbox`))))
	if n := w.db.Count(`SELECT count(*) FROM notifications WHERE type = 'SELF_ASSIGNED'`); n != 1 {
		t.Errorf("%d notifications of administrators, want 1", n)
	}
}
