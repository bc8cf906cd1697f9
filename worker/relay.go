package worker

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/stream"
)

// relay publishes the open events of the outbox. Several relays may run: only one
// of them claims an event at a time.
type relay struct {
	outbox       Outbox
	stream       *stream.Stream
	metrics      *metrics
	tracer       trace.Tracer
	log          *slog.Logger
	batchSize    int
	maxBacklog   int
	pollInterval time.Duration
	retryAfter   time.Duration
}

func newRelay(options Options, m *metrics) *relay {
	return &relay{
		outbox: options.Outbox, stream: options.Stream, metrics: m, tracer: options.Tracer.Tracer(tracerName), log: options.Log,
		batchSize: options.BatchSize, maxBacklog: options.MaxBacklog, pollInterval: options.PollInterval, retryAfter: options.RetryAfter,
	}
}

// Start publishes until ctx ends.
func (r *relay) Start(ctx context.Context) error {
	o := outage{log: r.log, what: "publishing events"}
	for ctx.Err() == nil {
		published, err := r.publish(ctx)
		if err != nil {
			o.wait(ctx, err)
			continue
		}
		o.over(ctx)
		if published < r.batchSize {
			pause(ctx, r.pollInterval)
		}
	}
	return nil
}

// publish publishes one batch from the outbox to the stream. An event uses up an
// attempt only if it could be published. Therefore publish checks the stream first,
// and claims nothing while Redis is not available or full. If Redis answers but
// refuses writes (it is a replica, or out of memory), publish releases the claim.
func (r *relay) publish(ctx context.Context) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, handleTimeout)
	defer cancel()
	backlog, err := r.stream.Backlog(ctx)
	if err != nil {
		return 0, err
	}
	room := min(r.batchSize, r.maxBacklog-int(backlog))
	if room <= 0 {
		return 0, nil
	}
	events, err := r.outbox.Claim(ctx, room, r.retryAfter)
	if err != nil || len(events) == 0 {
		return 0, err
	}
	ctx, span := r.tracer.Start(context.WithoutCancel(ctx), "publish events", trace.WithSpanKind(trace.SpanKindProducer),
		trace.WithAttributes(attribute.Int("messaging.batch.message_count", len(events))))
	defer span.End()
	if err := r.stream.Publish(ctx, events); err != nil {
		span.SetStatus(codes.Error, string(clinic.CodeOf(err)))
		return 0, errors.Join(err, r.release(ctx, events))
	}
	for _, event := range events {
		r.metrics.published.WithLabelValues(typeOf(event.Type)).Inc()
	}
	return len(events), nil
}

func (r *relay) release(ctx context.Context, events []clinic.Event) error {
	ctx, cancel := context.WithTimeout(ctx, handleTimeout)
	defer cancel()
	return r.outbox.Release(ctx, events)
}
