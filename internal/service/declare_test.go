package service_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
)

// ward has two doctors and some patients to declare.
type ward struct {
	fixture
	doctor, other clinic.Doctor
	patients      []clinic.Patient // patient0, patient1, ...
}

func newWard(t testing.TB, patients int) ward {
	t.Helper()
	return newWardOn(t, testkit.NewDatabase(t, rights.Migrate), patients)
}

// newWardOn is newWard on a database that rights.Migrate was called for.
func newWardOn(t testing.TB, dsn string, patients int) ward {
	t.Helper()
	f := newFixtureOn(t, dsn)
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

// wish declares the first n patients for doctor1, by the object uid-1.
func (w ward) wish(n int) clinic.Declaration {
	d := clinic.Declaration{
		Owner: clinic.Owner{UID: "uid-1", Cluster: "cluster-1", Term: 1}, Generation: 1, Name: "ns/name", Requester: "alice",
		Doctors: []string{"doctor1"}, Reason: "primary care", Replace: true,
	}
	for _, p := range w.patients[:n] {
		d.Patients = append(d.Patients, p.User.Username)
	}
	return d
}

// declare carries the declaration out and compares the result. Every pair is counted in want.Total unless want says otherwise.
func (w ward) declare(t testing.TB, d clinic.Declaration, want clinic.DeclarationResult) {
	t.Helper()
	got := testkit.Value(w.Declarations.Declare(t.Context(), d))(t)
	if got.At.IsZero() {
		t.Error("the result has no time")
	}
	if want.Total == 0 {
		want.Total = d.Pairs()
	}
	want.At, want.Changed = got.At, got.Changed
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("wanted (-) and got (+) differ:\n%s", diff)
	}
	if (want.Created > 0 || want.Ended > 0) && !got.Changed {
		t.Error("the result says that nothing was changed")
	}
}

// state changes with every write of the tables that a declaration writes.
const state = `SELECT coalesce(sum(hashtextextended(s, 0) % 1000000007), 0)::bigint FROM (
	SELECT xmin || ' ' || id FROM assignments UNION ALL SELECT xmin || ' ' || id || ' o' FROM outbox
	UNION ALL SELECT xmin || ' ' || id || ' c' FROM assignment_claims UNION ALL SELECT xmin || ' ' || uid FROM declarations
	UNION ALL SELECT id || ' a' FROM audit_log) AS all_rows (s)`

// settled checks that the same declaration again writes nothing, also by a later controller.
func (w ward) settled(t testing.TB, d clinic.Declaration) {
	t.Helper()
	before := w.db.Count(state)
	first := testkit.Value(w.Declarations.Declare(t.Context(), d))(t)
	d.Term++
	second := testkit.Value(w.Declarations.Declare(t.Context(), d))(t)
	if first.Created != 0 || first.Ended != 0 || first.Changed || w.db.Count(state) != before {
		t.Errorf("a second declaration changed something: %+v", first)
	}
	first.At = second.At
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("a repetition gives another result (-first +second):\n%s", diff)
	}
}

// held counts the pairs that the owner claims now.
func (w ward) held(owner string) int {
	return w.db.Count(`SELECT count(*) FROM assignment_claims WHERE owner = $1 AND ended_at IS NULL AND (ends_at IS NULL OR ends_at > now())`, owner)
}

// access counts the pairs that are assigned now.
func (w ward) access() int { return w.db.Count(`SELECT count(*) FROM active_assignments`) }

// byAnother is the declaration by another object.
func byAnother(d clinic.Declaration, uid string) clinic.Declaration {
	d.UID, d.Name = uid, "ns/"+uid
	return d
}

