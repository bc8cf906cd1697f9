package service_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// ward has two doctors and some patients to declare.
type ward struct {
	fixture
	doctor, other clinic.Doctor
	patients      []clinic.Patient // patient0, patient1, ...
}

func newWard(t testing.TB, patients int) ward {
	t.Helper()
	f := newFixture(t)
	w := ward{
		fixture: f,
		doctor:  f.db.Doctor(testkit.DoctorOptions{Person: testkit.Person{Username: "Doctor1"}}),
		other:   f.db.Doctor(testkit.DoctorOptions{Person: testkit.Person{Username: "doctor2"}}),
	}
	for i := range patients {
		w.patients = append(w.patients, f.db.Patient(testkit.PatientOptions{Person: testkit.Person{Username: fmt.Sprintf("patient%d", i)}}))
	}
	return w
}

// wish declares the first n patients for doctor1.
func (w ward) wish(n int) clinic.Declaration {
	d := clinic.Declaration{Owner: "uid-1", Name: "ns/name", Doctor: "doctor1", Reason: "primary care"}
	for _, p := range w.patients[:n] {
		d.Patients = append(d.Patients, p.User.Username)
	}
	return d
}

func (w ward) declare(t testing.TB, d clinic.Declaration, want clinic.DeclarationResult) {
	t.Helper()
	got := testkit.Value(w.Declarations.Declare(t.Context(), d))(t)
	if (d.StartsAt != nil || d.EndsAt != nil) == got.At.IsZero() {
		t.Errorf("the period of %v to %v was compared at %v", d.StartsAt, d.EndsAt, got.At)
	}
	got.At = want.At
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("wanted (-) and got (+) differ:\n%s", diff)
	}
}

// settled checks that the same declaration again writes nothing.
func (w ward) settled(t testing.TB, d clinic.Declaration) {
	t.Helper()
	// xmin changes with every write of a row
	const state = `SELECT coalesce(sum(hashtextextended(s, 0) % 1000000007), 0)::bigint FROM (
		SELECT xmin || ' ' || id FROM assignments UNION ALL SELECT xmin || ' ' || id || ' o' FROM outbox) AS all_rows (s)`
	before := w.db.Count(state)
	result := testkit.Value(w.Declarations.Declare(t.Context(), d))(t)
	if result.Created != 0 || result.Ended != 0 || w.db.Count(state) != before {
		t.Errorf("a second declaration changed something: %+v", result)
	}
}

// held counts the open assignments of the owner.
func (w ward) held(owner string) int {
	return w.db.Count(`SELECT count(*) FROM assignments WHERE owner = $1 AND (ends_at IS NULL OR ends_at > now())`, owner)
}

func TestDeclareBeginsAssignments(t *testing.T) {
	t.Parallel()
	w := newWard(t, 3)
	d := w.wish(2)
	d.Patients = append(d.Patients, "nobody", "doctor2", "Alone")
	w.declare(t, d, clinic.DeclarationResult{Assigned: 2, Created: 2, Unassigned: []clinic.Unassigned{
		{Username: "Alone", Reason: clinic.PatientNotFound},
		{Username: "doctor2", Reason: clinic.NotAPatient},
		{Username: "nobody", Reason: clinic.PatientNotFound},
	}})
	w.settled(t, d)
	list := testkit.Value(w.Assignments.List(t.Context(), testkit.CallerOf(w.doctor.User), clinic.AssignmentFilter{}, clinic.PageRequest{}))(t)
	if len(list.Items) != 2 {
		t.Fatalf("assignments = %d, want 2", len(list.Items))
	}
	for _, a := range list.Items {
		if a.Source != clinic.SourceKubernetes || a.Owner != "uid-1" || a.DeclaredBy != "ns/name" || a.Reason != "primary care" ||
			a.EndsAt != nil || !a.Active || a.RequestedBy != nil {
			t.Errorf("assignment = %+v", a)
		}
	}
	w.handleAll(t)
	if n := w.db.Count(`SELECT count(*) FROM notifications WHERE type = 'PATIENT_ASSIGNED'`); n != 4 {
		t.Errorf("notifications = %d, want one to each patient and two to the doctor", n)
	}
	late := w.db.Patient(testkit.PatientOptions{Person: testkit.Person{Username: "NOBODY"}})
	result := testkit.Value(w.Declarations.Declare(t.Context(), d))(t)
	if result.Assigned != 3 || result.Created != 1 || w.db.Count(`SELECT count(*) FROM assignments WHERE patient_id = $1`, late.ID) != 1 {
		t.Errorf("after a patient registered: %+v", result)
	}
}

