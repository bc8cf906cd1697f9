package worker

import (
	"context"
	"log/slog"
	"time"
)

const (
	removeInterval = time.Minute
	removeLimit    = 200 // records in one transaction: each has all of its versions and comments
)

// retention removes health records for good that were deleted long ago.
type retention struct {
	cleanup Cleanup
	keep    time.Duration
	metrics *metrics
	log     *slog.Logger
}

// Start removes records every minute until ctx ends.
func (r *retention) Start(ctx context.Context) error {
	o := outage{log: r.log, what: "removing deleted records"}
	every(ctx, removeInterval, &o, r.remove)
	return nil
}

// remove logs the number only: which records they were is nobody's business any more.
func (r *retention) remove(ctx context.Context) error {
	total := 0
	defer func() {
		if total > 0 {
			r.log.InfoContext(ctx, "removed deleted records whose retention has ended", "records", total)
		}
	}()
	for ctx.Err() == nil {
		removed, err := r.removeSome(ctx)
		total += removed
		r.metrics.removed.Add(float64(removed))
		if err != nil || removed < removeLimit {
			return err
		}
	}
	return nil
}

func (r *retention) removeSome(ctx context.Context) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, trimTimeout)
	defer cancel()
	return r.cleanup.RemoveDeleted(ctx, r.keep, removeLimit)
}
