package schema_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
)

// TestAssignmentsBecomeClaims migrates what the former release has written, and back: nobody loses access, and nobody gets any.
func TestAssignmentsBecomeClaims(t *testing.T) {
	t.Parallel()
	dsn := testkit.NewDatabase(t, rights.Migrate)
	f := testkit.NewFactory(t, dsn)
	provider := migrationsOf(t, dsn)
	if _, err := provider.DownTo(t.Context(), 15); err != nil {
		t.Fatal(err)
	}
	past, soon, later := time.Now().Add(-time.Minute), time.Now().Add(time.Hour), time.Now().Add(2*time.Hour)
	doctor, admin := f.Doctor(testkit.DoctorOptions{}), f.Admin()
	first := f.Patient(testkit.PatientOptions{})
	f.Assignment(testkit.AssignmentOptions{Patient: first, Doctor: doctor, EndsAt: &soon})
	add := func(o testkit.AssignmentOptions) int64 {
		o.Patient, o.Doctor = f.Patient(testkit.PatientOptions{}), doctor
		return f.Assignment(o).ID
	}
	rest := add(testkit.AssignmentOptions{Reason: "care"})
	f.Exec(`UPDATE assignments SET requested_by = $2 WHERE id = $1`, rest, admin.ID)
	add(testkit.AssignmentOptions{EndsAt: &past})                                                                              // is over
	add(testkit.AssignmentOptions{StartsAt: soon, EndsAt: &soon})                                                              // canceled
	add(testkit.AssignmentOptions{Source: "break_glass"})                                                                      // stands outside
	add(testkit.AssignmentOptions{Source: "kubernetes", Owner: "uid-1", DeclaredBy: "ns/one", StartsAt: soon, EndsAt: &later}) // planned
	add(testkit.AssignmentOptions{Source: "kubernetes", Owner: "uid-1", DeclaredBy: "ns/one"})
	add(testkit.AssignmentOptions{Source: "kubernetes", DeclaredBy: "ns/gone", EndsAt: &soon}) // retained
	access := func() []string {
		t.Helper()
		return column(t, connect(t, dsn), `SELECT concat_ws(' ', id, patient_id, starts_at, ends_at) FROM assignments
			WHERE ends_at IS NULL OR ends_at > greatest(starts_at, now()) ORDER BY id`)
	}
	f.Assignment(testkit.AssignmentOptions{Patient: first, Doctor: doctor, Source: "kubernetes", DeclaredBy: "ns/left", StartsAt: later}) // retained, too
	before := access()
	if _, err := provider.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []string{"kubernetes assignment 9 ns/left f ", "kubernetes uid-1 ns/one f ", "kubernetes uid-1 ns/one f ", "rest  f ", "rest  f ", "rest  t care"}
	got := column(t, connect(t, dsn), `SELECT concat_ws(' ', source, coalesce(owner, ''), declared_by, (requested_by IS NOT NULL)::text::char, reason)
		FROM assignment_claims ORDER BY 1`)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("claims (-want +got)\n%s", diff)
	}
	if got := column(t, connect(t, dsn), `SELECT concat_ws(' ', uid, cluster, name, term, generation, digest) FROM declarations ORDER BY uid`); !cmp.Equal(got, []string{"assignment 9  ns/left 0 0", "uid-1  ns/one 0 0"}) {
		t.Errorf("declarations = %q", got)
	}
	if n := f.Count(`SELECT count(*) FROM assignments WHERE source = 'rest' AND declared_by IS NULL AND ends_at > greatest(starts_at, now())`); n != 2 {
		t.Errorf("%d assignments of REST that end, want 2", n)
	}
	run(t, connect(t, dsn), `UPDATE assignment_claims SET ended_at = NULL`) // settles all pairs
	if diff := cmp.Diff(before, access()); diff != "" {
		t.Errorf("access before (-) and after the migration (+) differ\n%s", diff)
	}
	if n := f.Count(`SELECT count(*) FROM outbox`); n != 0 {
		t.Errorf("%d events, want none: nothing began", n)
	}
	if _, err := provider.DownTo(t.Context(), 15); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, access()); diff != "" {
		t.Errorf("access before (-) and after the migration was undone (+) differ\n%s", diff)
	}
}

// TestADoctorsClaimGivesAccess though the doctor may neither see claims nor write events of others.
func TestADoctorsClaimGivesAccess(t *testing.T) {
	t.Parallel()
	h := newHospital(t)
	h.as(t, &h.other.User, func(tx pgx.Tx) {
		if _, err := tx.Exec(t.Context(), `INSERT INTO assignment_claims (patient_id, doctor_id, source, requested_by, starts_at)
			VALUES ($1, $2, 'rest', $3, now())`, h.ann.ID, h.other.ID, h.other.User.ID); err != nil {
			t.Fatal(err)
		}
		patients, err := readAll(t, tx, `SELECT patient_id FROM callers_patients ORDER BY 1`)
		if want := []int64{h.ann.ID, h.bob.ID}; err != nil || !cmp.Equal(patients, want) {
			t.Errorf("patients = %v, %v, want %v", patients, err, want)
		}
	})
}
