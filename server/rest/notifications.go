package rest

import (
	"context"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/server/internal/web"
)

const listNotificationsNote = "Newest first. Titles and messages are composed at each request, so they never contain what the caller may no " +
	"longer see. The ids of deleted objects are null."

type notification struct {
	ID               int64                   `json:"id" example:"1"`
	NotificationType clinic.NotificationType `json:"notification_type" enum:"PATIENT_ASSIGNED,NEW_RECORD,COMMENT_ADDED,BREAK_GLASS,SELF_ASSIGNED,RESET_CODE_ISSUED,RESET_CODES_ISSUED,PASSWORD_RESET,SECOND_FACTOR_RESET,DOCTOR_REGISTERED,NAME_REQUESTED,LICENSE_VERIFIED,LICENSE_UNVERIFIED,ERASURE_REQUESTED" example:"NEW_RECORD"`
	Title            string                  `json:"title" example:"New health record"`
	Message          string                  `json:"message" example:"John Doe added \"Annual Physical\" (CHECKUP)."`
	IsRead           bool                    `json:"is_read" example:"false"`
	CreatedAt        time.Time               `json:"created_at" example:"2025-05-27T10:30:00Z"`
	Patient          *int64                  `json:"patient" doc:"The id of the patient whom the notification is about, or null." example:"1"`
	Doctor           *int64                  `json:"doctor" doc:"The id of the doctor whom the notification is about, or null." example:"1"`
	HealthRecord     *int64                  `json:"health_record" doc:"The id of the record that the notification is about, or null." example:"1"`
	Comment          *int64                  `json:"comment" doc:"The id of the comment that the notification is about, or null." example:"1"`
	Assignment       *int64                  `json:"assignment" doc:"The id of the assignment that the notification is about, or null." example:"1"`
	User             *int64                  `json:"user" doc:"The id of the user whose account the notification is about, or null." example:"1"`
}

func newNotification(n clinic.Notification) notification {
	return notification{
		ID: n.ID, NotificationType: n.Type, Title: n.Title, Message: n.Message, IsRead: n.Read, CreatedAt: n.CreatedAt.UTC(),
		Patient: orNull(n.PatientID), Doctor: orNull(n.DoctorID), HealthRecord: orNull(n.RecordID),
		Comment: orNull(n.CommentID), Assignment: orNull(n.AssignmentID), User: orNull(n.UserID),
	}
}

type listNotificationsRequest struct {
	web.Paging
	IsRead string `query:"is_read" enum:"true,false" doc:"true: only read notifications. false: only unread ones."`
}

func (h *handlers) listNotifications(ctx context.Context, request *listNotificationsRequest) (*web.PageResponse[notification], error) {
	found, err := h.service.Notifications.List(ctx, web.CallerOf(ctx), clinic.NotificationFilter{Read: parseBool(request.IsRead)}, request.PageRequest())
	if err != nil {
		return nil, err
	}
	return web.AnswerPage(request.Paging, h.here(ctx), found, newNotification)
}

type readNotificationRequest struct {
	ID int64 `path:"id" doc:"The notification's id."`
}

type readNotificationResponse struct {
	Body notification
}

func (h *handlers) readNotification(ctx context.Context, request *readNotificationRequest) (*readNotificationResponse, error) {
	n, err := h.service.Notifications.MarkRead(ctx, web.CallerOf(ctx), request.ID)
	if err != nil {
		return nil, err
	}
	return &readNotificationResponse{Body: newNotification(n)}, nil
}

type readAllRequest struct {
	web.Repeatable
}

type readAllResponse struct {
	Body struct {
		Message string `json:"message" example:"All notifications marked as read"`
		Updated int    `json:"updated" doc:"How many notifications were unread." example:"3"`
	} `nameHint:"AllRead"`
}

func (h *handlers) readAllNotifications(ctx context.Context, request *readAllRequest) (*readAllResponse, error) {
	once, err := request.Once(ctx)
	if err != nil {
		return nil, err
	}
	updated, err := h.service.Notifications.MarkAllRead(ctx, web.CallerOf(ctx), once)
	if err != nil {
		return nil, err
	}
	response := &readAllResponse{}
	response.Body.Message, response.Body.Updated = "All notifications marked as read", updated
	return response, nil
}