func TestDeclareEndsWhatIsNotNamed(t *testing.T) {
	t.Parallel()
	w := newWard(t, 3)
	w.declare(t, w.wish(3), clinic.DeclarationResult{Assigned: 3, Created: 3})
	w.declare(t, w.wish(1), clinic.DeclarationResult{Assigned: 1, Ended: 2, EndedDoctors: []string{"Doctor1"}})
	w.settled(t, w.wish(1))

	replaced := w.wish(2)
	replaced.Doctor = "doctor2"
	w.declare(t, replaced, clinic.DeclarationResult{Assigned: 2, Created: 2, Ended: 1, EndedDoctors: []string{"Doctor1"}})
	w.settled(t, replaced)
	if got := w.held("uid-1"); got != 2 {
		t.Errorf("held = %d, want 2", got)
	}
}

func TestDeclareWithADoctorsProblem(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		doctor, change string
		want           clinic.DeclarationResult
	}{
		"unknown": {
			doctor: "nobody",
			want:   clinic.DeclarationResult{Doctor: clinic.DoctorNotFound, Ended: 2, EndedDoctors: []string{"Doctor1"}},
		},
		"a patient": {
			doctor: "patient2",
			want:   clinic.DeclarationResult{Doctor: clinic.NotADoctor, Ended: 2, EndedDoctors: []string{"Doctor1"}},
		},
		"not verified": {
			doctor: "doctor2", change: `UPDATE doctor_profiles SET verified_at = NULL`,
			want: clinic.DeclarationResult{Doctor: clinic.DoctorNotVerified, Ended: 2, EndedDoctors: []string{"Doctor1"}},
		},
		"not verified any more": { // the doctor sees nothing; the declared assignments stay, the others end
			doctor: "doctor1", change: `UPDATE doctor_profiles SET verified_at = NULL`,
			want: clinic.DeclarationResult{Doctor: clinic.DoctorNotVerified, Ended: 1, EndedDoctors: []string{"Doctor1"}},
		},
		"disabled": {
			doctor: "doctor1", change: `UPDATE users SET active = false WHERE role = 'DOCTOR'`,
			want: clinic.DeclarationResult{Doctor: clinic.DoctorNotFound, Ended: 1, EndedDoctors: []string{"Doctor1"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWard(t, 3)
			w.declare(t, w.wish(2), clinic.DeclarationResult{Assigned: 2, Created: 2})
			if test.change != "" {
				w.db.Exec(test.change)
			}
			d := w.wish(1)
			d.Doctor = test.doctor
			w.declare(t, d, test.want)
			w.settled(t, d)
		})
	}
}

func TestDeclareRepairsDrift(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]string{
		"ended":   `UPDATE assignments SET ends_at = now()`,
		"deleted": `DELETE FROM assignments`,
		"moved":   `UPDATE assignments SET starts_at = now() + interval '1 hour'`,
		"bounded": `UPDATE assignments SET ends_at = now() + interval '1 hour', reason = 'other'`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWard(t, 2)
			w.declare(t, w.wish(2), clinic.DeclarationResult{Assigned: 2, Created: 2})
			w.db.Exec(change)
			testkit.Value(w.Declarations.Declare(t.Context(), w.wish(2)))(t)
			w.settled(t, w.wish(2))
			if n := w.db.Count(`SELECT count(*) FROM assignments WHERE owner = 'uid-1' AND reason = 'primary care'
				AND starts_at <= now() AND ends_at IS NULL`); n != 2 {
				t.Errorf("%d assignments are as declared, want 2", n)
			}
		})
	}
}

func TestDeclareLeavesOthersTheirs(t *testing.T) {
	t.Parallel()
	w := newWard(t, 2)
	admin := testkit.CallerOf(w.db.Admin())
	rest, _, err := w.Assignments.Assign(t.Context(), admin, clinic.AssignmentRequest{PatientID: w.patients[0].ID, DoctorID: w.doctor.ID}, noKey)
	wantCode(t, err, "")
	second := w.wish(2)
	second.Owner, second.Name = "uid-2", "ns/second"
	w.declare(t, w.wish(2), clinic.DeclarationResult{Assigned: 2, Created: 1})
	w.declare(t, second, clinic.DeclarationResult{Assigned: 2})

	if n := testkit.Value(w.Declarations.Release(t.Context(), "uid-2"))(t); n != 0 {
		t.Errorf("ended %d assignments of others", n)
	}
	if n := testkit.Value(w.Declarations.Release(t.Context(), "uid-1"))(t); n != 1 {
		t.Errorf("ended %d assignments, want the one that is held", n)
	}
	if n := testkit.Value(w.Declarations.Release(t.Context(), "uid-1"))(t); n != 0 {
		t.Errorf("ended %d assignments again", n)
	}
	if a := testkit.Value(w.Assignments.Get(t.Context(), admin, rest.ID))(t); a.EndsAt != nil {
		t.Error("the assignment made over REST ended")
	}
	w.declare(t, second, clinic.DeclarationResult{Assigned: 2, Created: 1}) // takes the pair over
}

