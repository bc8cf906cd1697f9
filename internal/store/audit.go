package store

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store/dbsqlc"
)

// audit collects the audit row of a request.
type audit struct {
	caller      clinic.Caller
	object      clinic.Object
	patients    []int64
	seen        map[int64]bool // patients
	assignments []int64
	records     []int64 // that a search has shown; nil: it is no search
	emergency   bool
	written     bool // by a statement of the transaction
}

// auditsItself returns the audit row of a statement that changes an object of the kind, for the statement to write: a
// transaction then writes no other one.
func (h handle) auditsItself(ctx context.Context, kind clinic.ObjectKind) dbsqlc.InsertAuditParams {
	if h.audit != nil {
		h.audit.written = true
	}
	a := audit{caller: h.Who.Caller, object: clinic.Object{Kind: kind}}
	return a.row(ctx, clinic.DecisionAllowed)
}

// AuditPatient records that the transaction read or changed the patient's data, and which
// assignment allowed it: 0 for none.
func (h handle) AuditPatient(patientID, assignmentID int64, emergency bool) {
	if h.audit == nil || h.audit.seen[patientID] {
		return
	}
	if h.audit.seen == nil {
		h.audit.seen = map[int64]bool{}
	}
	h.audit.seen[patientID] = true
	h.audit.patients = append(h.audit.patients, patientID)
	h.audit.assignments = append(h.audit.assignments, assignmentID)
	h.audit.emergency = h.audit.emergency || emergency
}

// AuditObject records the object that the transaction made.
func (h handle) AuditObject(object clinic.Object) {
	if h.audit != nil {
		h.audit.object = object
	}
}

// Audited is Tx for what reads or changes patients' data: the audit row is part
// of the transaction. When fn refuses, its changes are rolled back and the row
// records the refusal. When the row cannot be written, Audited returns that error and
// the caller gets no answer.
func (db *DB) Audited(ctx context.Context, caller clinic.Caller, object clinic.Object, fn func(Handle) error) error {
	if db.unaudited {
		return db.Tx(ctx, person(caller), fn)
	}
	a := &audit{caller: caller, object: object}
	err := db.transact(ctx, person(caller), a, fn)
	if err != nil && isRefusal(err) {
		return db.refused(ctx, a, err)
	}
	return err
}

// person is the caller, or nil for a program, whose rights are not checked.
func person(caller clinic.Caller) *clinic.Caller {
	if caller.UserID == 0 {
		return nil
	}
	return &caller
}

// Refused writes the audit row of a request that is refused before anything is read,
// and returns the refusal. An error that is no refusal is returned without a row.
func (db *DB) Refused(ctx context.Context, caller clinic.Caller, object clinic.Object, refusal error) error {
	if !isRefusal(refusal) {
		return refusal
	}
	return db.refused(ctx, &audit{caller: caller, object: object}, refusal)
}

func (db *DB) refused(ctx context.Context, a *audit, refusal error) error {
	if err := a.write(ctx, db.pool, string(clinic.CodeOf(refusal))); err != nil {
		return err
	}
	return refusal
}

// isRefusal reports whether the error is an answer to the caller rather than a
// failure, and the caller is known.
func isRefusal(err error) bool {
	return slices.Contains(clinic.RefusalCodes(), clinic.CodeOf(err))
}

func (a *audit) write(ctx context.Context, db dbsqlc.DBTX, decision string) error {
	if err := dbsqlc.New().InsertAudit(ctx, db, a.row(ctx, decision)); err != nil {
		return fmt.Errorf("writing the audit row: %w", translate(err))
	}
	return nil
}

func (a *audit) row(ctx context.Context, decision string) dbsqlc.InsertAuditParams {
	row := dbsqlc.InsertAuditParams{
		UserID: orNil(a.caller.UserID), Role: string(a.caller.Role), Operation: a.caller.Request.Operation,
		ObjectKind: string(a.object.Kind), ObjectID: orNil(a.object.ID),
		PatientIDs: append([]int64{}, a.patients...), AssignmentIDs: append([]int64{}, a.assignments...), RecordIDs: a.records,
		Reason: string(clinic.ReasonFor(a.caller, a.object.Kind, a.emergency)), Decision: decision,
		RequestID: a.caller.Request.ID, Address: addressOf(ctx),
	}
	if decision != clinic.DecisionAllowed {
		row.Reason = string(clinic.ReasonRefused)
	}
	return row
}

func addressOf(ctx context.Context) *netip.Addr {
	if address := clinic.AddressOf(ctx); address.IsValid() {
		return &address
	}
	return nil
}

// orNil returns nil for a zero value.
func orNil[T comparable](value T) *T {
	var zero T
	if value == zero {
		return nil
	}
	return &value
}
