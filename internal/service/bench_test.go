package service_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
)

// ledger is a doctor with many patients who have many records each, every
// second of them with a comment.
func ledger(b testing.TB, f fixture, patients, records int) (doctor clinic.Caller, patient clinic.Caller) {
	b.Helper()
	d := f.db.Doctor(testkit.DoctorOptions{})
	f.db.Exec(`WITH u AS (INSERT INTO users (username, first_name, last_name, role, password_hash)
			SELECT 'ledger' || i, 'First', 'Last', 'PATIENT', '-' FROM generate_series(1, $1::int) i RETURNING id)
		INSERT INTO patient_profiles (user_id) SELECT id FROM u`, patients)
	f.db.Exec(`INSERT INTO assignments (patient_id, doctor_id, source, starts_at)
		SELECT id, $1, 'rest', now() - interval '1 hour' FROM patient_profiles`, d.ID)
	f.db.Exec(`INSERT INTO health_records (patient_id, created_by, record_type, title, description, visit_date)
		SELECT p.id, p.user_id, (ARRAY['CHECKUP', 'DIAGNOSIS', 'PRESCRIPTION'])[1 + i % 3], 'Visit ' || i, repeat('text ', 40),
			now() - random() * interval '3000 days'
		FROM generate_series(1, $1::int) i, patient_profiles p`, records)
	f.db.Exec(`INSERT INTO doctor_comments (record_id, doctor_id, comment, is_private)
		SELECT id, $1, repeat('text ', 10), id % 4 = 0 FROM health_records WHERE id % 2 = 0`, d.ID)
	f.db.Exec(`VACUUM ANALYZE`)
	return testkit.CallerOf(d.User), testkit.CallerOf(clinic.User{ID: int64(f.db.Count(`SELECT min(user_id) FROM patient_profiles`)), Role: clinic.RolePatient})
}

// joinAndSort is the list of records in its obvious form: join, sort
// all, cut off the page.
const joinAndSort = `
	SELECT r.*, u.username, u.email, u.first_name, u.last_name,
		(SELECT coalesce(json_agg(row_to_json(c.*) ORDER BY c.id), '[]')
		 FROM comment_details c WHERE c.record_id = r.id AND ($3::boolean OR NOT c.is_private))::json AS comments,
		(SELECT count(*) FROM health_records t
		 WHERE t.patient_id IN (SELECT a.patient_id FROM patient_access a WHERE a.user_id = $1)) AS total
	FROM health_records r
	JOIN users u ON u.id = r.created_by
	WHERE r.patient_id IN (SELECT a.patient_id FROM patient_access a WHERE a.user_id = $1)
	ORDER BY r.visit_date DESC, r.id DESC LIMIT $2`

// BenchmarkRecords alternates between the first page of a list and the join and
// sort of the same page, and reports how many times faster the list is.
func BenchmarkRecords(b *testing.B) {
	for _, size := range []struct{ patients, records int }{{1000, 100}, {100, 100}, {10, 100}} {
		b.Run(fmt.Sprintf("patients=%d", size.patients), func(b *testing.B) {
			f := newFixture(b)
			doctor, patient := ledger(b, f, size.patients, size.records)
			for role, as := range map[string]clinic.Caller{"doctor": doctor, "patient": patient} {
				b.Run(role, func(b *testing.B) { compareRecords(b, f, as) })
			}
		})
	}
}

func compareRecords(b *testing.B, f fixture, as clinic.Caller) {
	b.Helper()
	var list, sorted time.Duration
	for b.Loop() {
		start := time.Now()
		testkit.Value(f.Records.List(b.Context(), as, clinic.RecordFilter{}, clinic.PageRequest{}))(b)
		list += time.Since(start)
		start = time.Now()
		rows, err := f.db.Pool.Query(b.Context(), joinAndSort, as.UserID, clinic.DefaultPageSize+1, as.Role == clinic.RoleDoctor)
		if err != nil {
			b.Fatal(err)
		}
		for rows.Next() {
		}
		if err := rows.Err(); err != nil {
			b.Fatal(err)
		}
		sorted += time.Since(start)
	}
	b.ReportMetric(float64(list.Microseconds())/float64(b.N), "list-µs")
	b.ReportMetric(float64(sorted.Microseconds())/float64(b.N), "join-sort-µs")
	b.ReportMetric(float64(sorted)/float64(list), "times-faster")
}

