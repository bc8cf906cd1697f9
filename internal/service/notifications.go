package service

import (
	"context"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
)

// Notifications lists the caller's own, newest first, texts composed under the
// caller's rights of now.
func (s *Service) Notifications(ctx context.Context, caller clinic.Caller, filter clinic.NotificationFilter, page clinic.PageRequest) (clinic.Page[clinic.Notification], error) {
	facts, err := s.db.As(caller).Notifications(ctx, filter, page)
	if err != nil {
		return clinic.Page[clinic.Notification]{}, err
	}
	composed := clinic.Page[clinic.Notification]{Total: facts.Total, Next: facts.Next, Previous: facts.Previous}
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

// ReadNotification marks one as read and returns it; repeating it changes nothing.
func (s *Service) ReadNotification(ctx context.Context, caller clinic.Caller, id int64) (n clinic.Notification, err error) {
	err = s.db.Audited(ctx, caller, clinic.Object{Kind: clinic.ObjectNotification, ID: id}, func(h store.Handle) error {
		facts, err := h.ReadNotification(ctx, id)
		n = compose(facts)
		return err
	})
	return n, err
}

// ReadAllNotifications marks all unread ones as read and says how many.
func (s *Service) ReadAllNotifications(ctx context.Context, caller clinic.Caller, idem clinic.Idempotency) (n int, err error) {
	err = s.db.Tx(ctx, &caller, func(h store.Handle) error {
		n, _, err = once(ctx, h, idem, func() (int, error) { return h.ReadAllNotifications(ctx) })
		return err
	})
	return n, err
}
