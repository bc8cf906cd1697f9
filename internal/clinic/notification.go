package clinic

import (
	"slices"
	"time"
)

// NotificationType is the kind of a notification.
type NotificationType string

// The notification types of the API.
const (
	NotifyPatientAssigned NotificationType = "PATIENT_ASSIGNED"
	NotifyNewRecord       NotificationType = "NEW_RECORD"
	NotifyCommentAdded    NotificationType = "COMMENT_ADDED"
	NotifyBreakGlass      NotificationType = "BREAK_GLASS"
	NotifySelfAssigned    NotificationType = "SELF_ASSIGNED"

	NotifyResetCodeIssued   NotificationType = "RESET_CODE_ISSUED"
	NotifyResetCodesIssued  NotificationType = "RESET_CODES_ISSUED"
	NotifyPasswordReset     NotificationType = "PASSWORD_RESET"
	NotifySecondFactorReset NotificationType = "SECOND_FACTOR_RESET"
	NotifyDoctorRegistered  NotificationType = "DOCTOR_REGISTERED"
	NotifyNameRequested     NotificationType = "NAME_REQUESTED"
	NotifyLicenseVerified   NotificationType = "LICENSE_VERIFIED"
	NotifyLicenseUnverified NotificationType = "LICENSE_UNVERIFIED"
	NotifyErasureRequested  NotificationType = "ERASURE_REQUESTED"
)

// Recipients are the users who get a kind of notification.
type Recipients string

// The recipients. Each is an active account.
const (
	ToPatient  Recipients = "patient"   // of the event
	ToDoctor   Recipients = "doctor"    // of the event
	ToCareTeam Recipients = "care_team" // the doctors who are assigned to the patient, and were when it happened; emergency access does not count
	ToAdmins   Recipients = "admins"    // all of them; for an event about an account, neither its user nor the one who caused it
	ToUser     Recipients = "user"      // whose account the event concerns
)

// NotificationKind declares a kind of notification. A new one needs an entry in
// NotificationKinds and a migration of the constraint notifications_type_known;
// tests compare everything else that names the kinds.
type NotificationKind struct {
	Type       NotificationType
	Event      EventType // the event that causes it
	Recipients []Recipients
	SelfMade   bool // only for assignments that the doctor made
	// Compose returns the text for one reader.
	Compose func(NotificationSubject) (title, message string)
}

// NotificationKinds lists every kind.
func NotificationKinds() []NotificationKind {
	return []NotificationKind{
		{
			Type: NotifyPatientAssigned, Event: EventAssignmentCreated, Recipients: []Recipients{ToPatient, ToDoctor},
			Compose: NotificationSubject.assigned,
		},
		{
			Type: NotifyNewRecord, Event: EventRecordCreated, Recipients: []Recipients{ToCareTeam},
			Compose: NotificationSubject.recordAdded,
		},
		{
			Type: NotifyCommentAdded, Event: EventCommentCreated, Recipients: []Recipients{ToPatient},
			Compose: NotificationSubject.commentAdded,
		},
		{
			Type: NotifyBreakGlass, Event: EventBreakGlassOpened, Recipients: []Recipients{ToPatient, ToAdmins},
			Compose: NotificationSubject.breakGlass,
		},
		{
			Type: NotifySelfAssigned, Event: EventAssignmentCreated, Recipients: []Recipients{ToAdmins}, SelfMade: true,
			Compose: NotificationSubject.selfAssigned,
		},
		{
			Type: NotifyResetCodeIssued, Event: EventResetCodeIssued, Recipients: []Recipients{ToUser, ToAdmins},
			Compose: NotificationSubject.resetCodeIssued,
		},
		{
			Type: NotifyResetCodesIssued, Event: EventResetCodesIssued, Recipients: []Recipients{ToAdmins},
			Compose: NotificationSubject.resetCodesIssued,
		},
		{
			Type: NotifyPasswordReset, Event: EventPasswordReset, Recipients: []Recipients{ToUser, ToAdmins},
			Compose: NotificationSubject.passwordReset,
		},
		{
			Type: NotifySecondFactorReset, Event: EventSecondFactorReset, Recipients: []Recipients{ToUser, ToAdmins},
			Compose: NotificationSubject.secondFactorReset,
		},
		{
			Type: NotifyDoctorRegistered, Event: EventDoctorRegistered, Recipients: []Recipients{ToAdmins},
			Compose: NotificationSubject.registered,
		},
		{
			Type: NotifyNameRequested, Event: EventNameRequested, Recipients: []Recipients{ToAdmins},
			Compose: NotificationSubject.nameRequested,
		},
		{
			Type: NotifyLicenseVerified, Event: EventDoctorVerified, Recipients: []Recipients{ToDoctor},
			Compose: NotificationSubject.verified,
		},
		{
			Type: NotifyLicenseUnverified, Event: EventDoctorUnverified, Recipients: []Recipients{ToDoctor, ToAdmins},
			Compose: NotificationSubject.unverified,
		},
		{
			Type: NotifyErasureRequested, Event: EventErasureRequested, Recipients: []Recipients{ToAdmins},
			Compose: NotificationSubject.erasureRequested,
		},
	}
}

