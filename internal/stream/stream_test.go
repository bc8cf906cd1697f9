package stream_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/stream"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

const block = 20 * time.Millisecond

func TestMain(m *testing.M) { testkit.Main(m) }

type fixture struct {
	*stream.Stream
	client *redis.Client
	key    string
}

func setup(t *testing.T) fixture {
	t.Helper()
	url, prefix := testkit.NewRedis(t)
	return newFixture(t, url, prefix)
}

func newFixture(t *testing.T, url, prefix string) fixture {
	t.Helper()
	options, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	options.MaxRetries, options.DialerRetries = -1, 1
	client := redis.NewClient(options)
	t.Cleanup(func() { _ = client.Close() })
	s, err := stream.New(stream.Options{Client: client, KeyPrefix: prefix})
	if err != nil {
		t.Fatal(err)
	}
	return fixture{Stream: s, client: client, key: prefix + "{events}"}
}

func (f fixture) publish(t *testing.T, ids ...int64) {
	t.Helper()
	var events []clinic.Event
	for _, id := range ids {
		events = append(events, clinic.Event{ID: id, Type: clinic.EventRecordCreated, Attempts: 1})
	}
	if err := f.Publish(t.Context(), events); err != nil {
		t.Fatal(err)
	}
}

func (f fixture) read(t *testing.T, consumer string) stream.Batch {
	t.Helper()
	batch, err := f.Read(t.Context(), consumer, 10, block)
	if err != nil {
		t.Fatal(err)
	}
	return batch
}

func (f fixture) expect(t *testing.T, want stream.Figures) {
	t.Helper()
	got, err := f.Figures(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func ids(batch stream.Batch) (result []int64) {
	for _, m := range batch.Messages {
		result = append(result, m.EventID)
	}
	return result
}

func entries(batch stream.Batch) (result []string) {
	for _, m := range batch.Messages {
		result = append(result, m.Entry)
	}
	return result
}

func TestEntriesGoFromWaitingToPendingToGone(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.expect(t, stream.Figures{})
	if got := f.read(t, "a"); len(got.Messages) != 0 {
		t.Errorf("an empty stream gives %v", got)
	}
	f.publish(t, 1, 2, 3)
	f.expect(t, stream.Figures{Waiting: 3})
	batch := f.read(t, "a")
	want := stream.Message{EventID: 1, Type: clinic.EventRecordCreated, Attempt: 1, Entry: batch.Messages[0].Entry}
	if diff := cmp.Diff(want, batch.Messages[0]); diff != "" {
		t.Error(diff)
	}
	f.publish(t, 4)
	f.expect(t, stream.Figures{Waiting: 1, Pending: 3})

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.Ack(ended, entries(batch)...); err != nil {
		t.Errorf("acknowledging after the end: %v", err)
	}
	f.expect(t, stream.Figures{Waiting: 1})
	if got := ids(f.read(t, "b")); !slices.Equal(got, []int64{4}) {
		t.Errorf("the next read gives %v", got)
	}
	if n, err := f.Backlog(t.Context()); err != nil || n != 1 {
		t.Errorf("Backlog = %d, %v, want the pending one", n, err)
	}
}

func TestEntriesCarryIDsOnly(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.publish(t, 7)
	raw, err := f.client.XRange(t.Context(), f.key, "-", "+").Result()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"id": "7", "type": "record.created", "attempt": "1"}
	if diff := cmp.Diff(want, raw[0].Values); diff != "" {
		t.Error(diff)
	}
}

// The relay decides how long the stream may get.
func TestPublishTrimsNothing(t *testing.T) {
	t.Parallel()
	f := setup(t)
	const batches, size = 11, 10_000
	for batch := range int64(batches) {
		events := make([]clinic.Event, size)
		for i := range events {
			events[i] = clinic.Event{ID: batch*size + int64(i) + 1, Type: clinic.EventRecordCreated}
		}
		if err := f.Publish(t.Context(), events); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := f.Backlog(t.Context()); err != nil || n != batches*size {
		t.Errorf("Backlog = %d, %v, want %d", n, err, batches*size)
	}
}

// returning is a consumer that comes back while it is about to be removed.
type returning struct{ back func() }

func (r returning) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if name := cmd.Name(); strings.HasPrefix(name, "xgroup") || strings.HasPrefix(name, "eval") {
			r.back()
		}
		return next(ctx, cmd)
	}
}

