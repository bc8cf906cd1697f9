package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store/dbsqlc"
)

// Lock keeps the patient's data from being held or erased by others until the transaction ends. It fails with CodeNotFound
// if the patient does not exist, and with CodeConflict and reason "erased" if their data was erased.
func (h Erasures) Lock(ctx context.Context, patientID int64) error {
	erased, err := h.q.LockPatient(ctx, h.db, patientID)
	if err != nil {
		return fmt.Errorf("locking a patient: %w", orNotFound(err, "patient"))
	}
	h.AuditPatient(patientID, 0, false)
	if erased {
		return clinic.Erased()
	}
	return nil
}

// PlaceHold places a legal hold on a locked patient, or gives it another reason.
func (h Erasures) PlaceHold(ctx context.Context, patientID int64, reason string) (clinic.LegalHold, error) {
	row, err := h.q.PlaceLegalHold(ctx, h.db, dbsqlc.PlaceLegalHoldParams{PatientID: patientID, Reason: reason})
	if err != nil {
		return clinic.LegalHold{}, fmt.Errorf("placing a legal hold: %w", translate(err))
	}
	return clinic.LegalHold{PatientID: row.PatientID, Reason: row.Reason, PlacedBy: orZero(row.PlacedBy), PlacedAt: row.PlacedAt}, nil
}

// LiftHold lifts the legal hold on a locked patient. It fails with CodeNotFound if there is none.
func (h Erasures) LiftHold(ctx context.Context, patientID int64) error {
	n, err := h.q.LiftLegalHold(ctx, h.db, patientID)
	if err != nil {
		return fmt.Errorf("lifting a legal hold: %w", translate(err))
	}
	if n == 0 {
		return clinic.NotFound("legal hold")
	}
	return nil
}

// Hold returns the legal hold on a patient. It fails with CodeNotFound if there is none.
func (h Erasures) Hold(ctx context.Context, patientID int64) (clinic.LegalHold, error) {
	row, err := h.q.GetLegalHold(ctx, h.auditing(clinic.Object{Kind: clinic.ObjectPatient, ID: patientID}, 0).db, patientID)
	if err != nil {
		return clinic.LegalHold{}, fmt.Errorf("reading a legal hold: %w", orNotFound(err, "legal hold"))
	}
	return clinic.LegalHold{PatientID: row.PatientID, Reason: row.Reason, PlacedBy: orZero(row.PlacedBy), PlacedAt: row.PlacedAt}, nil
}

// Request adds a request to erase the data of a locked patient, with its event. It fails with CodeConflict and reason
// "erasure_requested" if there is one.
func (h Erasures) Request(ctx context.Context, patientID int64, reason string) error {
	if err := h.q.RequestErasure(ctx, h.db, dbsqlc.RequestErasureParams{PatientID: patientID, Reason: reason}); err != nil {
		return fmt.Errorf("requesting an erasure: %w", translate(err))
	}
	return nil
}

// Withdraw removes the request to erase the data of a locked patient. It fails with CodeNotFound if there is none.
func (h Erasures) Withdraw(ctx context.Context, patientID int64) error {
	n, err := h.q.WithdrawErasure(ctx, h.db, patientID)
	if err != nil {
		return fmt.Errorf("withdrawing an erasure: %w", translate(err))
	}
	if n == 0 {
		return clinic.NotFound("erasure")
	}
	return nil
}

// Username returns the username of a patient.
func (h Erasures) Username(ctx context.Context, patientID int64) (string, error) {
	name, err := h.q.UsernameOfPatient(ctx, h.db, patientID)
	if err != nil {
		return "", fmt.Errorf("reading a username: %w", orNotFound(err, "patient"))
	}
	return name, nil
}

// Erase carries out the requested erasure. It fails with CodeNotFound if there is none, and with CodeConflict and reason
// "legal_hold", "erased", or "own_request" if the caller requested it.
func (h Erasures) Erase(ctx context.Context, patientID int64) error {
	outcome, err := h.q.ErasePatient(ctx, h.db, patientID)
	if err != nil {
		return fmt.Errorf("erasing a patient's data: %w", translate(err))
	}
	if outcome != "not_requested" {
		h.AuditPatient(patientID, 0, false)
	}
	switch outcome {
	case "done":
		return nil
	case "legal_hold":
		return clinic.Held()
	case "erased":
		return clinic.Erased()
	case "own_request":
		return clinic.Conflict("own_request", "you requested this erasure; another administrator has to confirm it")
	default:
		return clinic.NotFound("erasure")
	}
}

// Get returns the erasure of a patient's data. It fails with CodeNotFound if nobody requested one.
func (h Erasures) Get(ctx context.Context, patientID int64) (clinic.Erasure, error) {
	row, err := h.q.GetErasure(ctx, h.auditing(clinic.Object{Kind: clinic.ObjectPatient, ID: patientID}, 0).db, patientID)
	if err != nil {
		return clinic.Erasure{}, fmt.Errorf("reading an erasure: %w", orNotFound(err, "erasure"))
	}
	return erasureOf(row.Erasure)
}

// List lists all erasures, the newest request first.
func (h Erasures) List(ctx context.Context, request clinic.PageRequest) (clinic.Page[clinic.Erasure], error) {
	page, err := readPage(listing[*dbsqlc.ListErasuresRow, clinic.Erasure]{
		page: request,
		read: func(w window) ([]*dbsqlc.ListErasuresRow, error) {
			return h.q.ListErasures(ctx, h.auditing(clinic.Object{Kind: clinic.ObjectPatient}, w.shown()).reading(w), dbsqlc.ListErasuresParams{
				BeyondID: w.beyondID(w.Back), Most: w.Limit, Skip: w.Offset, CountUpTo: countUpTo,
			})
		},
		item:  func(r *dbsqlc.ListErasuresRow) (clinic.Erasure, error) { return erasureOf(r.Erasure) },
		total: func(r *dbsqlc.ListErasuresRow) counted { return upTo(r.Total) },
		count: func() (counted, error) {
			rows, err := h.q.CountErasures(ctx, h.db, countUpTo)
			return upTo(rows), err
		},
		position: byID(func(e clinic.Erasure) int64 { return e.ID }),
	})
	if err != nil {
		return clinic.Page[clinic.Erasure]{}, fmt.Errorf("listing erasures: %w", translate(err))
	}
	return page, nil
}

func erasureOf(row dbsqlc.Erasure) (clinic.Erasure, error) {
	e := clinic.Erasure{
		ID: row.ID, PatientID: row.PatientID, Reason: row.Reason, RequestedBy: orZero(row.RequestedBy), RequestedAt: row.RequestedAt,
		ConfirmedBy: orZero(row.ConfirmedBy), ErasedAt: row.ErasedAt, SchemaVersion: orZero(row.SchemaVersion),
	}
	if row.Removed == nil {
		return e, nil
	}
	e.Removed = &clinic.Removed{}
	if err := json.Unmarshal(row.Removed, e.Removed); err != nil {
		return clinic.Erasure{}, fmt.Errorf("decoding what an erasure removed: %w", clinic.Internal(err))
	}
	return e, nil
}

// RemoveDeleted removes records that were deleted before the instant for good, with their versions and comments: no more than
// most. It returns how many. Those of patients under a legal hold stay.
func (h Records) RemoveDeleted(ctx context.Context, before time.Time, most int) (int, error) {
	n, err := h.q.RemoveDeletedRecords(ctx, h.db, dbsqlc.RemoveDeletedRecordsParams{Before: before, Most: int64(most)})
	if err != nil {
		return 0, fmt.Errorf("removing deleted records: %w", translate(err))
	}
	return int(n), nil
}
