package worker

import (
	"testing"
	"time"

	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
)

// BenchmarkEvents measures one worker, from the open outbox row of a record to the committed notifications of the
// patient's three doctors.
func BenchmarkEvents(b *testing.B) {
	p := newPlatform(b, testkit.NewDatabase(b, rights.Migrate))
	p.db.Exec(`INSERT INTO health_records (patient_id, created_by, record_type, title, visit_date)
		SELECT p.id, p.user_id, 'CHECKUP', 'Visit', now() FROM patient_profiles p, generate_series(1, $1)`, b.N)
	p.db.Exec(`INSERT INTO outbox (type, patient_id, record_id) SELECT 'record.created', patient_id, id FROM health_records`)
	url, _ := testkit.NewRedis(b)
	w, err := New(Options{Outbox: p.outbox, Cleanup: p.cleanup, Stream: newStream(b, newClient(b, url)), PollInterval: time.Millisecond})
	if err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	stop := start(b, w)
	eventually(b, "every event is finished", func() bool { return p.openEvents() == 0 })
	b.StopTimer()
	stop()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	if got := p.db.Count(`SELECT count(*) FROM notifications`); got != b.N*doctorsPerPatient {
		b.Errorf("there are %d notifications, want %d", got, b.N*doctorsPerPatient)
	}
}
