package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/stream"
)

const canary = "canary-7f3a"

func TestDecide(t *testing.T) {
	t.Parallel()
	cause := errors.New(canary)
	tests := []struct {
		name        string
		err         error
		first, last outcome // at the first attempt, and at the last allowed
	}{
		{"no error", nil, done, done},
		{"not found", clinic.NotFound("record"), dropped, dropped},
		{"unavailable", clinic.Unavailable(cause), pending, pending},
		{"invalid", clinic.Invalid("type", "unknown"), dead, dead},
		{"conflict", clinic.Conflict("x", "y"), retry, dead},
		{"internal", clinic.Internal(cause), retry, dead},
		{"an error of no code", cause, retry, dead},
		{"forbidden", clinic.Forbidden("x"), retry, dead},
	}
	for _, test := range tests {
		if got := outcomeOf(test.err, 1, 3); got != test.first {
			t.Errorf("%s at first: %s, want %s", test.name, got, test.first)
		}
		if got := outcomeOf(test.err, 3, 3); got != test.last {
			t.Errorf("%s at last: %s, want %s", test.name, got, test.last)
		}
	}
}

// handled runs one delivery of an event through a handler.
func handled(t *testing.T, f fixture, attempt int) error {
	t.Helper()
	m, err := newMetrics(f.registry)
	if err != nil {
		t.Fatal(err)
	}
	f.options.setDefaults()
	event := clinic.Event{ID: 42, Type: clinic.EventRecordCreated, Attempts: attempt}
	if err := f.stream.Publish(t.Context(), []clinic.Event{event}); err != nil {
		t.Fatal(err)
	}
	batch, err := f.stream.Read(t.Context(), "a", f.options.BatchSize, readBlock)
	if err != nil {
		t.Fatal(err)
	}
	return newHandler(f.options, m).handleAll(t.Context(), batch)
}

func TestOutcomesOfADelivery(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		err     error
		panics  bool
		attempt int
		outcome outcome
		left    stream.Figures
	}{
		{name: "done", outcome: done},
		{name: "dropped", err: clinic.NotFound("record"), outcome: dropped},
		{name: "retry", err: clinic.Internal(errors.New(canary)), outcome: retry},
		{name: "retry without a code", err: errors.New(canary), outcome: retry},
		{name: "retry after a panic", panics: true, outcome: retry},
		{name: "dead after the last attempt", err: clinic.Internal(errors.New(canary)), attempt: 3, outcome: dead, left: stream.Figures{Dead: 1}},
		{name: "dead at once", err: clinic.Invalid("id", "x"), outcome: dead, left: stream.Figures{Dead: 1}},
		{name: "pending", err: clinic.Unavailable(errors.New(canary)), outcome: pending, left: stream.Figures{Pending: 1}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			spans := tracetest.NewSpanRecorder()
			f.options.Tracer = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
			f.outbox.handle = func(context.Context, int64) error {
				if test.panics {
					panic(canary)
				}
				return test.err
			}
			err := handled(t, f, max(1, test.attempt))
			if left := test.left.Pending > 0; left != (err != nil) {
				t.Errorf("the error is %v, though left pending is %v", err, left)
			}
			if got := f.figures(t); got != test.left {
				t.Errorf("left are %+v, want %+v", got, test.left)
			}
			if got := slices.Equal(f.outbox.dead, []int64{42}); got != (test.outcome == dead) {
				t.Errorf("dead are %v", f.outbox.dead)
			}
			expected := `
				# HELP healthrecords_worker_events_handled_total Deliveries of events by outcome: done, dropped, dead, retry, pending.
				# TYPE healthrecords_worker_events_handled_total counter
				healthrecords_worker_events_handled_total{outcome="` + string(test.outcome) + `",type="record.created"} 1
				`
			if err := testutil.GatherAndCompare(f.registry, strings.NewReader(expected), "healthrecords_worker_events_handled_total"); err != nil {
				t.Error(err)
			}
			if text := fmt.Sprint(tracetest.SpanStubsFromReadOnlySpans(spans.Ended())); !strings.Contains(text, "handle events") ||
				strings.Contains(text+f.log.String(), canary) {
				t.Errorf("spans %s, log %s", text, f.log)
			}
		})
	}
}

