package clinic

import "time"

// NotificationType is what a notification tells.
type NotificationType string

// The notification types of the API.
const (
	NotifyPatientAssigned NotificationType = "PATIENT_ASSIGNED"
	NotifyNewRecord       NotificationType = "NEW_RECORD"
	NotifyCommentAdded    NotificationType = "COMMENT_ADDED"
	NotifyBreakGlass      NotificationType = "BREAK_GLASS"
	NotifySelfAssigned    NotificationType = "SELF_ASSIGNED"
)

// Notification tells one user of one event. Title and Message are composed
// when it is read, under the reader's rights at that moment; only ids are
// stored. An id is 0 where the notification is not about such a thing, or the
// thing is gone.
type Notification struct {
	ID           int64
	Type         NotificationType
	Title        string
	Message      string
	Read         bool
	PatientID    int64
	DoctorID     int64
	RecordID     int64
	CommentID    int64
	AssignmentID int64
	CreatedAt    time.Time
}

// NotificationFilter narrows a list of notifications.
type NotificationFilter struct {
	Read *bool
}

// EventType names a change that others are told of.
type EventType string

// The events of the outbox.
const (
	EventAssignmentCreated EventType = "assignment.created"
	EventRecordCreated     EventType = "record.created"
	EventCommentCreated    EventType = "comment.created"
	EventBreakGlassOpened  EventType = "break_glass.opened"
)

// Event is a row of the outbox. It carries ids only.
type Event struct {
	ID        int64
	Type      EventType
	CreatedAt time.Time
	Attempts  int // how often it was published
}
