package service_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
)

// TestACommentOnARecordThatIsBeingDeleted pauses the statement that adds a comment after it has found the record. Then the
// record is deleted.
func TestACommentOnARecordThatIsBeingDeleted(t *testing.T) {
	t.Parallel()
	dsn := testkit.NewDatabase(t, rights.Migrate)
	f := newFixtureOn(t, dsn)
	c := f.care()
	f.db.Exec(`CREATE FUNCTION pause() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NEW; END $$`)
	f.db.Exec(`CREATE TRIGGER a_pause BEFORE INSERT ON doctor_comments FOR EACH ROW EXECUTE FUNCTION pause()`)
	for name, idem := range map[string]clinic.Idempotency{"without a key": {}, "with a key": {Operation: "o", Key: "k", Hash: []byte("h")}} {
		record := f.db.Record(testkit.RecordOptions{Patient: c.patient})
		other := testkit.Value(pgx.Connect(t.Context(), dsn))(t)
		t.Cleanup(func() { _ = other.Close(context.WithoutCancel(t.Context())) })
		testkit.Value(other.Exec(t.Context(), `SELECT pg_advisory_lock(1)`))(t)
		added := make(chan error, 1)
		go func() {
			_, err := f.Comments.Add(t.Context(), c.asDoctor(), record.ID, "Well.", false, idem)
			added <- err
		}()
		for paused := false; !paused; {
			testkit.Must(t, other.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND locktype = 'advisory'
				AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))`).Scan(&paused))
		}
		testkit.Must(t, f.Records.Delete(t.Context(), c.asPatient(), record.ID, nil))
		testkit.Value(other.Exec(t.Context(), `SELECT pg_advisory_unlock(1)`))(t)
		if err := <-added; clinic.CodeOf(err) != clinic.CodeNotFound {
			t.Errorf("%s: a comment on a deleted record fails with %v (%v)", name, err, cause(err))
		}
		if n := f.db.Count(`SELECT count(*) FROM audit_log WHERE object_id = $1 AND role = 'DOCTOR' AND decision = 'not_found'`, record.ID); n != 1 {
			t.Errorf("%s: %d audit rows of the refusal", name, n)
		}
	}
}
