package service

import (
	"context"
	"fmt"
	"slices"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
	"github.com/healthrecords/healthrecords/internal/token"
)

// SecondFactors are the use cases of the caller's own second factor.
type SecondFactors struct {
	db       *store.DB
	auth     *Authenticator
	required []clinic.Role
}

// NewSecondFactors returns the use cases. Callers of the required roles may only
// enroll until they have a second factor.
func NewSecondFactors(db *store.DB, auth *Authenticator, required []clinic.Role) *SecondFactors {
	return &SecondFactors{db: db, auth: auth, required: required}
}

// Status describes the caller's second factor.
func (s *SecondFactors) Status(ctx context.Context, caller clinic.Caller) (clinic.TOTPStatus, error) {
	status, err := s.db.As(caller).SecondFactors().Status(ctx)
	if err != nil && clinic.CodeOf(err) != clinic.CodeNotFound {
		return clinic.TOTPStatus{}, err
	}
	status.Required = slices.Contains(s.required, caller.Role)
	return status, nil
}

// Enroll makes a second factor for the caller, which logins do not require until
// it is confirmed. It fails with CodeConflict and reason "totp_enabled" where the caller has
// one, and "totp_not_configured" where second factors are not available.
func (s *SecondFactors) Enroll(ctx context.Context, caller clinic.Caller, password string) (clinic.TOTPEnrollment, error) {
	if s.auth.totp == nil {
		return clinic.TOTPEnrollment{}, clinic.Conflict("totp_not_configured", "second factors are not available: an operator has to set TOTP_KEY")
	}
	known, err := s.auth.confirmPassword(ctx, caller, "password", password)
	if err != nil {
		return clinic.TOTPEnrollment{}, err
	}
	enrollment, sealed, err := s.auth.totp.Enroll(known.User)
	if err != nil {
		return clinic.TOTPEnrollment{}, err
	}
	if err := s.db.As(caller).SecondFactors().Enroll(ctx, sealed); err != nil {
		return clinic.TOTPEnrollment{}, err
	}
	return enrollment, nil
}

// Confirm confirms the factor by its first code. From then on logins require a code. It returns
// the recovery codes and ends the caller's other sessions. A wrong code fails with
// CodeInvalid and reason "totp_invalid".
func (s *SecondFactors) Confirm(ctx context.Context, caller clinic.Caller, code string) (recovery []string, err error) {
	status, err := s.db.As(caller).SecondFactors().Status(ctx)
	switch {
	case clinic.CodeOf(err) == clinic.CodeNotFound:
		return nil, clinic.Conflict("totp_not_enrolled", "this account has no second factor to confirm; enroll one first")
	case err != nil:
		return nil, err
	case status.Enabled:
		return nil, clinic.Conflict("totp_enabled", "the second factor is already confirmed")
	}
	right, ok, err := s.auth.tryTOTP(ctx, caller.UserID, code, false)
	if err != nil {
		return nil, err
	}
	recovery, hashes := token.NewRecoveryCodes()
	err = s.db.Tx(ctx, &caller, func(h store.Handle) error {
		if ok {
			ok, err = h.SecondFactors().TakeCode(ctx, right)
		}
		switch {
		case err != nil:
			return err
		case !ok:
			return clinic.Invalid("code", "this code is not valid").WithReason("totp_invalid")
		}
		if err := h.SecondFactors().Confirm(ctx, hashes); err != nil {
			return err
		}
		return h.Sessions().EndOthers(ctx)
	})
	if err != nil {
		return nil, fmt.Errorf("confirming a second factor: %w", err)
	}
	return recovery, nil
}

// Disable removes the caller's second factor, confirmed or not, and
// ends their other sessions, one of which may belong to a thief.
func (s *SecondFactors) Disable(ctx context.Context, caller clinic.Caller, password string) error {
	if _, err := s.auth.confirmPassword(ctx, caller, "password", password); err != nil {
		return err
	}
	err := s.db.Tx(ctx, &caller, func(h store.Handle) error {
		if err := h.SecondFactors().Disable(ctx); err != nil {
			return err
		}
		return h.Sessions().EndOthers(ctx)
	})
	if err != nil {
		return fmt.Errorf("disabling a second factor: %w", err)
	}
	return nil
}

// RefuseEnrolling returns CodeForbidden with reason "totp_enrolment_required" for a
// caller who may only set up the second factor that their role requires, and tried
// something else. The refusal has an audit row.
func (s *SecondFactors) RefuseEnrolling(ctx context.Context, caller clinic.Caller) error {
	refusal := clinic.Forbidden("your role needs a second factor: enroll one at /api/auth/totp/, confirm it, and refresh the access token").
		WithReason("totp_enrolment_required")
	return s.db.Refused(ctx, caller, clinic.Object{Kind: clinic.ObjectUser, ID: caller.UserID}, refusal)
}
