package worker

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/healthrecords/healthrecords/internal/stream"
)

// readBlock is how long a read waits for an entry. An idle consumer takes up to
// this long to stop.
const readBlock = 500 * time.Millisecond

// consumer handles the messages of the stream, batch by batch. Several consumers
// may share a name.
type consumer struct {
	outbox    Outbox
	handler   *handler
	stream    *stream.Stream
	name      string
	batchSize int
	log       *slog.Logger
}

// Start consumes until ctx ends, and finishes the current batch.
func (c *consumer) Start(ctx context.Context) error {
	o := outage{log: c.log, what: "consuming events"}
	lost := false // Redis lost its stream, and the events have not been republished yet
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

// republish makes the events that were in Redis due at once.
func (c *consumer) republish(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, handleTimeout)
	defer cancel()
	events, err := c.outbox.Republish(ctx)
	if err == nil && events > 0 {
		c.log.WarnContext(ctx, "redis lost its stream; its events are published again", "events", events)
	}
	return err
}
