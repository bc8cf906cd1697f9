package stream

import (
	"context"

	"github.com/redis/go-redis/v9"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// Publish appends the events in one pipeline (XADD). After an error any of them
// may have been appended; publishing all of them again is harmless. The stream
// grows while nobody reads it: check its Backlog before.
func (s *Stream) Publish(ctx context.Context, events []clinic.Event) error {
	pipe := s.client.Pipeline()
	for _, event := range events {
		pipe.XAdd(ctx, &redis.XAddArgs{Stream: s.key, Values: encode(event)})
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return unavailable("publishing events", err)
	}
	return nil
}
