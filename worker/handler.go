package worker

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/stream"
)

const (
	tracerName = "github.com/healthrecords/healthrecords/worker"
	// handleTimeout limits the work on one batch, and so the time that a stop takes.
	handleTimeout = 15 * time.Second
)

var errPanicked = errors.New("the handler panicked")

// handler handles deliveries for the consumers and the reclaimer.
type handler struct {
	outbox      Outbox
	stream      *stream.Stream
	metrics     *metrics
	tracer      trace.Tracer
	log         *slog.Logger
	maxAttempts int
}

func newHandler(options Options, m *metrics) *handler {
	return &handler{
		outbox: options.Outbox, stream: options.Stream, metrics: m, tracer: options.Tracer.Tracer(tracerName), log: options.Log,
		maxAttempts: options.MaxAttempts,
	}
}

// handleAll handles a batch and acknowledges every message that needs no further
// delivery. It finishes the batch even if ctx ends. An error means that messages
// are still pending, and that the caller should slow down.
func (h *handler) handleAll(ctx context.Context, batch stream.Batch) error {
	h.metrics.undecodable.Add(float64(batch.Undecodable))
	if len(batch.Messages) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), handleTimeout)
	defer cancel()
	began := time.Now()
	results, ok := h.handleTogether(ctx, batch.Messages)
	if !ok {
		results = h.handleEach(ctx, batch.Messages)
	}
	h.metrics.duration.Observe(time.Since(began).Seconds())

	var settled []string
	var fault error
	for i, message := range batch.Messages {
		h.metrics.handled.WithLabelValues(typeOf(message.Type), string(results[i].outcome)).Inc()
		if results[i].outcome == pending {
			fault = results[i].err // all pending results have the same cause
			continue
		}
		settled = append(settled, message.Entry)
	}
	return errors.Join(fault, h.stream.Ack(ctx, settled...))
}

// handleTogether commits the effects of all messages in one transaction, which
// is many times faster than one transaction for each. If one of them fails, ok is
// false and nothing is committed.
func (h *handler) handleTogether(ctx context.Context, messages []stream.Message) (results []result, ok bool) {
	ids := make([]int64, len(messages))
	for i, message := range messages {
		ids[i] = message.EventID
	}
	ctx, span := h.tracer.Start(ctx, "handle events", trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithAttributes(attribute.Int64Slice("event.ids", ids)))
	defer span.End()
	subjectless, err := h.effects(ctx, ids)
	if clinic.CodeOf(err) == clinic.CodeUnavailable { // the cause may be a row that was deleted at the same moment: try once more
		subjectless, err = h.effects(ctx, ids)
	}
	if err != nil {
		span.SetStatus(codes.Error, string(clinic.CodeOf(err)))
		if clinic.CodeOf(err) == clinic.CodeUnavailable {
			return slices.Repeat([]result{{pending, err}}, len(messages)), true
		}
		return nil, false
	}
	for _, message := range messages {
		r := result{outcome: done}
		switch {
		case !message.Type.Known(): // still open
			r.outcome = retry
		case slices.Contains(subjectless, message.EventID):
			r.outcome = dropped
		}
		results = append(results, r)
	}
	return results, true
}

// handleEach handles the messages one by one, so that a failing message does not
// delay the others.
func (h *handler) handleEach(ctx context.Context, messages []stream.Message) []result {
	results := make([]result, len(messages))
	for i, message := range messages {
		if i > 0 && results[i-1].outcome == pending {
			results[i] = results[i-1] // the database is not available for this message either
			continue
		}
		results[i] = h.handle(ctx, message)
	}
	return results
}

// handle handles one message in its own transaction.
func (h *handler) handle(ctx context.Context, message stream.Message) result {
	ctx, span := h.tracer.Start(ctx, "handle event", trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(
		attribute.Int64("event.id", message.EventID), attribute.String("event.type", typeOf(message.Type)),
		attribute.Int("event.attempt", message.Attempt)))
	defer span.End()
	subjectless, err := h.effects(ctx, []int64{message.EventID})
	if len(subjectless) > 0 {
		return result{outcome: dropped}
	}
	r := result{outcomeOf(err, message.Attempt, h.maxAttempts), err}
	if !message.Type.Known() && r.outcome != pending { // still open, and never dead: a later release can handle it
		r.outcome = retry
	}
	if r.outcome == dead {
		if err := h.markDead(ctx, message, clinic.CodeOf(r.err)); err != nil {
			r = result{pending, err}
		}
	}
	span.SetAttributes(attribute.String("outcome", string(r.outcome)))
	if r.err != nil {
		span.SetStatus(codes.Error, string(clinic.CodeOf(r.err)))
	}
	h.logUnhandled(ctx, message, r)
	return r
}

// effects lets the service commit the effects of the events, and returns the events whose subject no longer exists. A
// panic becomes an internal error of these events only. Its text may quote data and is not logged.
func (h *handler) effects(ctx context.Context, ids []int64) (subjectless []int64, err error) {
	defer func() {
		if recover() != nil {
			h.log.ErrorContext(ctx, "handling events panicked", "event_ids", ids, "stack", string(debug.Stack()))
			err = clinic.Internal(errPanicked)
		}
	}()
	return h.outbox.Handle(ctx, ids)
}

// markDead finishes an event in the outbox and adds it to the dead-letter
// stream. Only the outbox decides: the event is dead even if Redis is not available.
func (h *handler) markDead(ctx context.Context, message stream.Message, reason clinic.Code) error {
	if err := h.outbox.MarkDead(ctx, message.EventID); err != nil {
		return err
	}
	if err := h.stream.DeadLetter(ctx, message, string(reason)); err != nil {
		h.log.WarnContext(ctx, "a dead event could not be added to the dead-letter stream", "event_id", message.EventID, "error", err)
	}
	return nil
}

// logUnhandled logs a message that needs another try, or a person's attention. It
// logs no outage, which the loop logs once.
func (h *handler) logUnhandled(ctx context.Context, message stream.Message, r result) {
	level := slog.LevelWarn
	switch r.outcome {
	case done, dropped, pending:
		return
	case dead:
		level = slog.LevelError
	case retry:
	}
	h.log.Log(ctx, level, "event not handled", "event_id", message.EventID, "event_type", typeOf(message.Type),
		"attempt", message.Attempt, "outcome", string(r.outcome), "code", string(clinic.CodeOf(r.err)))
}

// typeOf returns the type of the message's event for metrics and logs. A type that
// this release does not know becomes "other", because its text may be anything.
func typeOf(event clinic.EventType) string {
	if !event.Known() {
		return "other"
	}
	return string(event)
}
