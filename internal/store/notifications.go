package store

import (
	"context"
	"fmt"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store/dbsqlc"
)

// NotificationFacts are a notification without its text, and the facts that its text is
// composed of. They contain nothing that the reader may not see.
type NotificationFacts struct {
	clinic.Notification
	Subject clinic.NotificationSubject
}

// List lists the caller's own notifications, newest first.
func (h Notifications) List(ctx context.Context, filter clinic.NotificationFilter, request clinic.PageRequest) (clinic.Page[NotificationFacts], error) {
	page, err := readPage(listing[*dbsqlc.ListNotificationsRow, NotificationFacts]{
		page: request,
		read: func(w window) ([]*dbsqlc.ListNotificationsRow, error) {
			return h.q.ListNotifications(ctx, h.auditing(clinic.Object{Kind: clinic.ObjectNotification}, w.shown()).reading(w), dbsqlc.ListNotificationsParams{
				Caller: h.Who.UserID, Everybody: h.Who.Role == clinic.RoleAdmin, Read: filter.Read, BeyondID: w.beyondID(w.Back), Most: w.Limit, Skip: w.Offset,
			})
		},
		item: func(r *dbsqlc.ListNotificationsRow) (NotificationFacts, error) {
			return notificationOf(r, h.Who.Caller), nil
		},
		total: func(r *dbsqlc.ListNotificationsRow) counted { return exactly(r.Total) },
		count: func() (counted, error) {
			rows, err := h.q.CountNotifications(ctx, h.db, dbsqlc.CountNotificationsParams{Caller: h.Who.UserID, Read: filter.Read})
			return exactly(rows), err
		},
		position: byID(func(n NotificationFacts) int64 { return n.ID }),
	})
	if err != nil {
		return clinic.Page[NotificationFacts]{}, fmt.Errorf("listing notifications: %w", err)
	}
	return page, nil
}

// MarkRead marks one of the caller's notifications as read and returns it.
func (h Notifications) MarkRead(ctx context.Context, id int64) (NotificationFacts, error) {
	if err := h.q.ReadNotification(ctx, h.db, dbsqlc.ReadNotificationParams{ID: id, Caller: h.Who.UserID}); err != nil {
		return NotificationFacts{}, fmt.Errorf("marking a notification: %w", translate(err))
	}
	w := window{Limit: 1}
	rows, err := h.q.ListNotifications(ctx, h.db, dbsqlc.ListNotificationsParams{
		Caller: h.Who.UserID, Everybody: h.Who.Role == clinic.RoleAdmin, ID: id, BeyondID: w.beyondID(w.Back), Most: w.Limit,
	})
	if err != nil {
		return NotificationFacts{}, fmt.Errorf("reading a notification: %w", translate(err))
	}
	if len(rows) == 0 || id == 0 {
		return NotificationFacts{}, clinic.NotFound("notification")
	}
	if n := rows[0]; n.SeenPatient != nil {
		h.AuditPatient(*n.SeenPatient, orZero(n.SeenThrough), n.SeenInEmergency)
	}
	return notificationOf(rows[0], h.Who.Caller), nil
}

// MarkAllRead marks the caller's unread notifications as read and returns how many.
func (h Notifications) MarkAllRead(ctx context.Context) (int, error) {
	n, err := h.q.ReadAllNotifications(ctx, h.db, h.Who.UserID)
	if err != nil {
		return 0, fmt.Errorf("marking notifications: %w", translate(err))
	}
	return int(n), nil
}

// notificationOf builds the facts from the columns that the statement joined for the reader.
func notificationOf(r *dbsqlc.ListNotificationsRow, reader clinic.Caller) NotificationFacts {
	n := NotificationFacts{Notification: clinic.Notification{
		ID: r.ID, Type: clinic.NotificationType(r.Type), Read: r.ReadAt != nil, CreatedAt: r.CreatedAt,
		PatientID: orZero(r.PatientID), DoctorID: orZero(r.DoctorID), RecordID: orZero(r.RecordID),
		CommentID: r.CommentID, AssignmentID: orZero(r.AssignmentID), UserID: orZero(r.UserID),
	}}
	n.Subject = clinic.NotificationSubject{
		Reader:  reader.Role,
		Patient: personOf(0, r.PatientUsername, clinic.Name{First: r.PatientFirst, Last: r.PatientLast}, nil),
		Doctor:  personOf(0, r.DoctorUsername, clinic.Name{First: r.DoctorFirst, Last: r.DoctorLast}, r.DoctorLicense),
		Account: personOf(0, r.AccountUsername, clinic.Name{First: r.AccountFirst, Last: r.AccountLast}, nil),
		Own:     r.UserID != nil && *r.UserID == reader.UserID,
	}
	if r.RecordID != nil {
		n.Subject.Record = &clinic.RecordFields{Title: orZero(r.Title), Type: typeOf(orZero(r.RecordType))}
	}
	return n
}
