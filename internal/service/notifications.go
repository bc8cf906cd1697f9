package service

import (
	"context"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
)

// Notifications are the use cases of the caller's notifications.
type Notifications struct{ db *store.DB }

// NewNotifications returns the use cases.
func NewNotifications(db *store.DB) *Notifications { return &Notifications{db: db} }

// List lists the caller's own, newest first, with texts composed under the
// caller's present rights.
func (s *Notifications) List(ctx context.Context, caller clinic.Caller, filter clinic.NotificationFilter, page clinic.PageRequest) (clinic.Page[clinic.Notification], error) {
	facts, err := s.db.As(caller).Notifications().List(ctx, filter, page)
	if err != nil {
		return clinic.Page[clinic.Notification]{}, err
	}
	composed := clinic.Page[clinic.Notification]{Total: facts.Total, AtLeast: facts.AtLeast, Next: facts.Next, Previous: facts.Previous}
	composed.Items = make([]clinic.Notification, 0, len(facts.Items))
	for _, f := range facts.Items {
		composed.Items = append(composed.Items, compose(f))
	}
	return composed, nil
}

// compose adds the text to a notification.
func compose(f store.NotificationFacts) clinic.Notification {
	f.Describe(f.Subject)
	return f.Notification
}

// MarkRead marks a notification as read and returns it; repeating it changes nothing.
func (s *Notifications) MarkRead(ctx context.Context, caller clinic.Caller, id int64) (n clinic.Notification, err error) {
	err = s.db.Audited(ctx, caller, clinic.Object{Kind: clinic.ObjectNotification, ID: id}, func(h store.Handle) error {
		facts, err := h.Notifications().MarkRead(ctx, id)
		n = compose(facts)
		return err
	})
	return n, err
}

// MarkAllRead marks all unread ones as read and returns how many there were.
func (s *Notifications) MarkAllRead(ctx context.Context, caller clinic.Caller, idem clinic.Idempotency) (n int, err error) {
	err = s.db.Tx(ctx, &caller, func(h store.Handle) error {
		n, _, err = once(ctx, h, idem, func() (int, error) { return h.Notifications().MarkAllRead(ctx) })
		return err
	})
	return n, err
}
