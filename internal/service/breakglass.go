package service

import (
	"context"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
)

// OpenBreakGlass lets a verified doctor read a patient's records for a set time
// without an assignment. The patient and all administrators are notified.
// A doctor can name any patient, but finding out whether one exists
// costs this alarm. While the access is open, a repetition returns it, with
// opened false.
//
// A wrong password fails with CodeInvalid and reason "wrong_password" instead of
// CodeUnauthenticated, which makes clients renew the access token and
// send the same request again.
func (s *Assignments) OpenBreakGlass(ctx context.Context, caller clinic.Caller, req clinic.BreakGlassRequest, idem clinic.Idempotency) (a clinic.Assignment, opened bool, err error) {
	object := clinic.Object{Kind: clinic.ObjectPatient, ID: req.PatientID}
	if err := admit(ctx, s.db, caller, object, require(caller, "only doctors may open emergency access", clinic.RoleDoctor)); err != nil {
		return clinic.Assignment{}, false, err
	}
	if err := req.Validate(); err != nil {
		return clinic.Assignment{}, false, err
	}
	if _, err := s.auth.confirmPassword(ctx, caller, "password", req.Password); err != nil {
		return clinic.Assignment{}, false, s.db.Refused(ctx, caller, object, err)
	}
	err = s.db.Audited(ctx, caller, object, func(h store.Handle) error {
		verified, err := h.Doctors().LockEmergency(ctx, h.Who.DoctorID)
		if err != nil {
			return err
		}
		if !verified || !h.Who.Verified { // as in assign
			return clinic.DoctorUnverified()
		}
		id, repeated, err := once(ctx, h, idem, func() (id int64, err error) {
			id, opened, err = h.Assignments().OpenBreakGlass(ctx, req.PatientID, req.Reason, s.breakGlass)
			return id, err
		})
		if err != nil {
			return err
		}
		h.AuditObject(assignment(id))
		if a, err = h.Assignments().Get(ctx, id); err != nil {
			return orGone(repeated, err)
		}
		h.AuditPatient(req.PatientID, id, true)
		return nil
	})
	if err != nil {
		return clinic.Assignment{}, false, err
	}
	if opened {
		s.log.WarnContext(ctx, "emergency access was opened", "assignment_id", a.ID, "user_id", caller.UserID)
	}
	return a, opened, nil
}
