package worker

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/stream"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// patience limits every wait of the tests. Usually they are much faster.
const patience = 2 * time.Minute

// eventually waits until condition holds.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// receive waits for a signal.
func receive[T any](t testing.TB, what string, c <-chan T) (value T) {
	t.Helper()
	select {
	case value = <-c:
	case <-time.After(patience):
		t.Fatalf("waited in vain for %s", what)
	}
	return value
}

// start runs a part. stop ends it, and returns when it has ended.
func start(t testing.TB, l loop) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.Start(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := receive(t, "the end of a part", ended); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func newClient(t testing.TB, url string) *redis.Client {
	t.Helper()
	options, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	options.MaxRetries, options.DialerRetries = -1, 1
	client := redis.NewClient(options)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func newStream(t testing.TB, client redis.UniversalClient) *stream.Stream {
	t.Helper()
	s, err := stream.New(stream.Options{Client: client, KeyPrefix: "test:"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// fakeOutbox is an outbox in memory whose results the test decides. It shows how
// the loops treat the codes. effects_test.go uses the real outbox.
type fakeOutbox struct {
	handle func(ctx context.Context, id int64) error
	trim   func(limit int) int
	// trimBounded, if not nil, records whether the last call of trim had a deadline.
	trimBounded *bool
	open        error // of counting the open events
	// bounded records whether the last count had a deadline.
	bounded bool

	mutex  sync.Mutex
	due    []clinic.Event
	dead   []int64
	claims int
}

func (f *fakeOutbox) add(ids ...int64) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.due = append(f.due, events(ids)...)
}

func events(ids []int64) (result []clinic.Event) {
	for _, id := range ids {
		result = append(result, clinic.Event{ID: id, Type: clinic.EventRecordCreated, Attempts: 1})
	}
	return result
}

func (f *fakeOutbox) Claim(_ context.Context, limit int, _ time.Duration) ([]clinic.Event, error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.claims++
	n := min(limit, len(f.due))
	claimed := f.due[:n]
	f.due = f.due[n:]
	return claimed, nil
}

func (f *fakeOutbox) Release(_ context.Context, claimed []clinic.Event) error {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.due = append(slices.Clone(claimed), f.due...)
	return nil
}

func (f *fakeOutbox) Handle(ctx context.Context, ids []int64) (dropped []int64, err error) {
	for _, id := range ids {
		switch err := f.handle(ctx, id); {
		case clinic.CodeOf(err) == clinic.CodeNotFound:
			dropped = append(dropped, id)
		case err != nil:
			return nil, err
		}
	}
	return dropped, nil
}

func (f *fakeOutbox) Republish(context.Context) (int, error) { return 0, nil }

func (f *fakeOutbox) MarkDead(_ context.Context, id int64) error {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.dead = append(f.dead, id)
	return nil
}

func (f *fakeOutbox) CountOpen(ctx context.Context) (int, time.Duration, error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	_, f.bounded = ctx.Deadline()
	return 7, 90 * time.Second, f.open
}

func (f *fakeOutbox) DeleteExpired(ctx context.Context, _ time.Duration, limit int) (int, error) {
	if f.trimBounded != nil {
		_, *f.trimBounded = ctx.Deadline()
	}
	return f.trim(limit), nil
}

func (f *fakeOutbox) RemoveDeleted(ctx context.Context, _ time.Duration, limit int) (int, error) {
	if f.trimBounded != nil {
		_, *f.trimBounded = ctx.Deadline()
	}
	return f.trim(limit), nil
}

// syncBuffer is a log for several goroutines.
type syncBuffer struct {
	mutex  sync.Mutex
	buffer bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.buffer.Write(p)
}

func (b *syncBuffer) String() string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.buffer.String()
}

type fixture struct {
	outbox   *fakeOutbox
	stream   *stream.Stream
	client   *redis.Client
	registry *prometheus.Registry
	log      *syncBuffer
	options  Options
}

func setup(t *testing.T) fixture {
	t.Helper()
	url, _ := testkit.NewRedis(t)
	return setupOn(t, url)
}

func setupOn(t *testing.T, url string) fixture {
	t.Helper()
	f := fixture{
		outbox:   &fakeOutbox{handle: func(context.Context, int64) error { return nil }, trim: func(int) int { return 0 }},
		client:   newClient(t, url),
		registry: prometheus.NewRegistry(),
		log:      &syncBuffer{},
	}
	f.stream = newStream(t, f.client)
	f.options = Options{
		Outbox: f.outbox, Cleanup: f.outbox, Stream: f.stream, Registerer: f.registry, Log: slog.New(slog.NewTextHandler(f.log, nil)),
		PollInterval: 5 * time.Millisecond, RetryAfter: 100 * time.Millisecond, MaxAttempts: 3, BatchSize: 10,
	}
	return f
}

func (f fixture) worker(t *testing.T) *Worker {
	t.Helper()
	w, err := New(f.options)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (f fixture) figures(t *testing.T) stream.Figures {
	t.Helper()
	figures, err := f.stream.Figures(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return figures
}

// publish adds events to the stream without the relay.
func (f fixture) publish(t *testing.T, ids ...int64) {
	t.Helper()
	if err := f.stream.Publish(t.Context(), events(ids)); err != nil {
		t.Fatal(err)
	}
}
