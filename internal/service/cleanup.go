package service

import (
	"context"
	"errors"
	"time"

	"github.com/healthrecords/healthrecords/internal/store"
)

// keyLifetime is how long an idempotency key is kept.
const keyLifetime = 24 * time.Hour

// Cleanup deletes rows that are no longer needed.
type Cleanup struct{ db *store.DB }

// NewCleanup returns the use case.
func NewCleanup(db *store.DB) *Cleanup { return &Cleanup{db: db} }

// DeleteExpired deletes events finished before the given age, idempotency keys
// older than a day, and expired sessions and reset codes, up to limit rows each, and returns how
// many rows it deleted.
func (s *Cleanup) DeleteExpired(ctx context.Context, age time.Duration, limit int) (int, error) {
	h := s.db.System()
	now, err := h.Now(ctx)
	if err != nil {
		return 0, err
	}
	events, errEvents := h.Outbox().Trim(ctx, now.Add(-age), limit)
	keys, errKeys := h.IdempotencyKeys().Trim(ctx, now.Add(-keyLifetime), limit)
	sessions, errSessions := h.Sessions().Trim(ctx, limit)
	codes, errCodes := h.Resets().Trim(ctx, limit)
	return events + keys + sessions + codes, errors.Join(errEvents, errKeys, errSessions, errCodes)
}

// RemoveDeleted removes health records for good that were deleted before the given age, up to limit of them, with their
// versions and comments, and returns how many. Those of patients under a legal hold stay.
func (s *Cleanup) RemoveDeleted(ctx context.Context, age time.Duration, limit int) (int, error) {
	h := s.db.System()
	now, err := h.Now(ctx)
	if err != nil {
		return 0, err
	}
	return h.Records().RemoveDeleted(ctx, now.Add(-age), limit)
}
