package clinic

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"slices"
	"time"
)

// Declaration is the wish of one DoctorAssignment object: each of its doctors is to be assigned to each of its patients. It
// is complete: a claim of the owner that it does not name ends.
type Declaration struct {
	Owner
	// Generation is the generation of the object's spec.
	Generation int64
	// Name is the object's namespace/name, for people who read the history.
	Name string
	// Requester is the Kubernetes user who asked for this spec; "" if the cluster does not vouch for it.
	Requester string
	// Doctors are the doctors' usernames: 1 to MaxDeclaredDoctors, no duplicates.
	Doctors []string
	// Patients are the patients' usernames: 1 to MaxDeclared, no duplicates.
	Patients []string
	// Reason says why the doctors are assigned; it may be empty.
	Reason string
	// StartsAt is when the claims begin to count; nil means at once.
	StartsAt *time.Time
	// EndsAt is when they cease to count, later than StartsAt; nil means never.
	// A declaration that has ended leaves no claims.
	EndsAt *time.Time
	// Suspended leaves no claims, whatever the rest says.
	Suspended bool
	// Adopt ends the REST claims of the pairs when those of the owner begin.
	Adopt bool
	// Replace makes claims of doctors who are not named anymore last until those of Doctors begin. Otherwise they end at
	// once. It is set for an object with one doctor.
	Replace bool
	// Retain says what Forsaken does with the claims when the object has disappeared: true retains them.
	Retain bool
}

// Owner identifies one DoctorAssignment object and the controller that speaks for it.
type Owner struct {
	// UID is the UID of the object, the key of its claims.
	UID string
	// Cluster is the id of the object's cluster.
	Cluster string
	// Term is the term of the controller, from Declarations.NewTerm. Once a controller with a later term has carried out a
	// declaration of the owner, or released it, an earlier one cannot change its claims.
	Term int64
}

// Begin is when the claims begin to count: in year 1 when that is at once.
func (d Declaration) Begin() time.Time {
	if d.StartsAt == nil {
		return time.Time{}
	}
	return *d.StartsAt
}

// Pairs counts the pairs of a doctor and a patient that the declaration names.
func (d Declaration) Pairs() int { return len(d.Doctors) * len(d.Patients) }

// Digest identifies what is declared, whoever asked for it and at whichever generation of the object.
func (d Declaration) Digest() ([]byte, error) {
	d.Term, d.Generation, d.Requester = 0, 0, ""
	text, err := json.Marshal(d)
	if err != nil {
		return nil, Internal(err)
	}
	sum := sha256.Sum256(text)
	return sum[:], nil
}

// DeclarationResult describes how far a declaration is fulfilled after it was carried out. A pair is one of the doctors with
// one of the patients.
type DeclarationResult struct {
	// At is when the period was compared, by the database's clock: only that clock decides what has begun or ended.
	At time.Time
	// Total counts the pairs of the declaration.
	Total int
	// Assigned counts the pairs whose doctor has access to the patient at At, through any claim.
	Assigned int
	// Claims counts the pairs that the owner claims after the call, also for a later time.
	Claims int
	// Shared counts the pairs of the declaration that others claim, too: other objects, or the REST API.
	Shared int
	// Problems say why pairs are not claimed, as SortProblems sorts them. At most MaxProblems; Troubled counts all.
	Problems []DeclarationProblem
	Troubled int
	// Created and Ended count the assignments that this call began, planned or ended: both 0 when nothing changed.
	Created, Ended int
	// Changed says whether the call wrote anything.
	Changed bool
}

// MaxProblems bounds DeclarationResult.Problems.
const MaxProblems = 20

// DeclarationProblem is the reason why a doctor, a patient, or one pair cannot be assigned. A problem of a doctor has no
// patient, and a problem of a patient no doctor.
type DeclarationProblem struct {
	Doctor, Patient string // usernames as in the declaration
	Reason          DeclarationProblemReason
}

// DeclarationProblemReason is the reason of a DeclarationProblem.
type DeclarationProblemReason string

// The reasons for which pairs of a declaration are not assigned, the gravest first: the first three do not go away by
// themselves.
const (
	// EndedByAdministrator means that an administrator ended the pair's claims by force. The owner may claim it again with
	// another generation, or after an administrator lifted the hold.
	EndedByAdministrator DeclarationProblemReason = "EndedByAdministrator"
	// NotADoctor means that the user has another role.
	NotADoctor DeclarationProblemReason = "NotADoctor"
	// NotAPatient means that the user has another role.
	NotAPatient DeclarationProblemReason = "NotAPatient"
	// DoctorNotFound means that no user has the username, or their account is disabled.
	DoctorNotFound DeclarationProblemReason = "DoctorNotFound"
	// DoctorNotVerified means that no administrator has verified the doctor's license.
	DoctorNotVerified DeclarationProblemReason = "DoctorNotVerified"
	// PatientNotFound means that no user has the username.
	PatientNotFound DeclarationProblemReason = "PatientNotFound"
)

// SortProblems sorts problems by reason, the gravest first, then by doctor and patient, so that a bounded list never hides the
// reason that matters most.
func SortProblems(problems []DeclarationProblem) {
	gravest := []DeclarationProblemReason{EndedByAdministrator, NotADoctor, NotAPatient, DoctorNotFound, DoctorNotVerified, PatientNotFound}
	slices.SortFunc(problems, func(a, b DeclarationProblem) int {
		return cmp.Or(slices.Index(gravest, a.Reason)-slices.Index(gravest, b.Reason), cmp.Compare(a.Doctor, b.Doctor), cmp.Compare(a.Patient, b.Patient))
	})
}

// DeclaredState is what the database holds of one owner, to be compared with the object's status.
type DeclaredState struct {
	UID, Name  string
	Generation int64 // of the last declaration that was carried out
	Assigned   int   // pairs claimed by the owner whose doctor has access to the patient now
	Claims     int   // pairs that the owner claims, also for a later time
	Held       int   // pairs that an administrator holds
	Shared     int   // pairs claimed by the owner that others claim, too
	Retain     bool  // see Declaration.Retain
}