// Nobody handles an event of a kind that this release does not know. It is still open, so its delivery is not done;
// and it is never dead, because a later release can handle it.
func TestEventOfAnUnknownKindIsNeitherDoneNorDead(t *testing.T) {
	t.Parallel()
	for name, effect := range map[string]error{"handled with others": nil, "handled by itself": clinic.Internal(errors.New(canary))} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			f.options.setDefaults()
			m, err := newMetrics(f.registry)
			if err != nil {
				t.Fatal(err)
			}
			f.outbox.handle = func(context.Context, int64) error { return effect }
			f.outbox.due = []clinic.Event{{ID: 42, Type: "unheard.of", Attempts: f.options.MaxAttempts + 1}}
			if _, err := newRelay(f.options, m).publish(t.Context()); err != nil {
				t.Fatal(err)
			}
			batch, err := f.stream.Read(t.Context(), "a", f.options.BatchSize, readBlock)
			if err != nil {
				t.Fatal(err)
			}
			if err := newHandler(f.options, m).handleAll(t.Context(), batch); err != nil {
				t.Fatal(err)
			}
			if got := f.figures(t); got != (stream.Figures{}) || len(f.outbox.dead) > 0 {
				t.Errorf("left are %+v, dead are %v", got, f.outbox.dead)
			}
			if got := testutil.ToFloat64(m.handled.WithLabelValues("other", string(retry))); got != 1 {
				t.Errorf("%v deliveries of type other are to be retried, want 1", got)
			}
			if got := testutil.ToFloat64(m.published.WithLabelValues("other")); got != 1 {
				t.Errorf("%v events of type other are published, want 1", got)
			}
		})
	}
}

// If the outbox cannot be updated, the event stays pending.
func TestWhatCannotBeBuriedStaysPending(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.outbox.handle = func(context.Context, int64) error { return clinic.Invalid("id", "x") }
	f.options.Outbox = undying{f.outbox}
	if err := handled(t, f, 1); clinic.CodeOf(err) != clinic.CodeUnavailable {
		t.Errorf("error = %v, want unavailable", err)
	}
	if got := f.figures(t); got != (stream.Figures{Pending: 1}) {
		t.Errorf("left are %+v", got)
	}
}

type undying struct{ *fakeOutbox }

func (undying) MarkDead(context.Context, int64) error {
	return clinic.Unavailable(errors.New("gone"))
}

// A failing event does not delay the events that are delivered with it.
func TestFailingEventIsHandledByItself(t *testing.T) {
	t.Parallel()
	f := setup(t)
	var effects []int64
	f.outbox.handle = func(_ context.Context, id int64) error {
		if id == 41 {
			return clinic.Invalid("id", "x")
		}
		effects = append(effects, id)
		return nil
	}
	f.publish(t, 40, 41)
	f.options.BatchSize = 3
	if err := handled(t, f, 1); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(f.outbox.dead, []int64{41}) || !slices.Equal(effects, []int64{40, 40, 42}) { // first, 40 was in the failed batch
		t.Errorf("dead %v, effects %v", f.outbox.dead, effects)
	}
	if got := f.figures(t); got != (stream.Figures{Dead: 1}) {
		t.Errorf("left are %+v", got)
	}
}

// While the database is not available, it is not called for each event of a batch.
func TestOutageInTheMiddleOfABatch(t *testing.T) {
	t.Parallel()
	f := setup(t)
	asked := 0
	f.outbox.handle = func(_ context.Context, _ int64) error {
		if asked++; asked == 1 {
			return clinic.Internal(errors.New(canary))
		}
		return clinic.Unavailable(errors.New(canary))
	}
	f.publish(t, 40, 41)
	f.options.BatchSize = 3
	if err := handled(t, f, 1); clinic.CodeOf(err) != clinic.CodeUnavailable {
		t.Errorf("error = %v, want unavailable", err)
	}
	if got := f.figures(t); asked != 2 || got != (stream.Figures{Pending: 3}) {
		t.Errorf("asked %d times, left are %+v", asked, got)
	}
}
