package service

import (
	"context"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
)

// Comments are the use cases of doctors' comments on records.
type Comments struct {
	db         *store.DB
	correction time.Duration
}

// NewComments returns the use cases. Authors can correct a comment within the time; 0: never.
func NewComments(db *store.DB, correction time.Duration) *Comments {
	return &Comments{db: db, correction: correction}
}

// List lists the comments of a record that the caller may read, oldest first.
func (s *Comments) List(ctx context.Context, caller clinic.Caller, recordID int64, page clinic.PageRequest) (clinic.Page[clinic.Comment], error) {
	if err := admit(ctx, s.db, caller, record(recordID), require(caller, onlyReaders, clinic.RolePatient, clinic.RoleDoctor)); err != nil {
		return clinic.Page[clinic.Comment]{}, err
	}
	return s.db.As(caller).Comments().List(ctx, recordID, page)
}

// Add adds a comment of an assigned doctor. For a doctor with emergency access
// it fails with CodeForbidden and reason "read_only".
//
//nolint:revive // argument-limit: the six are the parts of the request; a struct would have one user
func (s *Comments) Add(ctx context.Context, caller clinic.Caller, recordID int64, text string, private bool, idem clinic.Idempotency) (clinic.Comment, error) {
	if err := admit(ctx, s.db, caller, record(recordID), require(caller, "only doctors may comment", clinic.RoleDoctor)); err != nil {
		return clinic.Comment{}, err
	}
	if err := clinic.ValidateComment(&text); err != nil {
		return clinic.Comment{}, err
	}
	if idem.Key == "" {
		added, _, err := s.db.As(caller).Comments().Insert(ctx, recordID, text, private)
		if clinic.CodeOf(err) != clinic.CodeNotFound {
			return added, s.db.Refused(ctx, caller, record(recordID), err)
		} // else the transaction below finds out why, for the answer and the audit row
	}
	var added clinic.Comment
	err := s.db.Audited(ctx, caller, record(recordID), func(h store.Handle) (err error) {
		first, repeated, err := once(ctx, h, idem, func() (m made, err error) {
			added, m.PatientID, err = addComment(ctx, h, recordID, text, private)
			m.ID = added.ID
			return m, err
		})
		if err != nil || !repeated {
			return err
		}
		added, err = commentAgain(ctx, h, first)
		if err == nil && !added.Private { // as InsertComment does
			h.AuditObject(clinic.Object{Kind: clinic.ObjectComment, ID: added.ID})
		}
		return err
	})
	return added, err
}

func addComment(ctx context.Context, h store.Handle, recordID int64, text string, private bool) (added clinic.Comment, patientID int64, err error) {
	added, patientID, err = h.Comments().Insert(ctx, recordID, text, private)
	if clinic.CodeOf(err) == clinic.CodeNotFound {
		// Where the record was deleted meanwhile, the transaction has failed, and so does this check.
		if emergency, errCheck := h.Records().Check(ctx, recordID); errCheck == nil && emergency {
			err = clinic.Forbidden("emergency access only allows reading; comments need an assignment").WithReason("read_only")
		}
	}
	return added, patientID, err
}

// commentAgain answers a repetition with the comment as it is now. Callers who may still see
// the patient learn that it was deleted; for others it does not exist.
func commentAgain(ctx context.Context, h store.Handle, first made) (clinic.Comment, error) {
	comment, err := h.Comments().Get(ctx, first.ID)
	if clinic.CodeOf(err) != clinic.CodeNotFound {
		return comment, err
	}
	sees, errSees := h.Patients().Visible(ctx, first.PatientID)
	if errSees != nil {
		return clinic.Comment{}, errSees
	}
	if !sees {
		return clinic.Comment{}, clinic.NotFound("health record")
	}
	return clinic.Comment{}, orGone(true, err)
}
