package worker

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/healthrecords/healthrecords/internal/stream"
)

const monitorInterval = 5 * time.Second

// monitor measures the outbox and the stream. Every worker reports the same
// figures; take the maximum.
type monitor struct {
	service Service
	stream  *stream.Stream
	metrics *metrics
	log     *slog.Logger
}

// Start measures until ctx ends.
func (m *monitor) Start(ctx context.Context) error {
	o := outage{log: m.log, what: "measuring the backlog"}
	every(ctx, monitorInterval, &o, m.measure)
	return nil
}

func (m *monitor) measure(ctx context.Context) error {
	open, oldest, outboxErr := m.service.OpenEvents(ctx)
	if outboxErr == nil {
		m.metrics.open.Set(float64(open))
		m.metrics.oldest.Set(oldest.Seconds())
	}
	figures, streamErr := m.stream.Figures(ctx)
	if streamErr == nil {
		m.metrics.waiting.Set(float64(figures.Waiting))
		m.metrics.pending.Set(float64(figures.Pending))
		m.metrics.dead.Set(float64(figures.Dead))
	}
	return errors.Join(outboxErr, streamErr)
}
