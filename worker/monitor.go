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
	measureTimeout  = 5 * time.Second // for each of the measurements
	sealPatience    = time.Minute     // age of an unsealed row from which a warning is logged
)

// monitor measures the outbox, the stream, the sealing and the search index. Every worker reports
// the same figures, so queries use their maximum.
type monitor struct {
	outbox  Outbox
	stream  *stream.Stream
	chain   Sealer      // nil: this worker does not seal the audit log
	search  SearchIndex // nil: this worker does not index records
	metrics *metrics
	log     *slog.Logger
	waits   bool // the warning has been logged
}

// Start measures until ctx ends.
func (m *monitor) Start(ctx context.Context) error {
	o := outage{log: m.log, what: "measuring the backlog"}
	every(ctx, monitorInterval, &o, m.measure)
	return nil
}

func (m *monitor) measure(ctx context.Context) error {
	return errors.Join(m.measureOutbox(ctx), m.measureStream(ctx), m.measureSealing(ctx), m.measureSearch(ctx))
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

func (m *monitor) measureSearch(ctx context.Context) error {
	if m.search == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, measureTimeout)
	defer cancel()
	state, err := m.search.State(ctx)
	m.metrics.unindexed.show(float64(state.Pending), err)
	m.metrics.oldestUnindexed.show(state.Oldest.Seconds(), err)
	m.metrics.reindexProgress.show(state.Progress(), err)
	return err
}

// logWaiting logs when sealing falls behind, and when it has caught up. If sealing
// falls behind without an error, the cause is an open transaction, most likely the
// oldest.
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
		m.log.WarnContext(ctx, "sealing the audit log is delayed by an open transaction",
			"age", oldest.Round(time.Second), "oldest_transaction", holder)
	}
	m.waits = waits
	return nil
}
