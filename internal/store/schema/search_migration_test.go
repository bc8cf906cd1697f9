package schema_test

import (
	"context"
	"sync"
	"testing"

	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
)

// TestRecordsOfBeforeAreIndexedWhileOthersWrite migrates a database with records from before the search, while a server of the
// former release writes. Then it indexes as the worker does, and every record is in the index as it is now.
func TestRecordsOfBeforeAreIndexedWhileOthersWrite(t *testing.T) {
	t.Parallel()
	dsn := testkit.NewDatabase(t, rights.Migrate)
	if _, err := migrationsOf(t, dsn).DownTo(t.Context(), 32); err != nil {
		t.Fatal(err)
	}
	f := testkit.NewFactory(t, dsn)
	patient := f.Patient(testkit.PatientOptions{})
	doctor := f.Doctor(testkit.DoctorOptions{})
	f.Exec(`INSERT INTO health_records (patient_id, created_by, record_type, title, visit_date)
		SELECT $1, $2, 'CHECKUP', 'Before ' || i, now() FROM generate_series(1, 500) i`, patient.ID, patient.User.ID)
	stop := make(chan struct{})
	var writers sync.WaitGroup
	for w := range 2 {
		conn := connect(t, dsn)
		writers.Go(func() {
			for i := w; ; i += 2 {
				select {
				case <-stop:
					return
				default:
				}
				_, err := conn.Exec(context.WithoutCancel(t.Context()), `WITH changed AS (
						UPDATE health_records SET title = 'Changed ' || $1::int, version = version + 1 WHERE id = $1 % 500 + 1 RETURNING id
					), added AS (
						INSERT INTO health_records (patient_id, created_by, record_type, title, visit_date) VALUES ($2, $3, 'CHECKUP', 'Meanwhile', now())
					)
					INSERT INTO doctor_comments (record_id, doctor_id, comment, is_private) SELECT changed.id, $4, 'Comment', $1 % 2 = 0 FROM changed`,
					i, patient.ID, patient.User.ID, doctor.ID)
				if err != nil {
					t.Errorf("a writer: %v", err)
					return
				}
			}
		})
	}
	if err := schema.Migrate(t.Context(), dsn); err != nil {
		t.Error(err)
	}
	for f.Count(`SELECT count(*) FROM search_reindex WHERE filled_at IS NULL`) > 0 {
		f.Exec(`SELECT index_pending_records(50, 'en')`)
		f.Exec(`SELECT reindex_records(50, 'en')`)
	}
	close(stop)
	writers.Wait()
	f.Exec(`SELECT index_pending_records(100000, 'en')`)
	if n := f.Count(`SELECT count(*) FROM record_vectors(ARRAY(SELECT id FROM health_records), 'en') v
		FULL JOIN record_search s ON s.record_id = v.record_id WHERE (s.public, s.private) IS DISTINCT FROM (v.public, v.private)`); n != 0 {
		t.Errorf("%d records are not in the index as they are", n)
	}
}
