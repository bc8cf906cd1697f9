package schema_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
)

// TestCountsAreFilledWhileOthersWrite migrates a database with rows from before the counts, while writers change them, and
// kills the migration in the middle. The next run completes it.
func TestCountsAreFilledWhileOthersWrite(t *testing.T) {
	t.Parallel()
	const patients = 5000 // more than a batch
	dsn := testkit.NewDatabase(t, rights.Migrate)
	if _, err := migrationsOf(t, dsn).DownTo(t.Context(), 18); err != nil {
		t.Fatal(err)
	}
	f := testkit.NewFactory(t, dsn)
	doctor := f.Doctor(testkit.DoctorOptions{})
	f.Exec(`INSERT INTO users (username, role, password_hash) SELECT 'p' || i, 'PATIENT', '-' FROM generate_series(1, $1::int) i`, patients)
	f.Exec(`INSERT INTO patient_profiles (user_id) SELECT id FROM users WHERE role = 'PATIENT'`)
	f.Exec(`INSERT INTO health_records (patient_id, created_by, record_type, title, visit_date)
		SELECT id, user_id, CASE i WHEN 1 THEN 'CHECKUP' ELSE 'DIAGNOSIS' END, 'Visit', now() FROM patient_profiles, generate_series(1, 3) i`)
	f.Exec(`INSERT INTO notifications (recipient_id, event_id, type, read_at)
		SELECT u.id, i, 'NEW_RECORD', CASE WHEN u.id % 2 = 0 THEN now() END FROM users u, generate_series(1, 2) i`)
	f.Exec(`INSERT INTO assignments (patient_id, doctor_id, source, starts_at) SELECT id, $1, 'rest', now() FROM patient_profiles WHERE id % 100 = 0`, doctor.ID)

	holder := connect(t, dsn) // of the lock that each batch takes
	const locked = `hashtextextended('healthrecords.counts', 0)`
	run(t, holder, `SELECT pg_advisory_lock(`+locked+`)`)
	stop := make(chan struct{})
	var writers sync.WaitGroup
	for w := range 3 {
		conn := connect(t, dsn)
		writers.Go(func() {
			for i := w; ; i += 3 {
				select {
				case <-stop:
					return
				default:
				}
				if err := rewrite(t.Context(), conn, i, doctor.ID); err != nil {
					t.Errorf("a writer: %v", err)
					return
				}
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	killed := make(chan error, 1)
	go func() { killed <- schema.Migrate(ctx, dsn) }()
	waiting := func() (pid int) {
		for pid == 0 {
			err := holder.QueryRow(t.Context(), `SELECT pid FROM pg_locks WHERE NOT granted AND locktype = 'advisory'
				AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`).Scan(&pid)
			if err != nil && !errors.Is(err, pgx.ErrNoRows) {
				t.Fatal(err)
			}
		}
		return pid
	}
	const filled = `SELECT count(*) FROM record_counts WHERE record_type = 'DIAGNOSIS' AND records = 2`
	for waiting(); f.Count(filled) == 0; waiting() { // the migration gets the lock, and then the holder again
		run(t, holder, `SELECT pg_advisory_unlock(`+locked+`), pg_advisory_lock(`+locked+`)`)
	}
	run(t, holder, fmt.Sprintf(`SELECT pg_terminate_backend(%d)`, waiting()))
	cancel()
	if err := <-killed; err == nil {
		t.Error("the migration was not killed")
	}
	if n := f.Count(filled); n == 0 || n > patients/2 {
		t.Errorf("%d of %d patients are counted before the migration is killed", n, patients)
	}
	run(t, holder, `SELECT pg_advisory_unlock(`+locked+`)`)
	if err := schema.Migrate(t.Context(), dsn); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"records", "notifications", "assignments"} {
		if n := f.Count(`SELECT wrong FROM check_counts($1, 0, 1000000, false)`, kind); n != 0 {
			t.Errorf("while others write, %d counts of %s are wrong", n, kind)
		}
	}
	close(stop)
	writers.Wait()
	for kind, rows := range map[string]string{
		"records":       `SELECT sum(records) - (SELECT count(*) FROM health_records) FROM record_counts`,
		"notifications": `SELECT sum(notifications) - (SELECT count(*) FROM notifications) FROM notification_counts`,
		"assignments":   `SELECT sum(open_ended) - (SELECT count(*) FROM assignments WHERE ends_at IS NULL) FROM assignment_counts`,
	} {
		if n := f.Count(rows); n != 0 {
			t.Errorf("the counts of %s are %d too high", kind, n)
		}
	}
}

// rewrite changes what is counted of a patient, in a transaction.
func rewrite(ctx context.Context, conn *pgx.Conn, i int, doctorID int64) error {
	patient := fmt.Sprintf(`SELECT id FROM patient_profiles ORDER BY id OFFSET %d LIMIT 1`, i*37%5000)
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		for _, change := range []string{
			`INSERT INTO health_records (patient_id, created_by, record_type, title, visit_date)
				SELECT id, user_id, 'EMERGENCY', 'Visit', now() FROM patient_profiles WHERE id = (` + patient + `)`,
			`DELETE FROM health_records WHERE id = (SELECT min(id) FROM health_records WHERE patient_id = (` + patient + `))`,
			`UPDATE notifications SET read_at = now() WHERE recipient_id = (SELECT user_id FROM patient_profiles WHERE id = (` + patient + `))`,
			fmt.Sprintf(`UPDATE assignments SET ends_at = now() WHERE doctor_id = %d AND patient_id = (%s) AND ends_at IS NULL`, doctorID, patient),
		} {
			if _, err := tx.Exec(ctx, change); err != nil {
				return err
			}
		}
		return nil
	})
}
