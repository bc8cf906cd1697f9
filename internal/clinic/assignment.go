package clinic

import "time"

// AssignmentSource is the way in which an assignment was made.
type AssignmentSource string

// The sources of an assignment.
const (
	SourceREST       AssignmentSource = "rest"
	SourceKubernetes AssignmentSource = "kubernetes"
	SourceBreakGlass AssignmentSource = "break_glass"
)

// AssignmentSources lists every source.
func AssignmentSources() []AssignmentSource {
	return []AssignmentSource{SourceREST, SourceKubernetes, SourceBreakGlass}
}

// Assignment gives a doctor access to a patient's records from StartsAt until
// EndsAt. Ended assignments stay as history.
type Assignment struct {
	ID          int64
	Patient     Patient
	Doctor      Doctor
	Source      AssignmentSource
	Owner       string // UID of the owning DoctorAssignment; "" for SourceREST
	DeclaredBy  string // "namespace/name" of the owning DoctorAssignment
	Requester   string // the Kubernetes user who asked for a declared one; "" if it is unknown
	RequestedBy *User  // nil for a declared one
	Reason      string
	StartsAt    time.Time
	EndsAt      *time.Time // nil: open-ended
	CreatedAt   time.Time

	// By the database's clock at the time of the reading: only that clock decides.
	Active bool // it has begun and not ended
	Ended  bool // it has ended, or was canceled before it began

	// Claims is nil for everybody but administrators, and in lists.
	Claims []Claim
}

// Claim is one source's wish for an assignment, which lasts while any claim does. See Declaration for those of objects.
type Claim struct {
	Source      AssignmentSource // SourceREST or SourceKubernetes
	DeclaredBy  string           // "namespace/name" of the DoctorAssignment; "" for SourceREST
	RequestedBy string           // username of the person, or the Kubernetes user; "" if it is unknown
	Reason      string
	Since       time.Time
	Until       *time.Time // nil: open-ended
	Counts      bool       // it has neither ended nor been withdrawn
	Held        bool       // an administrator ended it by force: its object does not claim again before it changes
}

// MaxClaims bounds Assignment.Claims.
const MaxClaims = 50

// AssignmentRequest asks for a doctor's access to a patient.
type AssignmentRequest struct {
	PatientID int64
	DoctorID  int64 // 0: the calling doctor
	Reason    string
	EndsAt    *time.Time // nil: open-ended, or SelfAssignmentTime from now where it is confirmed

	// One of these confirms a doctor's request under SelfAssignmentConfirm. Other requests
	// ignore them.
	Password string // the doctor's own, again
	TOTPCode string // of the doctor's second factor
}

// SelfAssignment is the terms on which doctors may assign themselves to patients.
type SelfAssignment string

// The terms.
const (
	SelfAssignmentConfirm SelfAssignment = "confirm" // with their password or second factor, a reason and an end
	SelfAssignmentOpen    SelfAssignment = "open"    // by asking for it
	SelfAssignmentOff     SelfAssignment = "off"     // not at all
)

// SelfAssignmentTerms lists all of them.
func SelfAssignmentTerms() []SelfAssignment {
	return []SelfAssignment{SelfAssignmentConfirm, SelfAssignmentOpen, SelfAssignmentOff}
}

// SelfAssignmentTime is how long an assignment lasts that a doctor confirms
// without an end of their own.
const SelfAssignmentTime = 90 * 24 * time.Hour

// BreakGlassRequest is the request of a doctor who needs to see a patient's records in an emergency.
type BreakGlassRequest struct {
	PatientID int64
	Reason    string
	Password  string // the doctor's own, again
}

// AssignmentFilter narrows a list of assignments; zero values do not narrow.
type AssignmentFilter struct {
	PatientID, DoctorID int64
	Active              *bool
	Source              AssignmentSource
}
