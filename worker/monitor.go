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
	sealPatience    = time.Minute     // age of an unsealed row at which people should know
)

// monitor measures the outbox, the stream and the sealing. Every worker reports
// the same figures; take the maximum.
type monitor struct {
	outbox  Outbox
	stream  *stream.Stream
	chain   Sealer // nil: the audit log is not sealed here
	metrics *metrics
	log     *slog.Logger
	waits   bool // it was logged that sealing waits
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
	open, oldest, err := m.outbox.CountOpen(ctx)
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
	if err != nil {
		return err
	}
	return m.logWaiting(ctx, oldest)
}

// logWaiting logs when sealing falls behind and when it goes on. What holds it back
// without an error is a transaction that stays open, most likely the oldest.
func (m *monitor) logWaiting(ctx context.Context, oldest time.Duration) error {
	waits := oldest > sealPatience
	if waits == m.waits {
		return nil
	}
	if !waits {
		m.log.InfoContext(ctx, "the audit log is sealed again")
	} else {
		holder, err := m.chain.OldestTransaction(ctx)
		if err != nil {
			return err
		}
		m.log.WarnContext(ctx, "rows of the audit log wait to be sealed; a transaction that stays open holds that back",
			"age", oldest.Round(time.Second), "oldest_transaction", holder)
	}
	m.waits = waits
	return nil
}
