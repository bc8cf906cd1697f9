package service

import (
	"context"
	"errors"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// keyLifetime is how long an idempotency key is kept.
const keyLifetime = 24 * time.Hour

// ClaimEvents takes up to limit open events that are due for publication and
// sets their next publication to retryAfter from now (doubling with each
// attempt, up to ten minutes), so that what is not finished by then is
// published again, by whichever relay.
func (s *Service) ClaimEvents(ctx context.Context, limit int, retryAfter time.Duration) ([]clinic.Event, error) {
	return s.db.System().ClaimEvents(ctx, limit, retryAfter)
}

// ReleaseEvents takes back a claim of which nothing could be published: the
// events are due now, and the attempt does not count.
func (s *Service) ReleaseEvents(ctx context.Context, events []clinic.Event) error {
	return s.db.System().ReleaseEvents(ctx, events)
}

// HastenEvents makes all open events that wait for another publication due now
// and says how many there are: for when their last one was lost, which does not
// count as an attempt.
func (s *Service) HastenEvents(ctx context.Context) (int, error) {
	return s.db.System().HastenEvents(ctx)
}

// HandleEvent commits the effect of an event, once, however often it is
// called: its notifications and the end of the outbox row are one transaction.
// A finished or trimmed event is nil; an event whose subject is gone is
// CodeNotFound, and its row is finished as dropped. An assignment that is to
// begin later is nil too, and its event stays open until then.
func (s *Service) HandleEvent(ctx context.Context, id int64) error {
	dropped, err := s.HandleEvents(ctx, []int64{id})
	if err == nil && len(dropped) > 0 {
		return clinic.NotFound("subject of the event")
	}
	return err
}

// HandleEvents is HandleEvent for many events in one transaction: all of their
// effects are committed, or none. It returns the events that were dropped.
func (s *Service) HandleEvents(ctx context.Context, ids []int64) (dropped []int64, err error) {
	return s.db.System().HandleEvents(ctx, ids)
}

// BuryEvent finishes an event as dead, for a person to look at.
func (s *Service) BuryEvent(ctx context.Context, id int64) error {
	return s.db.System().BuryEvent(ctx, id)
}

// OpenEvents counts the unfinished events and gives the age of the oldest; for
// metrics. An event of the future, the start of an assignment, is none yet.
func (s *Service) OpenEvents(ctx context.Context) (count int, oldest time.Duration, err error) {
	return s.db.System().OpenEvents(ctx)
}

// TrimEvents deletes events finished before the given age, idempotency keys
// older than a day and expired sessions, up to limit rows each, and says how
// many rows went.
func (s *Service) TrimEvents(ctx context.Context, age time.Duration, limit int) (int, error) {
	h, now := s.db.System(), time.Now()
	events, errEvents := h.TrimEvents(ctx, now.Add(-age), limit)
	keys, errKeys := h.TrimIdempotencyKeys(ctx, now.Add(-keyLifetime), limit)
	sessions, errSessions := h.TrimSessions(ctx, limit)
	return events + keys + sessions, errors.Join(errEvents, errKeys, errSessions)
}
