package service

import (
	"context"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// admitSelfAssignment checks that a doctor may assign themselves, on the
// configured terms, and returns the request with its end. It does not look for the
// patient: the caller learns only later whether the patient exists.
//
// Where self-assignment is off it fails with CodeForbidden and reason "self_assignment_off". A
// missing confirmation fails with CodeInvalid and reason "confirmation_required",
// a wrong one with "wrong_password" or "totp_invalid", and too many
// wrong ones in this session with CodeTooMany. Refusals have an audit row, except
// those of incomplete requests.
func (s *Assignments) admitSelfAssignment(ctx context.Context, caller clinic.Caller, object clinic.Object, req clinic.AssignmentRequest) (clinic.AssignmentRequest, error) {
	switch s.selfTerms {
	case clinic.SelfAssignmentOpen:
		return req, s.validate(ctx, &req)
	case clinic.SelfAssignmentOff:
		refusal := clinic.Forbidden("self-assignment is off on this server; ask an administrator for the assignment").WithReason("self_assignment_off")
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

// noteSelfAssignment counts and logs an assignment that a doctor made for themselves.
func (s *Assignments) noteSelfAssignment(ctx context.Context, caller clinic.Caller, a clinic.Assignment) {
	s.selfMade.Add(1)
	s.log.WarnContext(ctx, "a doctor assigned themselves", "assignment_id", a.ID, "user_id", caller.UserID, "terms", string(s.selfTerms))
}

// SelfAssignments returns how many assignments doctors made for themselves through
// these Assignments, and on which terms.
func (s *Assignments) SelfAssignments() (made int64, terms clinic.SelfAssignment) {
	return s.selfMade.Load(), s.selfTerms
}