func (returning) DialHook(next redis.DialHook) redis.DialHook { return next }

func (returning) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func TestAConsumerThatComesBackIsNotRemoved(t *testing.T) {
	t.Parallel()
	url, prefix := testkit.NewRedis(t)
	remover, f := newFixture(t, url, prefix), newFixture(t, url, prefix)
	f.publish(t, 1)
	if err := f.Ack(t.Context(), entries(f.read(t, "a"))...); err != nil {
		t.Fatal(err)
	}
	f.publish(t, 2)
	var got stream.Batch
	remover.client.AddHook(returning{back: sync.OnceFunc(func() { got = f.read(t, "a") })})
	if n, err := remover.RemoveConsumers(t.Context(), 0); err != nil || n != 0 {
		t.Errorf("RemoveConsumers = %d, %v", n, err)
	}
	if !slices.Equal(ids(got), []int64{2}) {
		t.Fatalf("the consumer came back to %v", got)
	}
	f.expect(t, stream.Figures{Pending: 1}) // otherwise no consumer would get it again
	if err := f.Ack(t.Context(), entries(got)...); err != nil {
		t.Fatal(err)
	}
	if n, err := remover.RemoveConsumers(t.Context(), time.Hour); err != nil || n != 0 {
		t.Errorf("RemoveConsumers removes %d of those that called within the hour, %v", n, err)
	}
	if n, err := remover.RemoveConsumers(t.Context(), 0); err != nil || n != 1 {
		t.Errorf("RemoveConsumers = %d, %v, want the one that is idle", n, err)
	}
}

func TestReclaimTakesWhatADeadConsumerLeft(t *testing.T) {
	t.Parallel()
	f := setup(t)
	if got, err := f.Reclaim(t.Context(), "b", 0, 10); err != nil || len(got.Messages) != 0 {
		t.Errorf("without a group Reclaim = %v, %v", got, err)
	}
	f.publish(t, 1, 2)
	f.read(t, "a")
	if got, err := f.Reclaim(t.Context(), "b", time.Hour, 10); err != nil || len(got.Messages) != 0 {
		t.Errorf("an entry that is not idle is reclaimed: %v, %v", got, err)
	}
	got, err := f.Reclaim(t.Context(), "b", 0, 10)
	if err != nil || !slices.Equal(ids(got), []int64{1, 2}) {
		t.Fatalf("Reclaim = %v, %v", got, err)
	}
	if n, err := f.RemoveConsumers(t.Context(), 0); err != nil || n != 1 {
		t.Errorf("RemoveConsumers = %d, %v, want the one with nothing pending", n, err)
	}
	f.expect(t, stream.Figures{Pending: 2})
}

// XAUTOCLAIM scans only ten times count entries, so that idle entries may come after others.
func TestReclaimLooksAtEverythingPending(t *testing.T) {
	t.Parallel()
	f := setup(t)
	for id := range int64(60) {
		f.publish(t, id+1)
	}
	if _, err := f.Read(t.Context(), "a", 50, block); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Read(t.Context(), "dead", 10, block); err != nil {
		t.Fatal(err)
	}
	// Only the last ten have been idle for a second.
	pending, err := f.client.XPendingExt(t.Context(), &redis.XPendingExtArgs{
		Stream: f.key, Group: "workers", Consumer: "dead", Start: "-", End: "+", Count: 10,
	}).Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pending {
		if err := f.client.Do(t.Context(), "XCLAIM", f.key, "workers", "dead", 0, p.ID, "IDLE", 60_000).Err(); err != nil {
			t.Fatal(err)
		}
	}
	got, err := f.Reclaim(t.Context(), "b", 30*time.Second, 2)
	if err != nil || !slices.Equal(ids(got), []int64{51, 52}) {
		t.Errorf("Reclaim = %v, %v", ids(got), err)
	}
}

