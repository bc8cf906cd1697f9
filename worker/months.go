package worker

import (
	"context"
	"log/slog"
	"time"
)

const (
	// monthInterval is much shorter than the three months for which partitions exist in advance.
	monthInterval = time.Hour
	// monthTimeout is longer than the worker's statement timeout in Postgres: the
	// statement may move the rows of a month.
	monthTimeout = 11 * time.Minute
)

// months creates the partitions of the audit log in advance.
type months struct {
	chain Sealer
	log   *slog.Logger
}

// Start creates partitions until ctx ends.
func (m *months) Start(ctx context.Context) error {
	o := outage{log: m.log, what: "creating the audit log's partitions"}
	every(ctx, monthInterval, &o, m.prepare)
	return nil
}

func (m *months) prepare(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, monthTimeout)
	defer cancel()
	return m.chain.PrepareMonths(ctx)
}
