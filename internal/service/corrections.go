package service

import (
	"context"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
)

// Correct gives a comment another text. Only its author may, while they are assigned to the patient, and
// within the time for corrections: later it fails with CodeConflict and reason
// "comment_final". For another doctor's comment it fails with CodeForbidden and reason
// "not_author", and for a doctor with emergency access with "read_only". A correction without
// an effect keeps the version. private is what the author believes the comment to be; nil: nothing. It
// cannot change, because others have read the comment.
func (s *Comments) Correct(ctx context.Context, caller clinic.Caller, id int64, text *string, private *bool) (clinic.Comment, error) {
	object := clinic.Object{Kind: clinic.ObjectComment, ID: id}
	if err := admit(ctx, s.db, caller, object, require(caller, "only doctors may correct comments", clinic.RoleDoctor)); err != nil {
		return clinic.Comment{}, err
	}
	if text != nil {
		if err := clinic.ValidateComment(text); err != nil {
			return clinic.Comment{}, err
		}
	}
	var corrected clinic.Comment
	err := s.db.Audited(ctx, caller, object, func(h store.Handle) error {
		own, err := h.Comments().Lock(ctx, id, s.correction)
		if clinic.CodeOf(err) == clinic.CodeNotFound {
			return refuseCorrection(ctx, h, id)
		}
		if err != nil {
			return err
		}
		if err := allowCorrection(own, private); err != nil {
			return err
		}
		if text != nil && *text != own.Text {
			if err := h.Comments().Correct(ctx, id, own, *text); err != nil {
				return err
			}
		}
		if own.Private { // as for addComment
			h.AuditObject(record(own.RecordID))
		}
		corrected, err = h.Comments().Get(ctx, id)
		return err
	})
	return corrected, err
}

// allowCorrection refuses what may not change, or no longer.
func allowCorrection(own store.Own, private *bool) error {
	if !own.Correctable {
		return clinic.CommentFinal()
	}
	if private != nil && *private != own.Private {
		return clinic.Invalid("is_private", "this cannot change; add another comment")
	}
	return nil
}

// refuseCorrection says why the caller cannot correct a comment that they cannot lock. The audit row
// does not name the patient: nothing of them is shown, and the patient must not find the row of a
// private comment in their log.
func refuseCorrection(ctx context.Context, h store.Handle, id int64) error {
	comment, emergency, err := h.Comments().Find(ctx, id)
	switch {
	case err != nil:
		return err
	case comment.Doctor.ID != h.Who.DoctorID:
		return clinic.Forbidden("only the author can correct a comment").WithReason("not_author")
	case emergency:
		return clinic.Forbidden("emergency access only allows reading; corrections need an assignment").WithReason("read_only")
	}
	return clinic.CommentFinal()
}
