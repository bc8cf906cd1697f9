package clinic

import "time"

// Declaration is the wish of one DoctorAssignment object: a doctor to be assigned to each of some patients.
// It is complete: an assignment of the owner that the declaration does not name is ended, also when
// the doctor has a problem. The start, end and reason of the other ones follow the declaration.
type Declaration struct {
	// Owner is the UID of the object, the key of its assignments.
	Owner string
	// Name is the object's namespace/name, for people who read the history.
	Name string
	// Doctor is the doctor's username.
	Doctor string
	// Patients are the patients' usernames: 1 to 500, no duplicates.
	Patients []string
	// Reason says why the doctor is assigned; it may be empty.
	Reason string
	// StartsAt is when the assignments begin to count; nil means at once.
	StartsAt *time.Time
	// EndsAt is when they cease to count, later than StartsAt; nil means never.
	// A declaration that has ended leaves no assignments.
	EndsAt *time.Time
}

// Begin is when the assignments begin to count: in year 1 when that is at once.
func (d Declaration) Begin() time.Time {
	if d.StartsAt == nil {
		return time.Time{}
	}
	return *d.StartsAt
}

// DeclarationResult describes how far a declaration is fulfilled after it was carried out.
type DeclarationResult struct {
	// Doctor is the reason why the doctor cannot be assigned to anybody; empty when they can.
	// When it is set, Assigned is 0 and Unassigned is empty.
	Doctor DoctorProblem
	// Assigned counts the patients that have an open assignment to the doctor, whichever its owner:
	// one that was made through REST or by another object counts too, and keeps its owner.
	Assigned int
	// Unassigned are the other patients, sorted by username.
	Unassigned []Unassigned
	// Created and Ended count the assignments that this call began and ended: both 0 when nothing changed.
	Created, Ended int
	// EndedDoctors are the usernames of the doctors whose assignments this call ended, sorted, each once.
	// Other declarations that name them may take the pairs over.
	EndedDoctors []string
	// At is when the period was compared, by the database's clock: only that clock decides what has begun or ended.
	// It is zero for a declaration without a period.
	At time.Time
}

// DoctorProblem is the reason why a declaration's doctor cannot be assigned.
type DoctorProblem string

// The problems that a declaration's doctor can have.
const (
	// DoctorNotFound means that no user has the username.
	DoctorNotFound DoctorProblem = "DoctorNotFound"
	// NotADoctor means that the user has another role.
	NotADoctor DoctorProblem = "NotADoctor"
	// DoctorNotVerified means that no administrator has verified the doctor's license.
	DoctorNotVerified DoctorProblem = "DoctorNotVerified"
)

// Unassigned is a patient of a declaration who is not assigned.
type Unassigned struct {
	Username string
	Reason   UnassignedReason
}

// UnassignedReason is the reason why a declaration's patient is not assigned.
type UnassignedReason string

// The reasons for which a declaration's patient is not assigned.
const (
	// PatientNotFound means that no user has the username.
	PatientNotFound UnassignedReason = "PatientNotFound"
	// NotAPatient means that the user has another role.
	NotAPatient UnassignedReason = "NotAPatient"
)