func TestRetainLeavesAssignmentsActive(t *testing.T) {
	t.Parallel()
	w := newWard(t, 2)
	w.declare(t, w.wish(2), clinic.DeclarationResult{Assigned: 2, Created: 2})
	admin := testkit.CallerOf(w.db.Admin())
	list := testkit.Value(w.Assignments.List(t.Context(), admin, clinic.AssignmentFilter{}, clinic.PageRequest{}))(t)
	err := w.Assignments.End(t.Context(), admin, list.Items[0].ID, false)
	wantCode(t, err, clinic.CodeConflict)
	wantReason(t, err, "managed_by_kubernetes")
	for range 2 {
		if err := w.Declarations.Retain(t.Context(), "uid-1"); err != nil {
			t.Fatal(err)
		}
	}
	if n := testkit.Value(w.Declarations.Release(t.Context(), "uid-1"))(t); n != 0 {
		t.Errorf("ended %d assignments without an owner", n)
	}
	if err := w.Assignments.End(t.Context(), admin, list.Items[0].ID, false); err != nil {
		t.Error(err)
	}
	if a := testkit.Value(w.Assignments.Get(t.Context(), admin, list.Items[1].ID))(t); !a.Active || a.Owner != "" || a.DeclaredBy != "ns/name" {
		t.Errorf("assignment = %+v", a)
	}
}

func TestDeclarationIsValidated(t *testing.T) {
	t.Parallel()
	w := newWard(t, 1)
	later := time.Now().Add(time.Hour)
	for name, edit := range map[string]func(*clinic.Declaration){
		"no patient":          func(d *clinic.Declaration) { d.Patients = nil },
		"too many":            func(d *clinic.Declaration) { d.Patients = names(clinic.MaxDeclared + 1) },
		"twice":               func(d *clinic.Declaration) { d.Patients = []string{"patient0", "PATIENT0"} },
		"an odd name":         func(d *clinic.Declaration) { d.Patients = []string{"a b"} },
		"no doctor":           func(d *clinic.Declaration) { d.Doctor = "" },
		"no owner":            func(d *clinic.Declaration) { d.Owner, d.EndsAt = "", ptr(time.Now().Add(-time.Hour)) },
		"a long reason":       func(d *clinic.Declaration) { d.Reason = strings.Repeat("x", clinic.MaxReason+1) },
		"ends when it starts": func(d *clinic.Declaration) { d.StartsAt, d.EndsAt = ptr(later), ptr(later) },
	} {
		d := w.wish(1)
		edit(&d)
		_, err := w.Declarations.Declare(t.Context(), d)
		if got := clinic.CodeOf(err); got != clinic.CodeInvalid {
			t.Errorf("%s: code = %q, want invalid", name, got)
		}
	}
	if n := w.db.Count(`SELECT count(*) FROM assignments`); n != 0 {
		t.Errorf("%d assignments from refused declarations", n)
	}
}

// TestDeclareManyPatients checks the statements' effect at the largest size.
func TestDeclareManyPatients(t *testing.T) {
	t.Parallel()
	w := newWard(t, 0)
	w.db.Exec(`WITH u AS (INSERT INTO users (username, role, password_hash)
			SELECT 'many' || i, 'PATIENT', '-' FROM generate_series(1, $1::int) i RETURNING id)
		INSERT INTO patient_profiles (user_id) SELECT id FROM u`, clinic.MaxDeclared)
	d := w.wish(0)
	d.Patients = names(clinic.MaxDeclared)
	w.declare(t, d, clinic.DeclarationResult{Assigned: clinic.MaxDeclared, Created: clinic.MaxDeclared})
	w.settled(t, d)
	if n := testkit.Value(w.Declarations.Release(t.Context(), d.Owner))(t); n != clinic.MaxDeclared {
		t.Errorf("ended %d, want all", n)
	}
}

func names(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("many%d", i+1)
	}
	return list
}

func ptr[T any](value T) *T { return &value }
