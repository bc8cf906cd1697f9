package clinic

import "time"

// LegalHold says that a patient's data must be kept, such as for a lawsuit: neither retention nor an erasure removes it. The
// patient may still delete their own records, which stay as deleted ones.
type LegalHold struct {
	PatientID int64
	Reason    string
	PlacedBy  int64 // the administrator's user id
	PlacedAt  time.Time
}

// ErasureState is how far an erasure has come.
type ErasureState string

// The states. A request that was withdrawn is no erasure.
const (
	ErasureRequested ErasureState = "requested" // it waits for another administrator
	ErasureDone      ErasureState = "erased"
)

// ErasureStates lists every state.
func ErasureStates() []ErasureState { return []ErasureState{ErasureRequested, ErasureDone} }

// Erasure is a request to remove all data of a patient. Once another administrator has confirmed it, it is the certificate of
// what was removed. It has ids and numbers, and the reason, which must not contain health data.
type Erasure struct {
	ID            int64
	PatientID     int64
	Reason        string
	RequestedBy   int64 // user id; 0: a command
	RequestedAt   time.Time
	ConfirmedBy   int64      // user id; 0: a command, or nobody yet
	ErasedAt      *time.Time // nil: it waits for its confirmation
	Removed       *Removed   // nil: nothing yet
	SchemaVersion int64      // of the database, when the data was erased
}

// Removed counts what an erasure removed or emptied. The names are those of erase_patient in the schema.
type Removed struct {
	Records         int64 `json:"records"`          // with those that were deleted before
	RecordVersions  int64 `json:"record_versions"`  // earlier versions of these
	Comments        int64 `json:"comments"`         // on these
	CommentVersions int64 `json:"comment_versions"` // texts before a correction
	Assignments     int64 `json:"assignments"`      // whose reasons were emptied
	Claims          int64 `json:"claims"`           // whose reasons were emptied
	Sessions        int64 `json:"sessions"`
	Notifications   int64 `json:"notifications"`
	KeptAnswers     int64 `json:"kept_answers"` // under Idempotency-Keys
	Names           int64 `json:"names"`        // that the patient had, the last one too
}

// State returns how far the erasure has come.
func (e Erasure) State() ErasureState {
	if e.ErasedAt == nil {
		return ErasureRequested
	}
	return ErasureDone
}

// ValidateReason normalizes and checks the reason of a legal hold or of an erasure.
func ValidateReason(reason *string) error {
	var f faults
	f.line("reason", reason, 1, MaxReason)
	return f.err()
}

// Held means that a legal hold keeps the patient's data.
func Held() *Error {
	return Conflict("legal_hold", "a legal hold keeps the patient's data; lift it first")
}

// Erased means that the patient's data was erased, which cannot be undone.
func Erased() *Error {
	return Conflict("erased", "the patient's data was erased")
}