// Notification informs one user of one event. Title and Message are composed
// when it is read, under the reader's rights at that moment; only ids are
// stored. An id is 0 where the notification has no such object, or the
// object was deleted.
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
	UserID       int64 // whose account the notification is about
	CreatedAt    time.Time
}

// NotificationFilter narrows a list of notifications.
type NotificationFilter struct {
	Read *bool
}

// EventType names a change that others are notified of.
type EventType string

// The events of the outbox.
const (
	EventAssignmentCreated EventType = "assignment.created"
	EventRecordCreated     EventType = "record.created"
	EventCommentCreated    EventType = "comment.created"
	EventBreakGlassOpened  EventType = "break_glass.opened"
	EventResetCodeIssued   EventType = "reset_code.issued"
	EventResetCodesIssued  EventType = "reset_codes.issued" // a command began to issue codes for accounts without a password
	EventPasswordReset     EventType = "password.reset"     // by a code or by a command
	EventSecondFactorReset EventType = "second_factor.reset"

	EventDoctorRegistered EventType = "doctor.registered" // and waits for the verification of their license
	EventNameRequested    EventType = "doctor.name_requested"
	EventDoctorVerified   EventType = "doctor.verified"
	EventDoctorUnverified EventType = "doctor.unverified" // by an administrator, or by another license number

	EventErasureRequested EventType = "erasure.requested" // of the data of a patient, by whose account the event knows them
)

// EventSubject is the subject of an event. An event whose subject was deleted is dropped.
type EventSubject string

// The subjects.
const (
	// SubjectAssignment is an assignment that has not ended, or that its doctor made
	// themselves, ended or not. Its event takes place when the assignment begins.
	SubjectAssignment EventSubject = "assignment"
	SubjectEmergency  EventSubject = "emergency" // emergency access, ended or not
	SubjectRecord     EventSubject = "record"
	SubjectComment    EventSubject = "comment" // one that is not private
	SubjectAccount    EventSubject = "account"
	SubjectAccounts   EventSubject = "accounts" // many, none of which the event names
	SubjectDoctor     EventSubject = "doctor"
)

// EventKind declares a kind of event. A new one needs an entry in EventKinds, a
// migration of the constraint outbox_type_known, and a statement that adds it.
type EventKind struct {
	Type    EventType
	Subject EventSubject
}

// EventKinds lists every kind.
func EventKinds() []EventKind {
	return []EventKind{
		{EventAssignmentCreated, SubjectAssignment},
		{EventRecordCreated, SubjectRecord},
		{EventCommentCreated, SubjectComment},
		{EventBreakGlassOpened, SubjectEmergency},
		{EventResetCodeIssued, SubjectAccount},
		{EventResetCodesIssued, SubjectAccounts},
		{EventPasswordReset, SubjectAccount},
		{EventSecondFactorReset, SubjectAccount},
		{EventDoctorRegistered, SubjectDoctor},
		{EventNameRequested, SubjectDoctor},
		{EventDoctorVerified, SubjectDoctor},
		{EventDoctorUnverified, SubjectDoctor},
		{EventErasureRequested, SubjectAccount},
	}
}

// Known reports whether this release knows the event type. A later release may have
// written others.
func (t EventType) Known() bool {
	return slices.ContainsFunc(EventKinds(), func(k EventKind) bool { return k.Type == t })
}

// Event is a row of the outbox. It carries ids only.
type Event struct {
	ID        int64
	Type      EventType
	CreatedAt time.Time
	Attempts  int // how often it was published
}
