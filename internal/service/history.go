package service

import (
	"context"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
)

// GetDeleted is Get for a record that is deleted. One that is not is not found.
func (s *Records) GetDeleted(ctx context.Context, caller clinic.Caller, id int64) (clinic.Record, error) {
	if err := admit(ctx, s.db, caller, record(id), require(caller, onlyReaders, clinic.RolePatient, clinic.RoleDoctor)); err != nil {
		return clinic.Record{}, err
	}
	return s.db.As(caller).Records().GetDeleted(ctx, id)
}

// Versions lists the versions of a record that the caller may read, deleted or not, the latest first.
func (s *Records) Versions(ctx context.Context, caller clinic.Caller, id int64, page clinic.PageRequest) (clinic.Page[clinic.RecordVersion], error) {
	if err := admit(ctx, s.db, caller, record(id), require(caller, onlyReaders, clinic.RolePatient, clinic.RoleDoctor)); err != nil {
		return clinic.Page[clinic.RecordVersion]{}, err
	}
	return s.db.As(caller).Records().Versions(ctx, id, page)
}

// Version returns one version of a record that the caller may read.
func (s *Records) Version(ctx context.Context, caller clinic.Caller, id, version int64) (clinic.RecordVersion, error) {
	if err := admit(ctx, s.db, caller, record(id), require(caller, onlyReaders, clinic.RolePatient, clinic.RoleDoctor)); err != nil {
		return clinic.RecordVersion{}, err
	}
	return s.db.As(caller).Records().Version(ctx, id, version)
}

// Compare returns the fields that differ between two versions of a record that the caller may read.
func (s *Records) Compare(ctx context.Context, caller clinic.Caller, id, from, to int64) ([]clinic.FieldChange, error) {
	if err := admit(ctx, s.db, caller, record(id), require(caller, onlyReaders, clinic.RolePatient, clinic.RoleDoctor)); err != nil {
		return nil, err
	}
	before, after, err := s.db.As(caller).Records().Compare(ctx, id, from, to)
	if err != nil {
		return nil, err
	}
	return clinic.Differences(before, after), nil
}

// Restore makes a record of the calling patient what it was in a version. A deleted record exists again; version 0 stands for
// the one that was deleted. With expect, it fails with CodePreconditionFailed when the record is at none of these revisions.
func (s *Records) Restore(ctx context.Context, caller clinic.Caller, id, version int64, expect []clinic.Revision) (clinic.Record, error) {
	if err := admit(ctx, s.db, caller, record(id), require(caller, onlyPatients, clinic.RolePatient)); err != nil {
		return clinic.Record{}, err
	}
	var restored clinic.Record
	err := s.db.Audited(ctx, caller, record(id), func(h store.Handle) (err error) {
		restored, err = restoreDeleted(ctx, h, id, version)
		if clinic.CodeOf(err) != clinic.CodeNotFound {
			return err
		}
		locked, err := lockRecord(ctx, h, id, expect)
		switch {
		case clinic.CodeOf(err) == clinic.CodeNotFound: // a deletion that both statements met is over now
			restored, err = restoreDeleted(ctx, h, id, version)
		case err == nil:
			restored, err = restoreTo(ctx, h, locked, version)
		}
		if version != 0 && clinic.CodeOf(err) == clinic.CodeNotFound { // as for a record that is not deleted, and for one of others
			err = clinic.NotFound("version")
		}
		return err
	})
	return restored, err
}

// restoreDeleted makes a deleted record what it was in the version.
func restoreDeleted(ctx context.Context, h store.Handle, id, version int64) (clinic.Record, error) {
	if err := h.Records().Restore(ctx, id, version); err != nil {
		return clinic.Record{}, err
	}
	return lockRecord(ctx, h, id, nil)
}

// restoreTo makes a locked record what it was in the version.
func restoreTo(ctx context.Context, h store.Handle, locked clinic.Record, version int64) (clinic.Record, error) {
	if version == 0 {
		return clinic.Record{}, clinic.Invalid("version", "the record is not deleted; enter the number of the version to return to")
	}
	content, err := h.Records().Version(ctx, locked.ID, version)
	if err != nil {
		return clinic.Record{}, err
	}
	if content.RecordFields == locked.RecordFields && content.ErrorReason == locked.ErrorReason {
		return locked, nil
	}
	locked.RecordFields, locked.ErrorReason = content.RecordFields, content.ErrorReason
	return h.Records().Update(ctx, locked) // the last statement
}

// MarkInError marks a record of the calling patient as entered in error, for the reason, or takes the mark back with "". Lists
// leave a marked record out unless they are asked for it. With expect, it fails with CodePreconditionFailed when the record is
// at none of these revisions.
func (s *Records) MarkInError(ctx context.Context, caller clinic.Caller, id int64, reason string, expect []clinic.Revision) (clinic.Record, error) {
	if err := admit(ctx, s.db, caller, record(id), require(caller, onlyPatients, clinic.RolePatient)); err != nil {
		return clinic.Record{}, err
	}
	if reason != "" {
		if err := clinic.ValidateErrorReason(&reason); err != nil {
			return clinic.Record{}, err
		}
	}
	return s.change(ctx, caller, id, expect, func(r *clinic.Record) error {
		r.ErrorReason = reason
		return nil
	})
}

// Versions lists the texts of a comment that the caller may read, also of one on a deleted record, the latest first.
func (s *Comments) Versions(ctx context.Context, caller clinic.Caller, id int64, page clinic.PageRequest) (clinic.Page[clinic.CommentVersion], error) {
	object := clinic.Object{Kind: clinic.ObjectComment, ID: id}
	if err := admit(ctx, s.db, caller, object, require(caller, onlyReaders, clinic.RolePatient, clinic.RoleDoctor)); err != nil {
		return clinic.Page[clinic.CommentVersion]{}, err
	}
	return s.db.As(caller).Comments().Versions(ctx, id, page)
}
