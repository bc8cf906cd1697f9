package service

import (
	"context"
	"slices"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
)

const (
	onlyReaders  = "only patients and doctors may read health records"
	onlyPatients = "only patients may write health records"
	onlyDoctors  = "only doctors have a list of their patients"
)

// Records are the use cases of health records.
type Records struct{ db *store.DB }

// NewRecords returns the use cases.
func NewRecords(db *store.DB) *Records { return &Records{db: db} }

// List lists the records that the caller may read: their own for a patient, those of their
// present patients for a doctor. Administrators get CodeForbidden.
func (s *Records) List(ctx context.Context, caller clinic.Caller, filter clinic.RecordFilter, page clinic.PageRequest) (clinic.Page[clinic.Record], error) {
	if err := admit(ctx, s.db, caller, clinic.Object{Kind: clinic.ObjectRecord}, require(caller, onlyReaders, clinic.RolePatient, clinic.RoleDoctor)); err != nil {
		return clinic.Page[clinic.Record]{}, err
	}
	found, err := s.db.As(caller).Records().List(ctx, filter, page)
	return explained(ctx, s.db, caller, found, err)
}

// Get returns one record with the comments that the caller may read. One that is deleted is not found.
func (s *Records) Get(ctx context.Context, caller clinic.Caller, id int64) (clinic.Record, error) {
	if err := admit(ctx, s.db, caller, record(id), require(caller, onlyReaders, clinic.RolePatient, clinic.RoleDoctor)); err != nil {
		return clinic.Record{}, err
	}
	return s.db.As(caller).Records().Get(ctx, id)
}

// Create adds a record of the calling patient.
func (s *Records) Create(ctx context.Context, caller clinic.Caller, fields clinic.RecordFields, idem clinic.Idempotency) (clinic.Record, error) {
	object := clinic.Object{Kind: clinic.ObjectRecord}
	if err := admit(ctx, s.db, caller, object, require(caller, onlyPatients, clinic.RolePatient)); err != nil {
		return clinic.Record{}, err
	}
	if err := fields.Validate(); err != nil {
		return clinic.Record{}, err
	}
	if idem.Key == "" {
		created, err := s.db.As(caller).Records().Insert(ctx, fields)
		return created, s.db.Refused(ctx, caller, object, err)
	}
	var created clinic.Record
	err := s.db.Audited(ctx, caller, object, func(h store.Handle) error {
		first, repeated, err := once(ctx, h, idem, func() (m made, err error) {
			created, err = h.Records().Insert(ctx, fields)
			return made{ID: created.ID}, err
		})
		if err != nil {
			return err
		}
		if !repeated {
			return nil
		}
		h.AuditObject(record(first.ID))
		if created, err = h.Records().Get(ctx, first.ID); err != nil {
			return orGone(repeated, err)
		}
		h.AuditPatient(h.Who.PatientID, 0, false)
		return nil
	})
	return created, err
}

// Update changes a record of the calling patient. With expect, it fails with
// CodePreconditionFailed when the record is at none of these revisions. A change
// without an effect keeps the revision.
func (s *Records) Update(ctx context.Context, caller clinic.Caller, id int64, change clinic.RecordChange, expect []clinic.Revision) (clinic.Record, error) {
	if err := admit(ctx, s.db, caller, record(id), require(caller, onlyPatients, clinic.RolePatient)); err != nil {
		return clinic.Record{}, err
	}
	return s.change(ctx, caller, id, expect, func(r *clinic.Record) error {
		change = change.Without(r.RecordFields)
		if err := change.Validate(); err != nil {
			return err
		}
		r.RecordFields = change.Apply(r.RecordFields)
		return nil
	})
}

// change lets do change a record of the calling patient, and keeps the revision where it changes nothing.
func (s *Records) change(ctx context.Context, caller clinic.Caller, id int64, expect []clinic.Revision, do func(*clinic.Record) error) (clinic.Record, error) {
	var changed clinic.Record
	err := s.db.Audited(ctx, caller, record(id), func(h store.Handle) error {
		locked, err := lockRecord(ctx, h, id, expect)
		if err != nil {
			return err
		}
		changed = locked
		if err := do(&changed); err != nil {
			return err
		}
		changed.VisitDate = changed.VisitDate.UTC().Truncate(time.Microsecond) // as it is stored
		if changed.RecordFields == locked.RecordFields && changed.ErrorReason == locked.ErrorReason {
			return nil
		}
		changed, err = h.Records().Update(ctx, changed) // the last statement
		return err
	})
	return changed, err
}

// Delete removes a record of the calling patient from the lists. Those who could read it still find it among the deleted ones.
func (s *Records) Delete(ctx context.Context, caller clinic.Caller, id int64, expect []clinic.Revision) error {
	if err := admit(ctx, s.db, caller, record(id), require(caller, onlyPatients, clinic.RolePatient)); err != nil {
		return err
	}
	return s.db.Audited(ctx, caller, record(id), func(h store.Handle) error {
		if expect != nil {
			if _, err := lockRecord(ctx, h, id, expect); err != nil {
				return err
			}
		}
		return h.Records().Delete(ctx, id)
	})
}

func record(id int64) clinic.Object { return clinic.Object{Kind: clinic.ObjectRecord, ID: id} }

// lockRecord locks one of the calling patient's records and returns it, if it
// is at an expected revision; nil expects any.
func lockRecord(ctx context.Context, h store.Handle, id int64, expect []clinic.Revision) (clinic.Record, error) {
	locked, err := h.Records().Lock(ctx, id)
	if err != nil {
		return clinic.Record{}, err
	}
	if expect != nil && !slices.Contains(expect, locked.Revision()) {
		return clinic.Record{}, clinic.PreconditionFailed()
	}
	return locked, nil
}
