package service

import (
	"context"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
)

// Outbox has the use cases of events on their way to the worker and to notifications.
type Outbox struct{ db *store.DB }

// NewOutbox returns the use cases.
func NewOutbox(db *store.DB) *Outbox { return &Outbox{db: db} }

// Claim claims up to limit open events that are due for publication and
// sets their next publication to retryAfter from now (doubling with each
// attempt, up to ten minutes). Any relay publishes events again that are not finished by
// then.
func (s *Outbox) Claim(ctx context.Context, limit int, retryAfter time.Duration) ([]clinic.Event, error) {
	return s.db.System().Outbox().Claim(ctx, limit, retryAfter)
}

// Release undoes a claim of events that could not be published: the
// events are due now, and the attempt does not count.
func (s *Outbox) Release(ctx context.Context, events []clinic.Event) error {
	return s.db.System().Outbox().Release(ctx, events)
}

// Republish makes all open events that wait for another publication due now
// and returns how many there are. It is for the loss of their last publication, which does not
// count as an attempt.
func (s *Outbox) Republish(ctx context.Context) (int, error) {
	return s.db.System().Outbox().Republish(ctx)
}

// Handle commits the effects of events in one transaction: all of them, or none.
// Each takes effect once, however often it is handled: its notifications and the
// end of its outbox row are committed together. Finished and trimmed events are skipped. An
// event whose subject no longer exists is finished as dropped, and returned. The event of an
// assignment that begins later stays open until then.
func (s *Outbox) Handle(ctx context.Context, ids []int64) (dropped []int64, err error) {
	return s.db.System().Outbox().Handle(ctx, ids)
}

// MarkDead finishes an event as dead, for an operator to look at.
func (s *Outbox) MarkDead(ctx context.Context, id int64) error {
	return s.db.System().Outbox().MarkDead(ctx, id)
}

// CountOpen counts the unfinished events and gives the age of the oldest; for
// metrics. It does not count events of the future, the starts of assignments.
func (s *Outbox) CountOpen(ctx context.Context) (count int, oldest time.Duration, err error) {
	return s.db.System().Outbox().CountOpen(ctx)
}
