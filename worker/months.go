package worker

import (
	"context"
	"log/slog"
	"time"
)

const (
	// monthInterval is much less than the three months that are made ahead.
	monthInterval = time.Hour
	// monthTimeout is more than Postgres gives the worker's statement, which may move
	// the rows of a month.
	monthTimeout = 11 * time.Minute
)

// months makes the audit log's partitions ahead of time.
type months struct {
	chain Sealer
	log   *slog.Logger
}

// Start makes partitions until ctx ends.
func (m *months) Start(ctx context.Context) error {
	o := outage{log: m.log, what: "making the audit log's partitions"}
	every(ctx, monthInterval, &o, m.prepare)
	return nil
}

func (m *months) prepare(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, monthTimeout)
	defer cancel()
	return m.chain.PrepareMonths(ctx)
}
