package stream

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

const firstEntry = "0-0"

// Read returns up to count new entries for the consumer, which are pending from then on.
// It waits up to block for the first, and returns an empty Batch when none came
// (XREADGROUP). The end of ctx does not interrupt the wait, since an entry that
// is delivered at that moment would reach no consumer until it is reclaimed:
// so a stop may take as long as block. Messages may come with an error; handle
// them all the same.
func (s *Stream) Read(ctx context.Context, consumer string, count int, block time.Duration) (Batch, error) {
	args := &redis.XReadGroupArgs{
		Group: s.group, Consumer: consumer, Streams: []string{s.key, ">"}, Count: int64(count), Block: block,
	}
	streams, err := s.client.XReadGroup(ctx, args).Result()
	lost := false
	if isNoGroup(err) {
		if lost, err = s.createGroup(ctx); err != nil {
			return Batch{}, err
		}
		streams, err = s.client.XReadGroup(ctx, args).Result()
	}
	if errors.Is(err, redis.Nil) {
		return Batch{Lost: lost}, nil
	}
	if err != nil {
		return Batch{Lost: lost}, unavailable("reading the stream", err)
	}
	var entries []redis.XMessage
	for _, stream := range streams {
		entries = append(entries, stream.Messages...)
	}
	batch, err := s.batch(ctx, entries)
	batch.Lost = lost
	return batch, err
}

// Reclaim returns up to count entries for the consumer that have been pending for minIdle
// (XAUTOCLAIM): their consumer died, or could not handle them. Their idle time
// begins anew, so that no other consumer claims them as well.
func (s *Stream) Reclaim(ctx context.Context, consumer string, minIdle time.Duration, count int) (Batch, error) {
	args := &redis.XAutoClaimArgs{
		Stream: s.key, Group: s.group, Consumer: consumer, MinIdle: minIdle, Count: int64(count), Start: firstEntry,
	}
	for {
		entries, next, err := s.client.XAutoClaim(ctx, args).Result()
		if isNoGroup(err) {
			return Batch{}, nil
		}
		if err != nil {
			return Batch{}, unavailable("reclaiming entries", err)
		}
		if len(entries) > 0 || next == firstEntry {
			return s.batch(ctx, entries)
		}
		args.Start = next // each call scans a part of the pending entries
	}
}

// batch decodes entries. One that cannot be decoded goes to the dead-letter
// stream; if that fails too, it stays pending, to be reclaimed, and the error
// comes with the messages of the others.
func (s *Stream) batch(ctx context.Context, entries []redis.XMessage) (Batch, error) {
	var batch Batch
	var faults []error
	for _, entry := range entries {
		message, err := decode(entry)
		if err != nil {
			batch.Undecodable++
			faults = append(faults, s.moveToDead(ctx, entry.ID, "undecodable", entry.Values))
			continue
		}
		batch.Messages = append(batch.Messages, message)
	}
	return batch, errors.Join(faults...)
}

// Ack ends the delivery of entries and deletes them (XACK, XDEL), also when ctx
// has ended: handled entries need no second delivery.
func (s *Stream) Ack(ctx context.Context, entries ...string) error {
	if len(entries) == 0 {
		return nil
	}
	ctx, cancel := detached(ctx)
	defer cancel()
	_, err := s.client.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
		pipe.XAck(ctx, s.key, s.group, entries...)
		pipe.XDel(ctx, s.key, entries...)
		return nil
	})
	if err != nil {
		return unavailable("acknowledging entries", err)
	}
	return nil
}

// DeadLetter moves a message to the dead-letter stream, for an operator to look at,
// with the reason as a short code; also when ctx has ended.
func (s *Stream) DeadLetter(ctx context.Context, message Message, reason string) error {
	return s.moveToDead(ctx, message.Entry, reason, map[string]any{
		fieldEvent: message.EventID, fieldType: string(message.Type), fieldAttempt: message.Attempt,
	})
}

func (s *Stream) moveToDead(ctx context.Context, entry, reason string, fields map[string]any) error {
	ctx, cancel := detached(ctx)
	defer cancel()
	values := []any{"reason", reason, "entry", entry}
	for _, name := range []string{fieldEvent, fieldType, fieldAttempt} { // other fields are not the platform's
		if value, ok := fields[name]; ok {
			values = append(values, name, value)
		}
	}
	_, err := s.client.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
		pipe.XAdd(ctx, &redis.XAddArgs{Stream: s.dead, MaxLen: deadMaxLen, Approx: true, Values: values})
		pipe.XAck(ctx, s.key, s.group, entry)
		pipe.XDel(ctx, s.key, entry)
		return nil
	})
	if err != nil {
		return unavailable("moving an entry to the dead-letter stream", err)
	}
	return nil
}