func TestDeadLetterMovesTheEntry(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.publish(t, 1, 2)
	batch := f.read(t, "a")
	if err := f.DeadLetter(t.Context(), batch.Messages[0], "invalid"); err != nil {
		t.Fatal(err)
	}
	f.expect(t, stream.Figures{Pending: 1, Dead: 1})
	raw, err := f.client.XRange(t.Context(), f.key+":dead", "-", "+").Result()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"reason": "invalid", "entry": batch.Messages[0].Entry, "id": "1", "type": "record.created", "attempt": "1"}
	if diff := cmp.Diff(want, raw[0].Values); diff != "" {
		t.Error(diff)
	}
}

// TestKindsOfEventsAreNotTheStreams: a later release may have other kinds.
func TestKindsOfEventsAreNotTheStreams(t *testing.T) {
	t.Parallel()
	f := setup(t)
	values := map[string]any{"id": 1, "type": "unheard.of", "attempt": 1}
	if err := f.client.XAdd(t.Context(), &redis.XAddArgs{Stream: f.key, Values: values}).Err(); err != nil {
		t.Fatal(err)
	}
	if batch := f.read(t, "a"); batch.Undecodable != 0 || !slices.Equal(ids(batch), []int64{1}) || batch.Messages[0].Type != "unheard.of" {
		t.Errorf("the batch is %+v", batch)
	}
}

func TestUndecodableEntriesAreSetAside(t *testing.T) {
	t.Parallel()
	f := setup(t)
	for _, values := range []map[string]any{
		{"note": "no message at all"},
		{"id": "x", "type": "record.created", "attempt": 1},
		{"id": -1, "type": "record.created", "attempt": 1},
		{"id": 1, "type": "record.created"},
	} {
		if err := f.client.XAdd(t.Context(), &redis.XAddArgs{Stream: f.key, Values: values}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	f.publish(t, 6)
	batch := f.read(t, "a")
	if batch.Undecodable != 4 || !slices.Equal(ids(batch), []int64{6}) {
		t.Errorf("the batch is %+v", batch)
	}
	f.expect(t, stream.Figures{Pending: 1, Dead: 4})
	raw, err := f.client.XRange(t.Context(), f.key+":dead", "-", "+").Result()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(fmt.Sprint(raw), "no message at all") {
		t.Error("a field that is not the platform's was kept")
	}
}

func TestRedisGoneAndBackEmpty(t *testing.T) {
	t.Parallel()
	server := testkit.StartRedis(t)
	f := newFixture(t, server.URL(0), "p:")
	f.publish(t, 1)
	batch := f.read(t, "a")
	server.Kill()

	calls := map[string]func() error{
		"Publish": func() error { return f.Publish(t.Context(), []clinic.Event{{ID: 1, Type: clinic.EventRecordCreated}}) },
		"Read":    func() error { _, err := f.Read(t.Context(), "a", 1, block); return err },
		"Reclaim": func() error { _, err := f.Reclaim(t.Context(), "a", 0, 1); return err },
		"Ack":     func() error { return f.Ack(t.Context(), "1-1") },
		"Dead":    func() error { return f.DeadLetter(t.Context(), stream.Message{Entry: "1-1"}, "x") },
		"Backlog": func() error { _, err := f.Backlog(t.Context()); return err },
		"Figures": func() error { _, err := f.Figures(t.Context()); return err },
		"Remove":  func() error { _, err := f.RemoveConsumers(t.Context(), 0); return err },
	}
	for name, call := range calls {
		if got := clinic.CodeOf(call()); got != clinic.CodeUnavailable {
			t.Errorf("%s without Redis: %q, want unavailable", name, got)
		}
	}
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, call := range calls {
		if err := call(); err != nil {
			t.Errorf("%s on an empty Redis: %v", name, err)
		}
	}
	if err := f.Ack(t.Context(), entries(batch)...); err != nil {
		t.Errorf("acknowledging a lost entry: %v", err)
	}
	f.publish(t, 2)
	if got := ids(f.read(t, "a")); !slices.Contains(got, 2) {
		t.Errorf("read %v, want the events published since", got)
	}
}