func TestDeclareBeginsAssignments(t *testing.T) {
	t.Parallel()
	w := newWard(t, 3)
	d := w.wish(2)
	d.Patients = append(d.Patients, "nobody", "doctor2", "Alone")
	w.declare(t, d, clinic.DeclarationResult{Assigned: 2, Claims: 2, Created: 2, Troubled: 3, Problems: []clinic.DeclarationProblem{
		{Patient: "doctor2", Reason: clinic.NotAPatient},
		{Patient: "Alone", Reason: clinic.PatientNotFound},
		{Patient: "nobody", Reason: clinic.PatientNotFound},
	}})
	w.settled(t, d)
	list := testkit.Value(w.Assignments.List(t.Context(), testkit.CallerOf(w.doctor.User), clinic.AssignmentFilter{}, clinic.PageRequest{}))(t)
	if len(list.Items) != 2 {
		t.Fatalf("assignments = %d, want 2", len(list.Items))
	}
	for _, a := range list.Items {
		if a.Source != clinic.SourceKubernetes || a.Owner != "uid-1" || a.DeclaredBy != "ns/name" || a.Reason != "primary care" ||
			a.EndsAt != nil || !a.Active || a.RequestedBy != nil || a.Requester != "alice" {
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
	w.declare(t, w.wish(3), clinic.DeclarationResult{Assigned: 3, Claims: 3, Created: 3})
	w.declare(t, w.wish(1), clinic.DeclarationResult{Assigned: 1, Claims: 1, Ended: 2})
	w.settled(t, w.wish(1))

	replaced := w.wish(2)
	replaced.Doctors = []string{"doctor2"}
	w.declare(t, replaced, clinic.DeclarationResult{Assigned: 2, Claims: 2, Created: 2, Ended: 1})
	w.settled(t, replaced)
	if got := w.held("uid-1"); got != 2 {
		t.Errorf("claims = %d, want 2", got)
	}
}

func TestDeclareATeam(t *testing.T) {
	t.Parallel()
	w := newWard(t, 3)
	w.db.Doctor(testkit.DoctorOptions{Person: testkit.Person{Username: "doctor3"}, Unverified: true})
	d := w.wish(3)
	d.Replace, d.Doctors = false, []string{"doctor1", "DOCTOR2", "doctor3", "doctor4", "patient0x"}
	w.db.Patient(testkit.PatientOptions{Person: testkit.Person{Username: "patient0x"}})
	problems := []clinic.DeclarationProblem{
		{Doctor: "patient0x", Reason: clinic.NotADoctor},
		{Doctor: "doctor4", Reason: clinic.DoctorNotFound},
		{Doctor: "doctor3", Reason: clinic.DoctorNotVerified},
	}
	w.declare(t, d, clinic.DeclarationResult{Assigned: 6, Claims: 6, Created: 6, Troubled: 3, Problems: problems})
	w.settled(t, d)
	d.Doctors = d.Doctors[1:] // ends at once, though the others have problems
	w.declare(t, d, clinic.DeclarationResult{Assigned: 3, Claims: 3, Ended: 3, Troubled: 3, Problems: problems})
	w.settled(t, d)
	w.db.Exec(`UPDATE doctor_profiles SET verified_at = now()`)
	w.declare(t, d, clinic.DeclarationResult{Assigned: 6, Claims: 6, Created: 3, Troubled: 2, Problems: problems[:2]})
}

func TestDeclareWithADoctorsProblem(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		doctor, change string
		want           clinic.DeclarationResult
		left           int // claims
	}{
		// the former doctor keeps the patients who are still declared until the new one can be assigned
		"unknown":      {doctor: "nobody", want: clinic.DeclarationResult{Ended: 1, Problems: problem("nobody", clinic.DoctorNotFound)}, left: 1},
		"a patient":    {doctor: "patient2", want: clinic.DeclarationResult{Ended: 1, Problems: problem("patient2", clinic.NotADoctor)}, left: 1},
		"not verified": {doctor: "doctor2", change: `UPDATE doctor_profiles SET verified_at = NULL WHERE license_number LIKE '%'`, want: clinic.DeclarationResult{Ended: 1, Problems: problem("doctor2", clinic.DoctorNotVerified)}, left: 1},
		// the doctor sees nothing; the declared claims stay, the others end
		"not verified any more": {
			doctor: "doctor1", change: `UPDATE doctor_profiles SET verified_at = NULL`,
			want: clinic.DeclarationResult{Claims: 1, Ended: 1, Problems: problem("doctor1", clinic.DoctorNotVerified)}, left: 1,
		},
		"disabled": {
			doctor: "doctor1", change: `UPDATE users SET active = false WHERE role = 'DOCTOR'`,
			want: clinic.DeclarationResult{Claims: 1, Ended: 1, Problems: problem("doctor1", clinic.DoctorNotFound)}, left: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWard(t, 3)
			w.declare(t, w.wish(2), clinic.DeclarationResult{Assigned: 2, Claims: 2, Created: 2})
			if test.change != "" {
				w.db.Exec(test.change)
			}
			d := w.wish(1)
			d.Doctors = []string{test.doctor}
			test.want.Troubled = 1
			w.declare(t, d, test.want)
			w.settled(t, d)
			test.want.Ended = 0
			w.declare(t, d, test.want) // the former doctor's claims are not taken for those of the declared one
			if got := w.held("uid-1"); got != test.left {
				t.Errorf("%d claims are left, want %d", got, test.left)
			}
		})
	}
}

func problem(doctor string, reason clinic.DeclarationProblemReason) []clinic.DeclarationProblem {
	return []clinic.DeclarationProblem{{Doctor: doctor, Reason: reason}}
}

