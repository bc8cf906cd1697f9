package worker

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/redis/go-redis/v9"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/stream"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

func TestNewRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	f := setup(t)
	for name, options := range map[string]Options{
		"nothing":   {},
		"no stream": {Outbox: f.outbox, Cleanup: f.outbox},
		"no outbox": {Stream: f.stream},
		"negative":  {Outbox: f.outbox, Cleanup: f.outbox, Stream: f.stream, BatchSize: -1},
		"metrics twice": func() Options {
			f.worker(t)
			return f.options
		}(),
	} {
		if _, err := New(options); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if _, err := New(Options{Outbox: f.outbox, Cleanup: f.outbox, Stream: f.stream}); err != nil {
		t.Errorf("the defaults are refused: %v", err)
	}
}

func TestWorkerStartsAgainAfterItStopped(t *testing.T) {
	t.Parallel()
	f := setup(t)
	var count atomic.Int64
	f.outbox.handle = func(context.Context, int64) error { count.Add(1); return nil }
	w := f.worker(t)
	for round := range int64(2) {
		f.outbox.add(1, 2, 3)
		stop := start(t, w)
		eventually(t, "three more events are handled", func() bool { return count.Load() == 3*(round+1) })
		stop()
		if got := f.figures(t); got != (stream.Figures{}) {
			t.Errorf("round %d leaves %+v", round, got)
		}
	}
}

func TestConnectionsAreEnough(t *testing.T) {
	t.Parallel()
	url, _ := testkit.NewRedis(t)
	f := setupOn(t, url)
	f.options.Concurrency = 40 // more than the client's own pool has
	options := f.client.Options()
	options.PoolSize = Connections(f.options.Concurrency)
	client := redis.NewClient(options)
	t.Cleanup(func() { _ = client.Close() })
	f.options.Stream = newStream(t, client)
	var count atomic.Int64
	f.outbox.handle = func(context.Context, int64) error { count.Add(1); return nil }
	start(t, f.worker(t))
	const events = 2000
	for id := range int64(events) {
		f.outbox.add(id + 1)
	}
	eventually(t, "all are handled", func() bool { return count.Load() >= events })
	if stats := client.PoolStats(); stats.WaitCount != 0 || stats.Timeouts != 0 {
		t.Errorf("a connection was waited for %d times", stats.WaitCount)
	}
}

