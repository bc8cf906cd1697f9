package service_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// threePatients is bundle with two more patients of the doctor.
func threePatients() clinic.Import {
	b := bundle()
	for _, n := range []string{"2", "3"} {
		another := b.Accounts[0]
		another.SourceID, another.Username = "mr|"+n, "zoe.example."+n
		b.Accounts = append(b.Accounts, another)
		b.CareTeam = append(b.CareTeam, clinic.CareTeamMember{Patient: another.SourceID, Doctor: "npi|1"})
	}
	return b
}

// failAssignments makes the first statements that assign a doctor fail with the
// SQLSTATE, and counts all of them in the sequence tries, which a rollback does
// not reset.
func (f *fixture) failAssignments(fails int, state string) {
	f.db.Exec(`CREATE SEQUENCE tries`)
	f.db.Exec(`CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		IF nextval('tries') <= TG_ARGV[0]::int THEN RAISE EXCEPTION USING ERRCODE = TG_ARGV[1]; END IF;
		RETURN NULL;
	END $$`)
	f.db.Exec(fmt.Sprintf(`CREATE TRIGGER fail BEFORE INSERT ON assignment_claims FOR EACH STATEMENT EXECUTE FUNCTION fail(%d, '%s')`, fails, state))
}

// Each transaction that changes a doctor's assignments locks the doctor first, as the
// controller does. Without the lock an import would assign one patient and wait
// for the second, while the controller, which has the second, waits for the others.
func TestImportAndControllerDoNotWaitInACircle(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	people := threePatients()
	people.CareTeam = nil
	f.importBundle(t, people)
	controller := testkit.Value(f.db.Pool.Begin(t.Context()))(t)
	defer func() { _ = controller.Rollback(context.WithoutCancel(t.Context())) }()
	assign := func(patient string) {
		t.Helper()
		testkit.Value(controller.Exec(t.Context(), `INSERT INTO assignment_claims (patient_id, doctor_id, source, owner, starts_at)
			SELECT p.id, d.id, 'kubernetes', 'uid-1', now() FROM patient_profiles p, doctor_profiles d WHERE p.source_id = $1`, patient))(t)
	}
	f.failAssignments(0, "")
	testkit.Value(controller.Exec(t.Context(), `SELECT FROM doctor_profiles ORDER BY id FOR NO KEY UPDATE`))(t)
	assign("mr|2")
	imported := make(chan error, 1)
	go func() {
		_, err := f.Imports.Load(t.Context(), threePatients())
		imported <- err
	}()
	for f.db.Count(`SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE datname = current_database() AND NOT granted`) == 0 {
		if t.Context().Err() != nil {
			t.Fatal("the import does not wait")
		}
	}
	assign("mr|1")
	assign("mr|3")
	if err := controller.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-imported; err != nil {
		t.Errorf("import: %v (%v)", err, cause(err))
	}
	if n := f.db.Count(`SELECT count(*) FROM assignments`); n != 3 {
		t.Errorf("%d assignments, want the controller's 3", n)
	}
	if n := f.db.Count(`SELECT last_value FROM tries`); n != 4 {
		t.Errorf("%d statements assigned a doctor, want 4: the import had to begin again", n)
	}
}

// A bundle that Postgres rolled back because of a deadlock is tried
// once more.
func TestImportTriesABundleOnceMore(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		state string
		fails int
		tries int
		code  clinic.Code
	}{
		"deadlock":              {"40P01", 1, 2, ""},
		"serialization failure": {"40001", 1, 2, ""},
		"twice":                 {"40P01", 2, 2, clinic.CodeUnavailable},
		"no memory":             {"53200", 1, 1, clinic.CodeUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.failAssignments(c.fails, c.state)
			result, err := f.Imports.Load(t.Context(), bundle())
			wantCode(t, err, c.code)
			if c.code == "" {
				wantImport(t, result, counts(1, 0, 0))
			}
			if n := f.db.Count(`SELECT last_value FROM tries`); n != c.tries {
				t.Errorf("%d tries, want %d", n, c.tries)
			}
		})
	}
}
