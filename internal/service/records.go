package service

import (
	"context"
	"slices"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
)

const (
	onlyReaders  = "health records are for patients and their doctors"
	onlyPatients = "only a patient may write health records"
	onlyDoctors  = "this is for doctors"
)

// Records lists what the caller may read: a patient his own, a doctor those of
// his patients now. Administrators are CodeForbidden.
func (s *Service) Records(ctx context.Context, caller clinic.Caller, filter clinic.RecordFilter, page clinic.PageRequest) (clinic.Page[clinic.Record], error) {
	if err := s.admit(ctx, caller, clinic.Object{Kind: clinic.ObjectRecord}, onlyReaders, clinic.RolePatient, clinic.RoleDoctor); err != nil {
		return clinic.Page[clinic.Record]{}, err
	}
	return s.db.As(caller).Records(ctx, filter, page)
}

// Record returns one record with the comments that the caller may read.
func (s *Service) Record(ctx context.Context, caller clinic.Caller, id int64) (clinic.Record, error) {
	if err := s.admit(ctx, caller, record(id), onlyReaders, clinic.RolePatient, clinic.RoleDoctor); err != nil {
		return clinic.Record{}, err
	}
	return s.db.As(caller).Record(ctx, id)
}

// CreateRecord adds a record of the calling patient.
func (s *Service) CreateRecord(ctx context.Context, caller clinic.Caller, fields clinic.RecordFields, idem clinic.Idempotency) (clinic.Record, error) {
	object := clinic.Object{Kind: clinic.ObjectRecord}
	if err := s.admit(ctx, caller, object, onlyPatients, clinic.RolePatient); err != nil {
		return clinic.Record{}, err
	}
	if err := fields.Validate(); err != nil {
		return clinic.Record{}, err
	}
	var created clinic.Record
	err := s.db.Audited(ctx, caller, object, func(h store.Handle) error {
		first, repeated, err := once(ctx, h, idem, func() (m made, err error) {
			created, err = h.InsertRecord(ctx, fields)
			return made{ID: created.ID}, err
		})
		if err != nil {
			return err
		}
		h.Made(record(first.ID))
		if repeated {
			if created, err = h.Record(ctx, first.ID); err != nil {
				return orGone(repeated, err)
			}
		}
		h.Saw(h.Who.PatientID, 0, false)
		return nil
	})
	return created, err
}

// UpdateRecord changes a record of the calling patient. With expect, it is
// CodePreconditionFailed when the record is at none of these revisions. A change that
// changes nothing leaves the revision as it is.
func (s *Service) UpdateRecord(ctx context.Context, caller clinic.Caller, id int64, change clinic.RecordChange, expect []clinic.Revision) (clinic.Record, error) {
	if err := s.admit(ctx, caller, record(id), onlyPatients, clinic.RolePatient); err != nil {
		return clinic.Record{}, err
	}
	var changed clinic.Record
	err := s.db.Audited(ctx, caller, record(id), func(h store.Handle) (err error) {
		if changed, err = lockRecord(ctx, h, id, expect); err != nil {
			return err
		}
		fields := change.Apply(changed.RecordFields)
		if err := fields.Validate(); err != nil {
			return err
		}
		fields.VisitDate = fields.VisitDate.UTC().Truncate(time.Microsecond) // as it is stored
		if fields == changed.RecordFields {
			return nil
		}
		updated, err := h.UpdateRecord(ctx, id, fields)
		updated.CreatedBy, updated.Comments = changed.CreatedBy, changed.Comments
		changed = updated
		return err
	})
	return changed, err
}

// DeleteRecord removes a record of the calling patient with its comments.
func (s *Service) DeleteRecord(ctx context.Context, caller clinic.Caller, id int64, expect []clinic.Revision) error {
	if err := s.admit(ctx, caller, record(id), onlyPatients, clinic.RolePatient); err != nil {
		return err
	}
	return s.db.Audited(ctx, caller, record(id), func(h store.Handle) error {
		if expect != nil {
			if _, err := lockRecord(ctx, h, id, expect); err != nil {
				return err
			}
		}
		return h.DeleteRecord(ctx, id)
	})
}

func record(id int64) clinic.Object { return clinic.Object{Kind: clinic.ObjectRecord, ID: id} }

// lockRecord locks one of the calling patient's records and returns it, if it
// is at a revision that is expected; nil expects any.
func lockRecord(ctx context.Context, h store.Handle, id int64, expect []clinic.Revision) (clinic.Record, error) {
	if err := h.LockRecord(ctx, id); err != nil {
		return clinic.Record{}, err
	}
	locked, err := h.Record(ctx, id)
	if err != nil {
		return clinic.Record{}, err
	}
	if expect != nil && !slices.Contains(expect, locked.Revision()) {
		return clinic.Record{}, clinic.PreconditionFailed()
	}
	return locked, nil
}

// MyPatients lists the calling doctor's patients of now, by patient id.
func (s *Service) MyPatients(ctx context.Context, caller clinic.Caller, page clinic.PageRequest) (clinic.Page[clinic.PatientSummary], error) {
	if err := s.admit(ctx, caller, clinic.Object{Kind: clinic.ObjectPatient}, onlyDoctors, clinic.RoleDoctor); err != nil {
		return clinic.Page[clinic.PatientSummary]{}, err
	}
	return s.db.As(caller).PatientsOfDoctor(ctx, page)
}
