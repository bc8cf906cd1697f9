package service

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
	"github.com/healthrecords/healthrecords/internal/token"
)

// maxTOTPWait is the longest that wrong codes keep from another try: see TryTOTP's query.
const maxTOTPWait = 15 * time.Minute

var errNoTOTPKey = errors.New("there is no key for second factors")

// TOTPStatus tells of the caller's second factor.
func (s *Service) TOTPStatus(ctx context.Context, caller clinic.Caller) (clinic.TOTPStatus, error) {
	status, err := s.db.As(caller).TOTPStatus(ctx)
	if err != nil && clinic.CodeOf(err) != clinic.CodeNotFound {
		return clinic.TOTPStatus{}, err
	}
	status.Required = slices.Contains(s.required, caller.Role)
	return status, nil
}

// EnrolTOTP makes a second factor for the caller, which is not asked for until
// it is confirmed. It is CodeConflict with reason "totp_enabled" where he has
// one, and "totp_not_configured" where nobody can.
func (s *Service) EnrolTOTP(ctx context.Context, caller clinic.Caller, password string) (clinic.TOTPEnrolment, error) {
	if s.totp == nil {
		return clinic.TOTPEnrolment{}, clinic.Conflict("totp_not_configured", "second factors are not set up here: an operator has to set TOTP_KEY")
	}
	known, err := s.confirmPassword(ctx, caller, "password", password)
	if err != nil {
		return clinic.TOTPEnrolment{}, err
	}
	enrolment, sealed, err := s.totp.Enrol(known.User)
	if err != nil {
		return clinic.TOTPEnrolment{}, err
	}
	if err := s.db.As(caller).EnrolTOTP(ctx, sealed); err != nil {
		return clinic.TOTPEnrolment{}, err
	}
	return enrolment, nil
}

// ConfirmTOTP takes a first code, from when on a login takes one, and returns
// the recovery codes. It ends the caller's other sessions. A wrong code is
// CodeInvalid with reason "totp_invalid".
func (s *Service) ConfirmTOTP(ctx context.Context, caller clinic.Caller, code string) (recovery []string, err error) {
	status, err := s.db.As(caller).TOTPStatus(ctx)
	switch {
	case clinic.CodeOf(err) == clinic.CodeNotFound:
		return nil, clinic.Conflict("totp_not_enrolled", "there is no second factor to confirm; enrol one first")
	case err != nil:
		return nil, err
	case status.Enabled:
		return nil, clinic.Conflict("totp_enabled", "the second factor is confirmed already")
	}
	right, ok, err := s.tryTOTP(ctx, caller.UserID, code, false)
	if err != nil {
		return nil, err
	}
	recovery, hashes := token.NewRecoveryCodes()
	err = s.db.Tx(ctx, &caller, func(h store.Handle) error {
		if ok {
			ok, err = h.TakeTOTP(ctx, right)
		}
		switch {
		case err != nil:
			return err
		case !ok:
			return clinic.Invalid("code", "this code is not valid").WithReason("totp_invalid")
		}
		if err := h.SecondFactorConfirmed(ctx, hashes); err != nil {
			return err
		}
		return h.EndOtherSessions(ctx)
	})
	if err != nil {
		return nil, fmt.Errorf("confirming a second factor: %w", err)
	}
	return recovery, nil
}

// DisableTOTP removes the caller's second factor, a confirmed one or not, and
// ends his other sessions: whoever has one of them may be why.
func (s *Service) DisableTOTP(ctx context.Context, caller clinic.Caller, password string) error {
	if _, err := s.confirmPassword(ctx, caller, "password", password); err != nil {
		return err
	}
	err := s.db.Tx(ctx, &caller, func(h store.Handle) error {
		if err := h.DisableTOTP(ctx); err != nil {
			return err
		}
		return h.EndOtherSessions(ctx)
	})
	if err != nil {
		return fmt.Errorf("disabling a second factor: %w", err)
	}
	return nil
}

// RefuseEnrolling is CodeForbidden with reason "totp_enrolment_required" for a
// caller who may only set up the second factor that his role requires, and asked
// for something else. The refusal has an audit row.
func (s *Service) RefuseEnrolling(ctx context.Context, caller clinic.Caller) error {
	refusal := clinic.Forbidden("your role needs a second factor: enrol one at auth/totp/, confirm it, and refresh the access token").
		WithReason("totp_enrolment_required")
	return s.db.Refused(ctx, caller, clinic.Object{Kind: clinic.ObjectUser, ID: caller.UserID}, refusal)
}

// checkSecondFactor lets pass who has none, or proves it. It is
// CodeUnauthenticated with reason "totp_required" without a code, and
// "totp_invalid" with a wrong one.
func (s *Service) checkSecondFactor(ctx context.Context, known store.Credentials, second clinic.SecondFactor) error {
	if !known.SecondFactor {
		return nil
	}
	h := s.db.System()
	var ok bool
	var err error
	switch {
	case second.RecoveryCode != "":
		ok, err = h.TakeRecoveryCode(ctx, known.User.ID, token.HashRecoveryCode(second.RecoveryCode))
	case second.TOTPCode != "":
		var right store.TOTPCode
		if right, ok, err = s.tryTOTP(ctx, known.User.ID, second.TOTPCode, true); ok {
			ok, err = h.TakeTOTP(ctx, right)
		}
	default:
		return clinic.Unauthenticated("send a code of your authenticator as totp_code, or a recovery_code").WithReason("totp_required")
	}
	if err == nil && !ok {
		err = clinic.Unauthenticated("the second factor's code is not valid").WithReason("totp_invalid")
	}
	return err
}

// confirmTOTPCode asks the caller, within their session, for a code of their
// second factor, told as field. It is taken once, as at a login. A wrong one slows
// down no login: the session's quota counts it.
func (s *Service) confirmTOTPCode(ctx context.Context, caller clinic.Caller, field, code string) error {
	sealed, err := s.db.As(caller).SecondFactor(ctx)
	if err != nil && clinic.CodeOf(err) != clinic.CodeNotFound {
		return err
	}
	wrong := clinic.Invalid(field, "this code is not valid").WithReason("totp_invalid")
	return s.confirm(ctx, caller, wrong, func() (right bool, err error) {
		if sealed == nil || s.totp == nil { // whoever has no factor has no right code
			return false, nil
		}
		step, right, err := s.totp.Check(caller.UserID, sealed, code)
		if err == nil && right {
			right, err = s.db.System().TakeTOTP(ctx, store.TOTPCode{UserID: caller.UserID, Secret: sealed, Step: step})
		}
		return right, err
	})
}

// tryTOTP checks a code, and counts it as wrong until it is taken. When too many
// were, it is CodeTooMany with reason "totp_throttled": the wait ends by itself,
// and only who knows the password can make it begin.
func (s *Service) tryTOTP(ctx context.Context, userID int64, code string, confirmed bool) (right store.TOTPCode, ok bool, err error) {
	if s.totp == nil {
		return store.TOTPCode{}, false, fmt.Errorf("checking a second factor: %w", clinic.Internal(errNoTOTPKey))
	}
	sealed, err := s.db.System().TryTOTP(ctx, userID, confirmed)
	if clinic.CodeOf(err) == clinic.CodeNotFound {
		return store.TOTPCode{}, false, clinic.TooMany(maxTOTPWait).WithReason("totp_throttled")
	}
	if err != nil {
		return store.TOTPCode{}, false, err
	}
	step, ok, err := s.totp.Check(userID, sealed, code)
	return store.TOTPCode{UserID: userID, Secret: sealed, Step: step}, ok, err
}
