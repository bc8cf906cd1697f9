package service

import (
	"context"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
)

// Comments lists the comments of a record that the caller may read, oldest first.
func (s *Service) Comments(ctx context.Context, caller clinic.Caller, recordID int64, page clinic.PageRequest) (clinic.Page[clinic.Comment], error) {
	if err := s.admit(ctx, caller, record(recordID), onlyReaders, clinic.RolePatient, clinic.RoleDoctor); err != nil {
		return clinic.Page[clinic.Comment]{}, err
	}
	return s.db.As(caller).Comments(ctx, recordID, page)
}

// AddComment adds an assigned doctor's comment. For one who has emergency access
// it is CodeForbidden with reason "read_only".
//
//nolint:revive // argument-limit: the six are what the request holds; a struct would have one user
func (s *Service) AddComment(ctx context.Context, caller clinic.Caller, recordID int64, text string, private bool, idem clinic.Idempotency) (clinic.Comment, error) {
	if err := s.admit(ctx, caller, record(recordID), "only a doctor may comment", clinic.RoleDoctor); err != nil {
		return clinic.Comment{}, err
	}
	if err := clinic.ValidateComment(&text); err != nil {
		return clinic.Comment{}, err
	}
	var added clinic.Comment
	err := s.db.Audited(ctx, caller, record(recordID), func(h store.Handle) (err error) {
		if idem.Key != "" { // the kept answer of a repetition is for who may still read the record
			if err := h.CheckRecord(ctx, recordID); err != nil {
				return err
			}
		}
		added, err = once(ctx, h, idem, func() (clinic.Comment, error) {
			return addComment(ctx, h, recordID, text, private)
		})
		if err == nil && !added.Private { // the row of a private one has the record: the patient may see that row, and no such comment
			h.Made(clinic.Object{Kind: clinic.ObjectComment, ID: added.ID})
		}
		return err
	})
	return added, err
}

func addComment(ctx context.Context, h store.Handle, recordID int64, text string, private bool) (clinic.Comment, error) {
	added, err := h.InsertComment(ctx, recordID, text, private)
	if clinic.CodeOf(err) == clinic.CodeNotFound && h.CheckRecord(ctx, recordID) == nil {
		err = clinic.Forbidden("emergency access is for reading").WithReason("read_only")
	}
	return added, err
}
