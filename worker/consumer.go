package worker

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/healthrecords/healthrecords/internal/stream"
)

// readBlock is how long a read waits for an entry, and so how long a stop may
// take when there is nothing to do.
const readBlock = 500 * time.Millisecond

// consumer handles what the stream delivers, batch by batch. Several may share a
// name.
type consumer struct {
	outbox    Outbox
	handler   *handler
	stream    *stream.Stream
	name      string
	batchSize int
	log       *slog.Logger
}

// Start consumes until ctx ends and finishes the batch in hand.
func (c *consumer) Start(ctx context.Context) error {
	o := outage{log: c.log, what: "consuming events"}
	lost := false // Redis lost its stream, and its events are not due again yet
	for ctx.Err() == nil {
		batch, err := c.stream.Read(ctx, c.name, c.batchSize, readBlock)
		if lost = lost || batch.Lost; lost {
			fault := c.republish(ctx)
			lost = fault != nil
			err = errors.Join(err, fault)
		}
		if err = errors.Join(err, c.handler.handleAll(ctx, batch)); err != nil {
			o.wait(ctx, err)
			continue
		}
		o.over(ctx)
	}
	return nil
}

// republish has the events that were in Redis published again at once.
func (c *consumer) republish(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, handleTimeout)
	defer cancel()
	events, err := c.outbox.Republish(ctx)
	if err == nil && events > 0 {
		c.log.WarnContext(ctx, "redis lost its stream; events are published again", "events", events)
	}
	return err
}
