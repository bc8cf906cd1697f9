package clinic

import "time"

// AssignmentSource says by which way an assignment came to be.
type AssignmentSource string

// The sources of an assignment.
const (
	SourceREST       AssignmentSource = "rest"
	SourceKubernetes AssignmentSource = "kubernetes"
	SourceBreakGlass AssignmentSource = "break_glass"
)

// Assignment gives a doctor access to a patient's records from StartsAt until
// EndsAt. Ended assignments stay as history.
type Assignment struct {
	ID          int64
	Patient     Patient
	Doctor      Doctor
	Source      AssignmentSource
	Owner       string // UID of the owning DoctorAssignment; "" for SourceREST
	DeclaredBy  string // "namespace/name" of the owning DoctorAssignment
	RequestedBy *User  // nil for a declared one
	Reason      string
	StartsAt    time.Time
	EndsAt      *time.Time // nil: open-ended
	CreatedAt   time.Time
}

// Active reports whether the assignment gives access at the instant now.
func (a Assignment) Active(now time.Time) bool {
	return !now.Before(a.StartsAt) && (a.EndsAt == nil || now.Before(*a.EndsAt))
}

// Ended reports whether the assignment is over at the instant now, or was called
// off before it began.
func (a Assignment) Ended(now time.Time) bool {
	return a.EndsAt != nil && (!now.Before(*a.EndsAt) || !a.StartsAt.Before(*a.EndsAt))
}

// AssignmentRequest asks for a doctor's access to a patient.
type AssignmentRequest struct {
	PatientID int64
	DoctorID  int64 // 0: the calling doctor
	Reason    string
	EndsAt    *time.Time // nil: open-ended, or SelfAssignmentTime from now where it is confirmed

	// One of these confirms a doctor's request under SelfAssignmentConfirm; nobody
	// looks at them otherwise.
	Password string // the doctor's own, again
	TOTPCode string // of the doctor's second factor
}

// SelfAssignment says on what terms doctors may assign themselves to patients.
type SelfAssignment string

// The terms.
const (
	SelfAssignmentConfirm SelfAssignment = "confirm" // with their password or second factor, a reason and an end
	SelfAssignmentOpen    SelfAssignment = "open"    // by asking for it
	SelfAssignmentOff     SelfAssignment = "off"     // not at all
)

// SelfAssignmentTime is how long an assignment lasts that a doctor confirms
// without an end of their own.
const SelfAssignmentTime = 90 * 24 * time.Hour

// BreakGlassRequest is a doctor's, who needs to see a patient in an emergency.
type BreakGlassRequest struct {
	PatientID int64
	Reason    string
	Password  string // the doctor's own, again
}

// AssignmentFilter narrows a list of assignments; zero values do not narrow.
type AssignmentFilter struct {
	PatientID, DoctorID int64
	Active              *bool
}