// BenchmarkRecordsDeep reads pages near the end of the doctor's list, by keyset
// and by number.
func BenchmarkRecordsDeep(b *testing.B) {
	f := newFixture(b)
	doctor, _ := ledger(b, f, 100, 100)
	oldest := testkit.Value(f.Records.List(b.Context(), doctor, clinic.RecordFilter{Order: clinic.OrderVisitAsc}, clinic.PageRequest{Size: 40}))(b)
	last := oldest.Items[39]
	for name, page := range map[string]clinic.PageRequest{
		"keyset": {Cursor: clinic.Cursor{Keyset: true, Key: last.VisitDate.Format(time.RFC3339Nano), ID: last.ID}},
		"number": {Number: 498},
		"first":  {},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				testkit.Value(f.Records.List(b.Context(), doctor, clinic.RecordFilter{}, page))(b)
			}
		})
	}
}

// BenchmarkHandleEvents finishes events over eight connections to an instance
// that waits for its disk, one by one and in batches.
func BenchmarkHandleEvents(b *testing.B) {
	server := testkit.StartPostgres(b)
	for _, batch := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			name := fmt.Sprintf("events_%d_%d", batch, time.Now().UnixNano())
			if err := server.CreateDatabase(b.Context(), name, ""); err != nil {
				b.Fatal(err)
			}
			f := benchFixture(b, server.DSN(name))
			c := f.care()
			f.db.Exec(`INSERT INTO health_records (patient_id, created_by, record_type, title, visit_date)
				SELECT $1, $2, 'CHECKUP', 'Visit', now() FROM generate_series(1, $3::int)`, c.patient.ID, c.patient.User.ID, b.N)
			f.db.Exec(`INSERT INTO outbox (type, patient_id, record_id) SELECT 'record.created', patient_id, id FROM health_records`)
			b.ResetTimer()
			handleInParallel(b, f, batch)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
			b.StopTimer()
			if n := f.db.Count(`SELECT count(*) FROM notifications`); n < b.N {
				b.Errorf("notifications = %d, want one for each of %d events", n, b.N)
			}
		})
	}
}

func benchFixture(b *testing.B, dsn string) fixture {
	b.Helper()
	if err := rights.Migrate(b.Context(), dsn); err != nil {
		b.Fatal(err)
	}
	return newFixtureOn(b, dsn)
}

func handleInParallel(b *testing.B, f fixture, batch int) {
	b.Helper()
	var next atomic.Int64
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for {
				last := next.Add(int64(batch))
				first := last - int64(batch) + 1
				if first > int64(b.N)+1 {
					return
				}
				ids := make([]int64, 0, batch)
				for id := first; id <= last; id++ {
					ids = append(ids, id)
				}
				if _, err := f.Outbox.Handle(b.Context(), ids); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
}

// BenchmarkDeclare declares the most patients that an object may name, once to
// begin the assignments and once without a change.
func BenchmarkDeclare(b *testing.B) {
	w := newWard(b, 0)
	w.many(clinic.MaxDeclared)
	d := w.wish(0)
	d.Patients = names(clinic.MaxDeclared)
	var begin, repeat time.Duration
	for b.Loop() {
		start := time.Now()
		testkit.Value(w.Declarations.Declare(b.Context(), d))(b)
		begin += time.Since(start)
		start = time.Now()
		testkit.Value(w.Declarations.Declare(b.Context(), d))(b)
		repeat += time.Since(start)
		testkit.Value(w.Declarations.Release(b.Context(), d.Owner))(b)
	}
	b.ReportMetric(float64(begin.Microseconds())/float64(b.N), "begin-µs")
	b.ReportMetric(float64(repeat.Microseconds())/float64(b.N), "repeat-µs")
}