func TestDeclareRepairsDrift(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]string{
		"ended":         `UPDATE assignments SET ends_at = now()`,
		"deleted":       `DELETE FROM assignments`,
		"moved":         `UPDATE assignments SET starts_at = now() + interval '1 hour'`,
		"bounded":       `UPDATE assignments SET ends_at = now() + interval '1 hour', reason = 'other'`,
		"claims ended":  `UPDATE assignment_claims SET ended_at = now()`,
		"claims gone":   `DELETE FROM assignment_claims`,
		"claims moved":  `UPDATE assignment_claims SET starts_at = now() + interval '1 hour'`,
		"past triggers": `ALTER TABLE assignments DISABLE TRIGGER USER; UPDATE assignments SET ends_at = now(); ALTER TABLE assignments ENABLE TRIGGER USER`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWard(t, 2)
			w.declare(t, w.wish(2), clinic.DeclarationResult{Assigned: 2, Claims: 2, Created: 2})
			before := testkit.Value(w.Declarations.States(t.Context(), "cluster-1", []string{"uid-1"}))(t)
			w.db.Exec(change)
			after := testkit.Value(w.Declarations.States(t.Context(), "cluster-1", []string{"uid-1"}))(t)
			if cmp.Equal(before, after) {
				t.Errorf("the state does not show it: %+v", after)
			}
			testkit.Value(w.Declarations.Declare(t.Context(), w.wish(2)))(t)
			w.settled(t, w.wish(2))
			if n := w.db.Count(`SELECT count(*) FROM assignments WHERE owner = 'uid-1' AND reason = 'primary care'
				AND starts_at <= now() AND ends_at IS NULL`); n != 2 {
				t.Errorf("%d assignments are as declared, want 2", n)
			}
			if repaired := testkit.Value(w.Declarations.States(t.Context(), "cluster-1", []string{"uid-1"}))(t); !cmp.Equal(before, repaired) {
				t.Errorf("the state is %+v, want %+v", repaired, before)
			}
		})
	}
}

func TestDeclarationIsValidated(t *testing.T) {
	t.Parallel()
	w := newWard(t, 1)
	later := time.Now().Add(time.Hour)
	for name, edit := range map[string]func(*clinic.Declaration){
		"no patient":          func(d *clinic.Declaration) { d.Patients = nil },
		"too many":            func(d *clinic.Declaration) { d.Patients = names(clinic.MaxDeclared + 1) },
		"too many doctors":    func(d *clinic.Declaration) { d.Doctors = names(clinic.MaxDeclaredDoctors + 1) },
		"twice":               func(d *clinic.Declaration) { d.Patients = []string{"patient0", "PATIENT0"} },
		"an odd name":         func(d *clinic.Declaration) { d.Patients = []string{"a b"} },
		"no doctor":           func(d *clinic.Declaration) { d.Doctors = nil },
		"no owner":            func(d *clinic.Declaration) { d.UID, d.EndsAt = "", new(time.Now().Add(-time.Hour)) },
		"a long reason":       func(d *clinic.Declaration) { d.Reason = strings.Repeat("x", clinic.MaxReason+1) },
		"ends when it starts": func(d *clinic.Declaration) { d.StartsAt, d.EndsAt = new(later), new(later) },
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

// TestDeclareManyPairs checks the statements' effect on many pairs.
func TestDeclareManyPairs(t *testing.T) {
	t.Parallel()
	w := newWard(t, 0)
	w.many(2500)
	d := w.wish(0)
	d.Doctors, d.Patients, d.Replace, d.Requester = []string{"doctor1", "doctor2"}, names(2500), false, strings.Repeat("ü", 2000)
	w.declare(t, d, clinic.DeclarationResult{Assigned: 5000, Claims: 5000, Created: 5000})
	w.settled(t, d)
	d.EndsAt = new(time.Now().Add(time.Hour))
	w.declare(t, d, clinic.DeclarationResult{Assigned: 5000, Claims: 5000})
	w.settled(t, d)
	if n := testkit.Value(w.Declarations.Release(t.Context(), d.Owner))(t); n != 5000 {
		t.Errorf("ended %d, want all", n)
	}
}

// many makes the patients that names returns.
func (w ward) many(n int) {
	w.db.Exec(`WITH u AS (INSERT INTO users (username, role, password_hash)
			SELECT 'many' || i, 'PATIENT', '-' FROM generate_series(1, $1::int) i RETURNING id)
		INSERT INTO patient_profiles (user_id) SELECT id FROM u`, n)
}

func names(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("many%d", i+1)
	}
	return list
}
