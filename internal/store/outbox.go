package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store/dbsqlc"
)

// Claim claims open events that are due, no more than most, by id, and sets the time of
// their next publication.
func (h Outbox) Claim(ctx context.Context, most int, retryAfter time.Duration) ([]clinic.Event, error) {
	rows, err := h.q.ClaimEvents(ctx, h.db, dbsqlc.ClaimEventsParams{
		Most: int32(most), RetrySeconds: retryAfter.Seconds(), // #nosec G115 -- a batch size
	})
	if err != nil {
		return nil, fmt.Errorf("claiming events: %w", translate(err))
	}
	events := make([]clinic.Event, 0, len(rows))
	for _, r := range rows {
		events = append(events, clinic.Event{
			ID: r.ID, Type: clinic.EventType(r.Type), CreatedAt: r.CreatedAt, Attempts: int(r.Attempts),
		})
	}
	slices.SortFunc(events, func(a, b clinic.Event) int { return cmp.Compare(a.ID, b.ID) })
	return events, nil
}

// Release undoes the claim of events that Claim returned: they
// are due now, and the attempt does not count.
func (h Outbox) Release(ctx context.Context, events []clinic.Event) error {
	var claimed dbsqlc.ReleaseEventsParams
	for _, e := range events {
		claimed.IDs = append(claimed.IDs, e.ID)
		claimed.Attempts = append(claimed.Attempts, int32(e.Attempts)) // #nosec G115 -- it comes from an integer column
	}
	if err := h.q.ReleaseEvents(ctx, h.db, claimed); err != nil {
		return fmt.Errorf("releasing events: %w", translate(err))
	}
	return nil
}

// Republish makes published events that are still open due now, and does not count their
// last publication.
func (h Outbox) Republish(ctx context.Context) (int, error) {
	n, err := h.q.RepublishEvents(ctx, h.db)
	if err != nil {
		return 0, fmt.Errorf("republishing events: %w", translate(err))
	}
	return int(n), nil
}

// Handle commits the effects of those events that are open and of a
// known kind, in one statement. It returns the events that it dropped because
// their subject no longer exists.
func (h Outbox) Handle(ctx context.Context, ids []int64) (dropped []int64, err error) {
	rows, err := h.q.HandleEvents(ctx, h.db, kindsOf(ids))
	if isForeignKeyViolation(err) { // the subject was deleted meanwhile: the next attempt sees that
		err = clinic.Unavailable(err)
	}
	if err != nil {
		return nil, fmt.Errorf("handling events: %w", translate(err))
	}
	for _, r := range rows {
		if !r.There {
			dropped = append(dropped, r.ID)
		}
	}
	return dropped, nil
}

// kindsOf adds the kinds of events and of notifications to the events.
// Each row of the latter has one kind of recipients.
func kindsOf(ids []int64) dbsqlc.HandleEventsParams {
	p := dbsqlc.HandleEventsParams{IDs: ids}
	for _, kind := range clinic.EventKinds() {
		p.EventTypes = append(p.EventTypes, string(kind.Type))
		p.EventSubjects = append(p.EventSubjects, string(kind.Subject))
	}
	for _, kind := range clinic.NotificationKinds() {
		for _, recipients := range kind.Recipients {
			p.Types = append(p.Types, string(kind.Type))
			p.TypesEvents = append(p.TypesEvents, string(kind.Event))
			p.Recipients = append(p.Recipients, string(recipients))
			p.SelfMade = append(p.SelfMade, kind.SelfMade)
		}
	}
	return p
}

// MarkDead finishes an open event as dead.
func (h Outbox) MarkDead(ctx context.Context, id int64) error {
	if err := h.q.MarkEventDead(ctx, h.db, id); err != nil {
		return fmt.Errorf("marking an event dead: %w", translate(err))
	}
	return nil
}

// CountOpen counts the open events that have taken place, and returns the age
// of the first of them.
func (h Outbox) CountOpen(ctx context.Context) (count int, oldest time.Duration, err error) {
	row, err := h.q.OpenEvents(ctx, h.db)
	if err != nil {
		return 0, 0, fmt.Errorf("counting open events: %w", translate(err))
	}
	return int(row.Count), time.Duration(row.OldestSeconds * float64(time.Second)), nil
}

// Trim deletes events finished before the instant, no more than most, and
// returns how many it deleted.
func (h Outbox) Trim(ctx context.Context, before time.Time, most int) (int, error) {
	n, err := h.q.TrimEvents(ctx, h.db, dbsqlc.TrimEventsParams{Before: before, Most: int32(most)}) // #nosec G115 -- a batch size
	if err != nil {
		return 0, fmt.Errorf("trimming events: %w", translate(err))
	}
	return int(n), nil
}

func isForeignKeyViolation(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "23503"
}
