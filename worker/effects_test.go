package worker

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/service"
	"github.com/healthrecords/healthrecords/internal/store"
	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/stream"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
)

const doctorsPerPatient = 3

// platform is the real service over a real database, with a patient and their doctors.
type platform struct {
	records *service.Records // with the rights of the server
	outbox  *service.Outbox
	cleanup *service.Cleanup
	db      *testkit.Factory
	patient clinic.Caller
}

func newPlatform(t testing.TB, dsn string) platform {
	t.Helper()
	own := rights.OpenAs(t, dsn, schema.PartWorker, store.Options{MaxConns: 8})
	p := platform{
		records: service.NewRecords(rights.OpenAs(t, dsn, schema.PartServer, store.Options{MaxConns: 8})), outbox: service.NewOutbox(own), cleanup: service.NewCleanup(own),
		db: testkit.NewFactory(t, dsn),
	}
	patient := p.db.Patient(testkit.PatientOptions{})
	p.patient = testkit.CallerOf(patient.User)
	for range doctorsPerPatient {
		p.db.Assignment(testkit.AssignmentOptions{Patient: patient, Doctor: p.db.Doctor(testkit.DoctorOptions{})})
	}
	return p
}

// createRecords creates n records with their events. It tries again during an outage.
func (p platform) createRecords(ctx context.Context, n int) error {
	var group errgroup.Group
	group.SetLimit(4)
	for i := range n {
		group.Go(func() error {
			fields := clinic.RecordFields{Type: clinic.RecordCheckup, Title: "Visit", VisitDate: time.Now()}
			key := clinic.Idempotency{Key: fmt.Sprintf("record-%d", i), Operation: "createRecord", Hash: []byte("hash")}
			for {
				_, err := p.records.Create(ctx, p.patient, fields, key)
				if clinic.CodeOf(err) != clinic.CodeUnavailable || ctx.Err() != nil {
					return err
				}
				pause(ctx, 20*time.Millisecond)
			}
		})
	}
	return group.Wait()
}

func (p platform) openEvents() int {
	return p.db.Count(`SELECT count(*) FROM outbox WHERE finished_at IS NULL`)
}

// expectEffectsOnce checks that each of n records has a finished event and exactly one notification for each doctor.
func (p platform) expectEffectsOnce(t *testing.T, n int) {
	t.Helper()
	if got := p.db.Count(`SELECT count(*) FROM outbox o JOIN health_records r ON r.id = o.record_id WHERE outcome = 'done'`); got != n {
		t.Errorf("%d events of a record are done, want %d", got, n)
	}
	if got := p.db.Count(`SELECT count(*) FROM outbox`); got != n {
		t.Errorf("there are %d events, want %d", got, n)
	}
	if got := p.db.Count(`SELECT count(*) FROM (SELECT 1 FROM notifications n JOIN outbox o ON o.id = n.event_id AND o.record_id = n.record_id
		GROUP BY o.id HAVING count(*) = $1 AND count(DISTINCT recipient_id) = $1) complete`, doctorsPerPatient); got != n {
		t.Errorf("%d events have exactly their notifications, want %d", got, n)
	}
	if got := p.db.Count(`SELECT count(*) FROM notifications`); got != n*doctorsPerPatient {
		t.Errorf("there are %d notifications, want %d", got, n*doctorsPerPatient)
	}
}

// startWorker runs a worker with its own client. RetryAfter is short, so that lost events are published again soon.
func (p platform) startWorker(t *testing.T, url string, o Outbox) (stop func()) {
	t.Helper()
	return p.startWorkerWith(t, newClient(t, url), o)
}