func TestStopFinishesWhatIsInHand(t *testing.T) {
	t.Parallel()
	f := setup(t)
	inHand, finish := make(chan int64, 10), make(chan struct{})
	f.outbox.handle = func(ctx context.Context, id int64) error {
		inHand <- id
		<-finish
		return ctx.Err() // the work is not interrupted
	}
	f.publish(t, 1, 2, 3, 4, 5, 6)
	f.options.RetryAfter = time.Hour
	w := f.worker(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Start(ctx) }()
	receive(t, "the first event", inHand)
	cancel()
	select {
	case err := <-ended:
		t.Fatalf("the worker left its work: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	close(finish)
	if err := receive(t, "the end", ended); err != nil {
		t.Error(err)
	}
	if got := f.figures(t); got != (stream.Figures{}) {
		t.Errorf("left are %+v, want nothing", got)
	}
}

func TestReclaimerHandlesWhatOthersLeft(t *testing.T) {
	t.Parallel()
	f := setup(t)
	var down atomic.Bool
	down.Store(true)
	f.outbox.handle = func(context.Context, int64) error {
		if down.Load() {
			return clinic.Unavailable(errors.New("postgres is away"))
		}
		return nil
	}
	f.publish(t, 9)
	if _, err := f.stream.Read(t.Context(), "dead", 10, readBlock); err != nil { // and never active again
		t.Fatal(err)
	}
	f.outbox.add(1, 2)
	start(t, f.worker(t))
	eventually(t, "all are pending", func() bool { return f.figures(t) == stream.Figures{Pending: 3} })
	down.Store(false)
	eventually(t, "all are handled", func() bool { return f.figures(t) == stream.Figures{} })
	eventually(t, "the dead consumer is removed", func() bool {
		consumers, err := f.client.XInfoConsumers(t.Context(), "test:{events}", "workers").Result()
		return err == nil && len(consumers) == 1
	})
	if got := strings.Count(f.log.String(), "postgres is away"); got != 0 {
		t.Errorf("a cause is logged %d times", got)
	}
}

func TestUndecodableEntryDoesNotStopTheLoop(t *testing.T) {
	t.Parallel()
	f := setup(t)
	var count atomic.Int64
	f.outbox.handle = func(context.Context, int64) error { count.Add(1); return nil }
	start(t, f.worker(t))
	for range 3 {
		if err := f.client.XAdd(t.Context(), &redis.XAddArgs{Stream: "test:{events}", Values: []string{"x", "y"}}).Err(); err != nil {
			t.Fatal(err)
		}
		before := count.Load()
		f.outbox.add(1)
		eventually(t, "the next event is handled", func() bool { return count.Load() == before+1 })
	}
	eventually(t, "all are set aside", func() bool { return f.figures(t) == stream.Figures{Dead: 3} })
	if n := value(t, f.registry, "healthrecords_worker_undecodable_entries_total"); n != 3 {
		t.Errorf("%v undecodable entries counted, want 3", n)
	}
}

// value reads a metric that has no labels.
func value(t *testing.T, registry *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == name {
			metric := family.GetMetric()[0]
			return metric.GetCounter().GetValue() + metric.GetGauge().GetValue() // the metric has only one of the two
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

func TestRelayKeepsTheStreamBounded(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.options.MaxBacklog = 15
	for id := range int64(40) {
		f.outbox.add(id + 1)
	}
	m, err := newMetrics(f.registry)
	if err != nil {
		t.Fatal(err)
	}
	f.options.setDefaults()
	r := newRelay(f.options, m)
	for _, want := range []int{10, 5, 0, 0} {
		if got, err := r.publish(t.Context()); err != nil || got != want {
			t.Errorf("published %d, %v, want %d", got, err, want)
		}
	}
	if got := f.figures(t); got != (stream.Figures{Waiting: 15}) {
		t.Errorf("the stream holds %+v", got)
	}
	batch, err := f.stream.Read(t.Context(), "a", 3, readBlock)
	if err != nil {
		t.Fatal(err)
	}
	for _, message := range batch.Messages {
		if err := f.stream.Ack(t.Context(), message.Entry); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := r.publish(t.Context()); err != nil || got != 3 {
		t.Errorf("published %d, %v into the room of three", got, err)
	}
}

func TestRelayClaimsNothingWithoutRedis(t *testing.T) {
	t.Parallel()
	server := testkit.StartRedis(t)
	f := setupOn(t, server.URL(0))
	var count atomic.Int64
	f.outbox.handle = func(context.Context, int64) error { count.Add(1); return nil }
	server.Kill()
	f.outbox.add(1, 2, 3)
	start(t, f.worker(t))
	eventually(t, "the outage is noticed", func() bool { return strings.Contains(f.log.String(), `doing="publishing events"`) })
	f.outbox.mutex.Lock()
	if f.outbox.claims != 0 {
		t.Errorf("%d claims were made though nothing could be published", f.outbox.claims)
	}
	f.outbox.mutex.Unlock()
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all are handled", func() bool { return count.Load() == 3 })
	eventually(t, "the end of the outage is logged", func() bool { return strings.Contains(f.log.String(), "work resumed") })
}

func TestTrimmerGoesOnWhileThereIsMore(t *testing.T) {
	t.Parallel()
	f := setup(t)
	var calls atomic.Int64
	f.outbox.trim = func(limit int) int {
		if calls.Add(1) < 3 {
			return limit
		}
		return 1
	}
	start(t, f.worker(t))
	eventually(t, "three rounds are made", func() bool { return calls.Load() == 3 })
}

// TestRetentionGoesOnWhileThereIsMore, counts what it removes, and logs the number once. Without an age, nothing is removed.
func TestRetentionGoesOnWhileThereIsMore(t *testing.T) {
	t.Parallel()
	f := setup(t)
	m := testkit.Value(newMetrics(f.registry))(t)
	left := 2*removeLimit + 7
	f.outbox.trim = func(limit int) int {
		removed := min(limit, left)
		left -= removed
		return removed
	}
	removes := &retention{cleanup: f.outbox, keep: time.Hour, metrics: m, log: f.options.Log}
	for range 2 {
		testkit.Must(t, removes.remove(t.Context()))
	}
	if got := testutil.ToFloat64(m.removed); got != 2*removeLimit+7 {
		t.Errorf("%g records are counted", got)
	}
	if n := strings.Count(f.log.String(), "removed deleted records"); n != 1 || !strings.Contains(f.log.String(), "records=407") {
		t.Errorf("the log has %d lines: %s", n, f.log.String())
	}
	for keep, want := range map[time.Duration]bool{0: false, time.Hour: true} {
		options := f.options
		options.Registerer, options.Retention = prometheus.NewRegistry(), keep
		if has := slices.ContainsFunc(testkit.Value(New(options))(t).loops, func(l loop) bool { _, is := l.(*retention); return is }); has != want {
			t.Errorf("with the age %s, records are removed: %t", keep, has)
		}
	}
}
