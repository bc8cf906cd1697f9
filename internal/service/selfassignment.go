package service

import (
	"context"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// admitSelfAssignment lets pass a doctor who asks for a patient of their own, on
// the terms that hold here, and returns the request with its end. It looks for no
// patient: whether there is one is told only after this.
//
// Where nobody may it is CodeForbidden with reason "self_assignment_off". A
// confirmation that is missing is CodeInvalid with reason "confirmation_required",
// a wrong one has "wrong_password" or "totp_invalid"; CodeTooMany says that there
// were too many wrong ones in this session. Refusals have an audit row, but for
// requests that lack something.
func (s *Assignments) admitSelfAssignment(ctx context.Context, caller clinic.Caller, object clinic.Object, req clinic.AssignmentRequest) (clinic.AssignmentRequest, error) {
	switch s.selfTerms {
	case clinic.SelfAssignmentOpen:
		return req, s.validate(ctx, &req)
	case clinic.SelfAssignmentOff:
		refusal := clinic.Forbidden("doctors do not assign themselves here; ask an administrator").WithReason("self_assignment_off")
		return req, s.db.Refused(ctx, caller, object, refusal)
	case clinic.SelfAssignmentConfirm:
	}
	now, err := s.db.System().Now(ctx)
	if err != nil {
		return req, err
	}
	if err := req.ValidateConfirmed(now); err != nil {
		return req, err
	}
	if req.EndsAt == nil {
		req.EndsAt = new(now.Add(clinic.SelfAssignmentTime))
	}
	if req.TOTPCode != "" {
		err = s.auth.confirmTOTPCode(ctx, caller, "totp_code", req.TOTPCode)
	} else {
		_, err = s.auth.confirmPassword(ctx, caller, "password", req.Password)
	}
	if err != nil {
		return req, s.db.Refused(ctx, caller, object, err)
	}
	return req, nil
}

// noteSelfAssignment counts and logs what a doctor made for themselves.
func (s *Assignments) noteSelfAssignment(ctx context.Context, caller clinic.Caller, a clinic.Assignment) {
	s.selfMade.Add(1)
	s.log.WarnContext(ctx, "a doctor assigned themselves", "assignment_id", a.ID, "user_id", caller.UserID, "terms", string(s.selfTerms))
}

// SelfAssignments says how many assignments of themselves doctors made through
// these Assignments, and on which terms.
func (s *Assignments) SelfAssignments() (made int64, terms clinic.SelfAssignment) {
	return s.selfMade.Load(), s.selfTerms
}
