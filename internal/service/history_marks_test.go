package service_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// TestVersionsHaveTheLanguage changes the language of a record, and restores what it was.
func TestVersionsHaveTheLanguage(t *testing.T) {
	t.Parallel()
	f, ctx := newFixture(t), t.Context()
	c := f.care()
	language := clinic.Language("de")
	testkit.Value(f.Records.Update(ctx, c.asPatient(), c.record.ID, clinic.RecordChange{Language: &language}, nil))(t)
	changes := testkit.Value(f.Records.Compare(ctx, c.asPatient(), c.record.ID, 1, 2))(t)
	if diff := cmp.Diff([]clinic.FieldChange{{Field: "language", From: "", To: "de"}}, changes); diff != "" {
		t.Errorf("differences:\n%s", diff)
	}
	for _, step := range []struct {
		to, version int64
		want        clinic.Language
	}{{2, 2, "de"}, {1, 3, ""}, {2, 4, "de"}} { // what is there already makes no version
		got := testkit.Value(f.Records.Restore(ctx, c.asPatient(), c.record.ID, step.to, nil))(t)
		if got.Version != step.version || got.Language != step.want {
			t.Errorf("restoring version %d made version %d in language %q, want %d in %q", step.to, got.Version, got.Language, step.version, step.want)
		}
	}
}

// TestAFormerReleaseTakesTheReasonAway changes the type of a marked record as a former release does, which knows no reasons.
func TestAFormerReleaseTakesTheReasonAway(t *testing.T) {
	t.Parallel()
	f, ctx := newFixture(t), t.Context()
	c := f.care()
	testkit.Value(f.Records.MarkInError(ctx, c.asPatient(), c.record.ID, "mixed up", nil))(t)
	f.db.Exec(`UPDATE health_records SET record_type = 'EMERGENCY', version = version + 1 WHERE id = $1`, c.record.ID)
	if got := testkit.Value(f.Records.Get(ctx, c.asPatient(), c.record.ID))(t); got.ErrorReason != "" || got.Type != clinic.RecordEmergency {
		t.Errorf("the record is in the lists, with type %q and the reason %q why it should not be", got.Type, got.ErrorReason)
	}
}

// TestARestoreMeetsAnImportOfTheSameSource: the import has made the record again, but has not committed yet.
func TestARestoreMeetsAnImportOfTheSameSource(t *testing.T) {
	t.Parallel()
	f, ctx := newFixture(t), t.Context()
	c := f.care()
	f.db.Exec(`UPDATE health_records SET source_id = 'a', source_digest = sha256('a') WHERE id = $1`, c.record.ID)
	testkit.Must(t, f.Records.Delete(ctx, c.asPatient(), c.record.ID, nil))
	tx := testkit.Value(f.db.Pool.Begin(ctx))(t)
	testkit.Value(tx.Exec(ctx, `INSERT INTO health_records (patient_id, created_by, record_type, title, visit_date, source_id, source_digest)
		VALUES ($1, $2, 'CHECKUP', 'again', now(), 'a', sha256('a'))`, c.patient.ID, c.patient.User.ID))(t)
	done := make(chan error, 1)
	go func() {
		_, err := f.Records.Restore(ctx, c.asPatient(), c.record.ID, 0, nil)
		done <- err
	}()
	for f.db.Count(`SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE datname = current_database() AND NOT granted`) == 0 {
		if ctx.Err() != nil {
			t.Fatal("nothing waits")
		}
	}
	testkit.Must(t, tx.Commit(ctx))
	testkit.Must(t, <-done)
	if n := f.db.Count(`SELECT count(*) FROM health_records WHERE patient_id = $1 AND source_id = 'a' AND id <> $2`, c.patient.ID, c.record.ID); n != 1 {
		t.Errorf("%d records of the source", n)
	}
}
