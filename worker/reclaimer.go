package worker

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/healthrecords/healthrecords/internal/stream"
)

// A consumer counts as gone after this many times the idle time of an entry
// without activity.
const goneAfter = 10

// reclaimer handles entries that have been pending for too long, because their
// consumer died or could not handle them, and removes dead consumers.
type reclaimer struct {
	handler   *handler
	stream    *stream.Stream
	name      string
	batchSize int
	minIdle   time.Duration
	log       *slog.Logger
}

// Start reclaims several times per idle time until ctx ends.
func (r *reclaimer) Start(ctx context.Context) error {
	o := outage{log: r.log, what: "reclaiming events"}
	every(ctx, r.minIdle/4, &o, r.reclaim)
	return nil
}

func (r *reclaimer) reclaim(ctx context.Context) error {
	for ctx.Err() == nil {
		batch, err := r.stream.Reclaim(ctx, r.name, r.minIdle, r.batchSize)
		if err = errors.Join(err, r.handler.handleAll(ctx, batch)); err != nil {
			return err
		}
		if len(batch.Messages) == 0 {
			break
		}
	}
	_, err := r.stream.RemoveConsumers(ctx, goneAfter*r.minIdle)
	return err
}
