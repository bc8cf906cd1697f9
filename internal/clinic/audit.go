package clinic

import (
	"strings"
	"time"
)

// Request has the facts of a caller's request for the audit log, except its address: see AddressOf.
type Request struct {
	Operation string // operationId of the API
	ID        string // request id
}

// OperationSearch is the operation whose audit rows name the records that it showed.
const OperationSearch = "searchRecords"

// ObjectKind is the kind of a request's object.
type ObjectKind string

// The kinds.
const (
	ObjectRecord       ObjectKind = "record"
	ObjectComment      ObjectKind = "comment"
	ObjectProfile      ObjectKind = "profile"
	ObjectPatient      ObjectKind = "patient"
	ObjectUser         ObjectKind = "user"
	ObjectAssignment   ObjectKind = "assignment"
	ObjectNotification ObjectKind = "notification"
	ObjectAccessLog    ObjectKind = "access_log"
	ObjectAudit        ObjectKind = "audit"
	ObjectImport       ObjectKind = "import"
)

// ObjectKinds lists every kind.
func ObjectKinds() []ObjectKind {
	return []ObjectKind{
		ObjectRecord, ObjectComment, ObjectProfile, ObjectPatient, ObjectUser, ObjectAssignment, ObjectNotification,
		ObjectAccessLog, ObjectAudit, ObjectImport,
	}
}

// Object is the object of a request. Without an ID it is a list, or an object
// that does not exist yet.
type Object struct {
	Kind ObjectKind
	ID   int64
}

// Programs have these instead of a role. They have no type, because no user
// has them as a role.
const (
	ActorImport     = "IMPORT"
	ActorController = "CONTROLLER" // its statements write it
	ActorCommand    = "COMMAND"    // `healthrecords admin`
)

// AccessReason is the reason why access was given.
type AccessReason string

// The reasons. A refused request has the last.
const (
	ReasonOwn        AccessReason = "own"         // a patient's own data
	ReasonAssignment AccessReason = "assignment"  // the doctor is assigned
	ReasonBreakGlass AccessReason = "break_glass" // emergency access
	ReasonRole       AccessReason = "role"        // administrators and programs
	ReasonRefused    AccessReason = "refused"
)

// AccessReasons lists every reason.
func AccessReasons() []AccessReason {
	return []AccessReason{ReasonOwn, ReasonAssignment, ReasonBreakGlass, ReasonRole, ReasonRefused}
}

// ReasonFor returns the reason why the caller has access to the object; emergency means that some
// of it came by emergency access alone.
func ReasonFor(caller Caller, object ObjectKind, emergency bool) AccessReason {
	switch {
	case emergency:
		return ReasonBreakGlass
	case caller.Role == RolePatient, object == ObjectProfile:
		return ReasonOwn
	case caller.Role == RoleDoctor:
		return ReasonAssignment
	}
	return ReasonRole
}

// DecisionAllowed is the decision of an audit row without a refusal. The decision of
// a refusal is its Code.
const DecisionAllowed = "allowed"

// AuditRow is one row of the audit log. It has ids only, and those of the controller a Kubernetes user: see RequesterOf.
type AuditRow struct {
	ID          int64
	At          time.Time
	UserID      int64 // 0: a program
	Role        Role
	Operation   string
	Object      Object
	Patients    []int64
	Assignments []int64 // the assignment that gave access to the patient at the same index; 0: none
	Records     []int64 // that a search has shown; nil: the row is not that of a search
	Reason      AccessReason
	Decision    string
	RequestID   string
	Address     string // "" where it is unknown
	// Raw is the row as the database writes it, where a column has a value that no program of
	// the platform writes. Then the other fields except ID are empty.
	Raw string
}

// requesterPrefix begins the request id of the controller's audit rows, whose requests have no id: what follows is the
// Kubernetes user who asked. In a column of its own, the sealer of a former release would not seal it.
const requesterPrefix = "kubernetes:"

// RequestOfController returns the request id of the controller's audit rows about what the Kubernetes user asked for; ""
// means that nobody vouches for a user.
func RequestOfController(requester string) string {
	if requester == "" {
		return ""
	}
	return requesterPrefix + requester
}

// RequesterOf returns the Kubernetes user who asked for what an audit row of the role with the request id tells of. It is
// "" for the rows of people, who choose their request ids themselves.
func RequesterOf(role Role, requestID string) string {
	requester, asked := strings.CutPrefix(requestID, requesterPrefix)
	if role != ActorController || !asked {
		return ""
	}
	return requester
}

// AuditEvent is an audit row as administrators read it.
type AuditEvent struct {
	AuditRow
	User *Person // as they were known then; nil: a program, or a deleted user
}

// AuditFilter narrows the audit log; zero values do not narrow.
type AuditFilter struct {
	UserID, PatientID   int64
	Operation, Decision string
	From, To            *time.Time
}

// Access is an audit row as its patient reads it.
type Access struct {
	ID           int64
	At           time.Time
	User         *Person // as they were known then; nil: a program, a deleted user, or another patient
	Role         Role
	Operation    string
	Object       Object
	Decision     string
	Reason       AccessReason
	RequestedBy  string // the Kubernetes user who asked the controller; "" for people, and where it is unknown
	AssignmentID int64  // 0: no assignment gave access
	Purpose      string // the assignment's reason
}

// Log is one page of a log, newest first.
type Log[T any] struct {
	Items []T
	Next  int64 // id of the last item where the log goes on, else 0
}

// AuditCheckpoint is a link of the chain that seals the audit log: a signed
// statement and the digests behind it. Package audit defines their meaning.
type AuditCheckpoint struct {
	Number    int64   `json:"number,omitempty"` // its number in the database; 0: it is stored elsewhere
	LastID    int64   `json:"-"`                // as stored beside it; the signed one is in the statement
	Statement string  `json:"statement"`
	Signature []byte  `json:"signature"`
	RowIDs    []int64 `json:"row_ids,omitempty"`
	Digests   []byte  `json:"digests,omitempty"` // 32 bytes for each row
}
