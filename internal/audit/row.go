package audit

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// row is an audit row as it is digested and exported: its JSON, with these keys
// in this order and without white space. Any change of it is another version.
type row struct {
	ID          int64     `json:"id"`
	At          time.Time `json:"at"`
	UserID      int64     `json:"user_id"` // 0: a program
	Role        string    `json:"role"`
	Operation   string    `json:"operation"`
	ObjectKind  string    `json:"object_kind"`
	ObjectID    int64     `json:"object_id"` // 0: a list
	Patients    []int64   `json:"patient_ids"`
	Assignments []int64   `json:"assignment_ids"`
	Reason      string    `json:"reason"`
	Decision    string    `json:"decision"`
	RequestID   string    `json:"request_id"`
	Address     string    `json:"address"`
	Records     []int64   `json:"record_ids,omitzero"` // of a search; nil, without the key, for any other row
	Raw         string    `json:"raw,omitempty"`       // the whole of a row that cannot be read; then only the id is set too
}

func rowOf(r clinic.AuditRow) row {
	return row{
		ID: r.ID, At: r.At.UTC(), UserID: r.UserID, Role: string(r.Role), Operation: r.Operation,
		ObjectKind: string(r.Object.Kind), ObjectID: r.Object.ID,
		Patients: append([]int64{}, r.Patients...), Assignments: append([]int64{}, r.Assignments...),
		Reason: string(r.Reason), Decision: r.Decision, RequestID: r.RequestID, Address: r.Address, Records: r.Records, Raw: r.Raw,
	}
}

func (r row) domain() clinic.AuditRow {
	return clinic.AuditRow{
		ID: r.ID, At: r.At, UserID: r.UserID, Role: clinic.Role(r.Role), Operation: r.Operation,
		Object:   clinic.Object{Kind: clinic.ObjectKind(r.ObjectKind), ID: r.ObjectID},
		Patients: r.Patients, Assignments: r.Assignments,
		Reason: clinic.AccessReason(r.Reason), Decision: r.Decision, RequestID: r.RequestID, Address: r.Address, Records: r.Records, Raw: r.Raw,
	}
}

// digest is the SHA-256 of the row.
func digest(r clinic.AuditRow) ([sha256.Size]byte, error) {
	encoded, err := json.Marshal(rowOf(r))
	if err != nil { // a year that JSON cannot write
		return [sha256.Size]byte{}, fmt.Errorf("encoding the audit row %d: %w", r.ID, err)
	}
	return sha256.Sum256(encoded), nil
}

// showsRecords reports whether the row is that of a search, which names the records that it showed. Others name none.
func showsRecords(r clinic.AuditRow) bool {
	return r.Operation == clinic.OperationSearch && r.Decision == clinic.DecisionAllowed
}

// digestOfFormer is the digest of a search's row that a worker of the former release has sealed: it knows no records. A
// worker of this release never makes such a digest of a search, so that nobody can replace one by the other.
func digestOfFormer(r clinic.AuditRow) ([sha256.Size]byte, error) {
	r.Records = nil
	return digest(r)
}
