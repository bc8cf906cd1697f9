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
	// handleTimeout bounds the work on one batch, and with it a stop.
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

// handleAll handles a batch and acknowledges what needs no further delivery. It
// finishes although ctx ends. Its error says that something has been left
// pending, so that the caller slows down.
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
		h.metrics.handled.WithLabelValues(typeOf(message), string(results[i].outcome)).Inc()
		if results[i].outcome == pending {
			fault = results[i].err // one stands for all: they share a cause
			continue
		}
		settled = append(settled, message.Entry)
	}
	return errors.Join(fault, h.stream.Ack(ctx, settled...))
}

// handleTogether commits the effects of all messages in one transaction, which
// is many times faster than one each. It is not ok when one of them fails.
func (h *handler) handleTogether(ctx context.Context, messages []stream.Message) (results []result, ok bool) {
	ids := make([]int64, len(messages))
	for i, message := range messages {
		ids[i] = message.EventID
	}
	ctx, span := h.tracer.Start(ctx, "handle events", trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithAttributes(attribute.Int64Slice("event.ids", ids)))
	defer span.End()
	subjectless, err := h.effects(ctx, ids)
	if clinic.CodeOf(err) == clinic.CodeUnavailable { // perhaps only a row that was deleted at that moment
		subjectless, err = h.effects(ctx, ids)
	}
	if err != nil {
		span.SetStatus(codes.Error, string(clinic.CodeOf(err)))
		if clinic.CodeOf(err) == clinic.CodeUnavailable {
			return slices.Repeat([]result{{pending, err}}, len(messages)), true
		}
		return nil, false
	}
	for _, id := range ids {
		r := result{outcome: done}
		if slices.Contains(subjectless, id) {
			r.outcome = dropped
		}
		results = append(results, r)
	}
	return results, true
}

// handleEach handles the messages one by one, so that those that fail do not
// hold up the others.
func (h *handler) handleEach(ctx context.Context, messages []stream.Message) []result {
	results := make([]result, len(messages))
	for i, message := range messages {
		if i > 0 && results[i-1].outcome == pending {
			results[i] = results[i-1] // nor would this one find the database
			continue
		}
		results[i] = h.handle(ctx, message)
	}
	return results
}

// handle handles one message by itself.
func (h *handler) handle(ctx context.Context, message stream.Message) result {
	ctx, span := h.tracer.Start(ctx, "handle event", trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(
		attribute.Int64("event.id", message.EventID), attribute.String("event.type", typeOf(message)),
		attribute.Int("event.attempt", message.Attempt)))
	defer span.End()
	subjectless, err := h.effects(ctx, []int64{message.EventID})
	if len(subjectless) > 0 {
		return result{outcome: dropped}
	}
	r := result{outcomeOf(err, message.Attempt, h.maxAttempts), err}
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

// effects asks the service for the events' effects, and returns those whose subject is gone. A panic is an internal
// error of these events alone; what it says may hold data and is not kept.
func (h *handler) effects(ctx context.Context, ids []int64) (subjectless []int64, err error) {
	defer func() {
		if recover() != nil {
			h.log.ErrorContext(ctx, "handling events panicked", "event_ids", ids, "stack", string(debug.Stack()))
			err = clinic.Internal(errPanicked)
		}
	}()
	return h.outbox.Handle(ctx, ids)
}

// markDead finishes a dead event in the outbox and shows it in the dead-letter
// stream. The outbox is what counts: without Redis the event is no less dead.
func (h *handler) markDead(ctx context.Context, message stream.Message, reason clinic.Code) error {
	if err := h.outbox.MarkDead(ctx, message.EventID); err != nil {
		return err
	}
	if err := h.stream.DeadLetter(ctx, message, string(reason)); err != nil {
		h.log.WarnContext(ctx, "a dead event is not in the dead-letter stream", "event_id", message.EventID, "error", err)
	}
	return nil
}

// logUnhandled logs a message that needs another try or a person. The loop logs
// an outage, once.
func (h *handler) logUnhandled(ctx context.Context, message stream.Message, r result) {
	level := slog.LevelWarn
	switch r.outcome {
	case done, dropped, pending:
		return
	case dead:
		level = slog.LevelError
	case retry:
	}
	h.log.Log(ctx, level, "event not handled", "event_id", message.EventID, "event_type", typeOf(message),
		"attempt", message.Attempt, "outcome", string(r.outcome), "code", string(clinic.CodeOf(r.err)))
}

// typeOf is the type of the message's event, for metrics and logs: "other" for what
// this release does not know. The entry's own text may be anything.
func typeOf(message stream.Message) string {
	if !message.Type.Known() {
		return "other"
	}
	return string(message.Type)
}
