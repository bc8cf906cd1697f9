package worker

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/healthrecords/healthrecords/internal/stream"
)

const (
	monitorInterval = 5 * time.Second
	measureTimeout  = 5 * time.Second // for each of the three
)

// monitor measures the outbox, the stream and the sealing. Every worker reports
// the same figures; take the maximum.
type monitor struct {
	service Service
	stream  *stream.Stream
	chain   Sealer // nil: the audit log is not sealed here
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
	return errors.Join(m.measureOutbox(ctx), m.measureStream(ctx), m.measureSealing(ctx))
}

func (m *monitor) measureOutbox(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, measureTimeout)
	defer cancel()
	open, oldest, err := m.service.OpenEvents(ctx)
	m.metrics.open.show(float64(open), err)
	m.metrics.oldest.show(oldest.Seconds(), err)
	return err
}

func (m *monitor) measureStream(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, measureTimeout)
	defer cancel()
	figures, err := m.stream.Figures(ctx)
	m.metrics.waiting.show(float64(figures.Waiting), err)
	m.metrics.pending.show(float64(figures.Pending), err)
	m.metrics.dead.show(float64(figures.Dead), err)
	return err
}

func (m *monitor) measureSealing(ctx context.Context) error {
	if m.chain == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, measureTimeout)
	defer cancel()
	oldest, err := m.chain.Unsealed(ctx)
	m.metrics.unsealed.show(oldest.Seconds(), err)
	return err
}
