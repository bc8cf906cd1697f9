package service_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// crowd gives a doctor patients with twenty records each, and as many patients of nobody with foreign records. Each text has
// about sixty words; every second record has the word fever, and one in fifty the word migraine.
func (f fixture) crowd(doctor clinic.Doctor, patients, foreign int) {
	f.db.Exec(`INSERT INTO users (username, role, password_hash) SELECT 'crowd' || i, 'PATIENT', '-' FROM generate_series(1, $1::int) i`, patients+foreign)
	f.db.Exec(`INSERT INTO patient_profiles (user_id) SELECT id FROM users WHERE username LIKE 'crowd%' ORDER BY id`)
	f.db.Exec(`INSERT INTO assignments (patient_id, doctor_id, source, starts_at)
		SELECT p.id, $1, 'rest', now() - interval '1 hour' FROM patient_profiles p JOIN users u ON u.id = p.user_id AND u.username LIKE 'crowd%' ORDER BY p.id LIMIT $2`, doctor.ID, patients)
	f.db.Exec(`INSERT INTO health_records (patient_id, created_by, record_type, title, description, symptoms, diagnosis, visit_date)
		SELECT p.id, p.user_id, 'CHECKUP', 'Visit ' || i || CASE WHEN (p.id + i) % 50 = 0 THEN ' migraine' ELSE '' END,
			(SELECT string_agg('word' || (p.id * 7919 + i * 104729 + w * 15485863) % 5000, ' ') FROM generate_series(1, 40) w),
			CASE WHEN (p.id + i) % 2 = 0 THEN 'fever and cough' ELSE 'none' END,
			(SELECT string_agg('term' || (p.id * 31 + i * 17 + w * 13) % 900, ' ') FROM generate_series(1, 15) w), now() - i * interval '40 days'
		FROM patient_profiles p JOIN users u ON u.id = p.user_id AND u.username LIKE 'crowd%', generate_series(1, 20) i ORDER BY i, p.id`)
	f.db.Exec(`INSERT INTO doctor_comments (record_id, doctor_id, comment, is_private)
		SELECT r.id, $1, 'A comment about term' || r.id % 77, r.id % 4 = 0 FROM health_records r WHERE r.id % 2 = 0`, doctor.ID)
	f.db.Exec(`DELETE FROM search_pending`)
	f.db.Exec(`SELECT index_records(ARRAY(SELECT id FROM health_records ORDER BY id), 'en')`)
	f.db.Exec(`VACUUM ANALYZE`)
}

// BenchmarkSearch measures searches of a doctor by how many records they see.
func BenchmarkSearch(b *testing.B) {
	for _, patients := range []int{100, 250, 1000} {
		f := newFixture(b)
		doctor := f.db.Doctor(testkit.DoctorOptions{})
		f.crowd(doctor, patients, 0)
		caller := testkit.CallerOf(doctor.User)
		caller.Request.Operation = "searchRecords"
		for _, query := range []string{"migraine", "fever", "fever -cough", "word1*"} {
			b.Run(fmt.Sprintf("%d/%s", patients*20, query), func(b *testing.B) {
				var took []time.Duration
				var total int
				for range b.N {
					began := time.Now()
					found, err := f.Search.Records(b.Context(), caller, clinic.Search{Query: query}, clinic.PageRequest{})
					testkit.Must(b, err)
					took = append(took, time.Since(began))
					total = found.Total
				}
				slices.Sort(took)
				b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms-median")
				b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "ms-p95")
				b.ReportMetric(float64(total), "found")
			})
		}
	}
}

// searchTells is how much longer a search may take, as a part of its time, because others have records that match.
const searchTells = 0.05

// BenchmarkSearchForeign compares a doctor's search with and without 50,000 records of others that match. The rounds take
// turns, and the medians are compared, because make security runs on machines with other work.
func BenchmarkSearchForeign(b *testing.B) {
	var f [2]fixture
	var caller [2]clinic.Caller
	for i, foreign := range []int{0, 5000} {
		f[i] = newFixture(b)
		doctor := f[i].db.Doctor(testkit.DoctorOptions{})
		f[i].crowd(doctor, 100, foreign)
		caller[i] = testkit.CallerOf(doctor.User)
		caller[i].Request.Operation = "searchRecords"
	}
	if n := f[1].db.Count(`SELECT count(*) FROM health_records WHERE symptoms LIKE 'fever%'`); n < 50_000 {
		b.Fatalf("only %d records match", n)
	}
	for _, query := range []string{"fever", "migraine", "zebra"} {
		b.Run(query, func(b *testing.B) {
			var took [2][]time.Duration
			for i := range 2 * b.N {
				side := (i + i/2) % 2
				began := time.Now()
				_, err := f[side].Search.Records(b.Context(), caller[side], clinic.Search{Query: query}, clinic.PageRequest{})
				testkit.Must(b, err)
				took[side] = append(took[side], time.Since(began))
			}
			var median [2]float64
			for side := range took {
				slices.Sort(took[side])
				median[side] = took[side][len(took[side])/2].Seconds() * 1000
			}
			more := median[1]/median[0] - 1
			b.ReportMetric(median[0], "ms-median")
			b.ReportMetric(100*more, "%-more")
			if b.N > 1 {
				b.Logf("search for %s: %.1f ms, and %+.1f %% with 50,000 foreign matches", query, median[0], 100*more)
			}
			if b.N >= 200 && more > searchTells {
				b.Errorf("foreign records that match make the search %.1f %% slower", 100*more)
			}
		})
	}
}
