package worker

import (
	"context"
	"log/slog"
	"time"
)

const (
	trimInterval = time.Minute
	trimLimit    = 1000 // rows in one transaction
	trimTimeout  = time.Minute
)

// trimmer deletes finished events and other expired rows.
type trimmer struct {
	cleanup Cleanup
	keep    time.Duration
	log     *slog.Logger
}

// Start trims every minute until ctx ends.
func (t *trimmer) Start(ctx context.Context) error {
	o := outage{log: t.log, what: "deleting finished events"}
	every(ctx, trimInterval, &o, t.trim)
	return nil
}

func (t *trimmer) trim(ctx context.Context) error {
	for ctx.Err() == nil {
		trimmed, err := t.trimSome(ctx)
		if err != nil || trimmed < trimLimit {
			return err
		}
	}
	return nil
}

func (t *trimmer) trimSome(ctx context.Context) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, trimTimeout)
	defer cancel()
	return t.cleanup.DeleteExpired(ctx, t.keep, trimLimit)
}