func (p platform) startWorkerWith(t *testing.T, client *redis.Client, o Outbox) (stop func()) {
	t.Helper()
	w, err := New(Options{
		Outbox: o, Cleanup: p.cleanup, Stream: newStream(t, client), Log: slog.New(slog.DiscardHandler),
		BatchSize: 20, PollInterval: 5 * time.Millisecond, RetryAfter: 400 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	return start(t, w)
}

// watched counts the handled events, and calls a function after each batch.
type watched struct {
	Outbox
	handled atomic.Int64
	after   func(total int64)
}

func (w *watched) Handle(ctx context.Context, ids []int64) ([]int64, error) {
	dropped, err := w.Outbox.Handle(ctx, ids)
	if err == nil {
		w.after(w.handled.Add(int64(len(ids))))
	}
	return dropped, err
}

func TestEventDeliveredFiftyTimesHasItsEffectOnce(t *testing.T) {
	t.Parallel()
	const events, deliveries = 20, 50
	p := newPlatform(t, testkit.NewDatabase(t, rights.Migrate))
	if err := p.createRecords(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	claimed, err := p.outbox.Claim(t.Context(), events, time.Hour)
	if err != nil || len(claimed) != events {
		t.Fatalf("claimed %d events, %v", len(claimed), err)
	}
	url, _ := testkit.NewRedis(t)
	s := newStream(t, newClient(t, url))
	for range deliveries {
		slices.Reverse(claimed) // so that batches overlap in different orders
		if err := s.Publish(t.Context(), claimed); err != nil {
			t.Fatal(err)
		}
	}
	w := &watched{Outbox: p.outbox, after: func(int64) {}}
	for range 3 {
		p.startWorker(t, url, w)
	}
	eventually(t, "every delivery is acknowledged", func() bool {
		figures, err := s.Figures(t.Context())
		return err == nil && figures == stream.Figures{}
	})
	if got := w.handled.Load(); got < events*deliveries {
		t.Errorf("%d deliveries were handled, want %d or more", got, events*deliveries)
	}
	p.expectEffectsOnce(t, events)
}

func TestWorkerKilledBetweenHandlingAndAcknowledging(t *testing.T) {
	t.Parallel()
	const events = 20
	p := newPlatform(t, testkit.NewDatabase(t, rights.Migrate))
	if err := p.createRecords(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	url, _ := testkit.NewRedis(t)
	cut := newClient(t, url)
	killed := make(chan struct{}, 100)
	stop := p.startWorkerWith(t, cut, &watched{Outbox: p.outbox, after: func(int64) {
		_ = cut.Close() // its later acknowledgments do not arrive
		killed <- struct{}{}
	}})
	receive(t, "the first effect", killed)
	stop()
	s := newStream(t, newClient(t, url))
	left, err := s.Figures(t.Context())
	if err != nil || left.Pending == 0 {
		t.Fatalf("the stream holds %+v, %v, want the handled entries that were not acknowledged", left, err)
	}
	p.startWorker(t, url, p.outbox)
	eventually(t, "nothing is left", func() bool {
		figures, err := s.Figures(t.Context())
		return err == nil && figures == stream.Figures{} && p.openEvents() == 0
	})
	p.expectEffectsOnce(t, events)
}

func TestRedisKilledAndEmptiedAmidEvents(t *testing.T) {
	t.Parallel()
	const events = 500
	p := newPlatform(t, testkit.NewDatabase(t, rights.Migrate))
	server := testkit.StartRedis(t)
	amid := make(chan struct{}, events)
	w := &watched{Outbox: p.outbox, after: func(total int64) {
		if total >= events/5 {
			amid <- struct{}{}
		}
	}}
	p.startWorker(t, server.URL(0), w)
	p.startWorker(t, server.URL(0), w)
	created := make(chan error, 1)
	go func() { created <- p.createRecords(t.Context(), events) }()
	receive(t, "the middle", amid)
	server.Kill()
	if err := receive(t, "the records, which need no Redis", created); err != nil {
		t.Fatal(err)
	}
	if p.openEvents() == 0 {
		t.Fatal("everything was handled before Redis was killed")
	}
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "every event is finished", func() bool { return p.openEvents() == 0 })
	p.expectEffectsOnce(t, events)
}

// Events that Redis has lost are published again at once, and not only when their next publication is due.
func TestEventsThatRedisLostArePublishedAtOnce(t *testing.T) {
	t.Parallel()
	const events = 20
	p := newPlatform(t, testkit.NewDatabase(t, rights.Migrate))
	url, _ := testkit.NewRedis(t)
	client := newClient(t, url)
	w, err := New(Options{Outbox: p.outbox, Cleanup: p.cleanup, Stream: newStream(t, client), Log: slog.New(slog.DiscardHandler), RetryAfter: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	start(t, w)
	start(t, w)
	for round := range 2 {
		if err := p.createRecords(t.Context(), events); err != nil { // the second time the keys are known, and nothing is created
			t.Fatal(err)
		}
		eventually(t, "every event is finished", func() bool { return p.openEvents() == 0 })
		p.db.Exec(`UPDATE outbox SET finished_at = NULL, outcome = NULL, attempts = 4, next_at = now() + interval '1 hour'`) // as if they had been in Redis
		p.db.Exec(`UPDATE outbox SET created_at = now() + interval '1 hour' WHERE id = (SELECT max(id) FROM outbox)`)        // an event of the future
		if err := client.FlushDB(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "every event but the one of the future is finished", func() bool {
			return p.db.Count(`SELECT count(*) FROM outbox WHERE finished_at IS NULL`) == 1
		})
		if got := p.db.Count(`SELECT count(*) FROM outbox WHERE outcome = 'done' AND attempts = 4`); got != events-1 {
			t.Errorf("round %d: %d events have as many attempts as before, want %d: the loss is not an attempt", round, got, events-1)
		}
		p.db.Exec(`UPDATE outbox SET finished_at = now(), outcome = 'done', created_at = now() WHERE finished_at IS NULL`)
	}
	p.expectEffectsOnce(t, events)
}

func TestPostgresStoppedAndStartedAmidEvents(t *testing.T) {
	t.Parallel()
	const events = 500
	server := testkit.StartPostgres(t)
	if err := server.CreateDatabase(t.Context(), "records", ""); err != nil {
		t.Fatal(err)
	}
	if err := rights.Migrate(t.Context(), server.DSN("records")); err != nil {
		t.Fatal(err)
	}
	p := newPlatform(t, server.DSN("records"))
	url, _ := testkit.NewRedis(t)
	amid := make(chan struct{}, events)
	w := &watched{Outbox: p.outbox, after: func(total int64) {
		if total >= events/5 {
			amid <- struct{}{}
		}
	}}
	p.startWorker(t, url, w)
	p.startWorker(t, url, w)
	created := make(chan error, 1)
	go func() { created <- p.createRecords(t.Context(), events) }()
	receive(t, "the middle", amid)
	if err := server.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.db.Pool.Reset() // the test's own connections died with the server
	if err := receive(t, "the records", created); err != nil {
		t.Fatal(err)
	}
	eventually(t, "every event is finished", func() bool { return p.openEvents() == 0 })
	p.expectEffectsOnce(t, events)
}
