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

// NewSecondFactors returns the use cases. Callers of the required roles may do nothing
// but enrol until they have a second factor.
func NewSecondFactors(db *store.DB, auth *Authenticator, required []clinic.Role) *SecondFactors {
	return &SecondFactors{db: db, auth: auth, required: required}
}

// Status tells of the caller's second factor.
func (s *SecondFactors) Status(ctx context.Context, caller clinic.Caller) (clinic.TOTPStatus, error) {
	status, err := s.db.As(caller).SecondFactors().Status(ctx)
	if err != nil && clinic.CodeOf(err) != clinic.CodeNotFound {
		return clinic.TOTPStatus{}, err
	}
	status.Required = slices.Contains(s.required, caller.Role)
	return status, nil
}

// Enroll makes a second factor for the caller, which is not asked for until
// it is confirmed. It is CodeConflict with reason "totp_enabled" where he has
// one, and "totp_not_configured" where nobody can.
func (s *SecondFactors) Enroll(ctx context.Context, caller clinic.Caller, password string) (clinic.TOTPEnrollment, error) {
	if s.auth.totp == nil {
		return clinic.TOTPEnrollment{}, clinic.Conflict("totp_not_configured", "second factors are not set up here: an operator has to set TOTP_KEY")
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

// Confirm takes a first code, from when on a login takes one, and returns
// the recovery codes. It ends the caller's other sessions. A wrong code is
// CodeInvalid with reason "totp_invalid".
func (s *SecondFactors) Confirm(ctx context.Context, caller clinic.Caller, code string) (recovery []string, err error) {
	status, err := s.db.As(caller).SecondFactors().Status(ctx)
	switch {
	case clinic.CodeOf(err) == clinic.CodeNotFound:
		return nil, clinic.Conflict("totp_not_enrolled", "there is no second factor to confirm; enrol one first")
	case err != nil:
		return nil, err
	case status.Enabled:
		return nil, clinic.Conflict("totp_enabled", "the second factor is confirmed already")
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

// Disable removes the caller's second factor, a confirmed one or not, and
// ends his other sessions: whoever has one of them may be why.
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

// RefuseEnrolling is CodeForbidden with reason "totp_enrolment_required" for a
// caller who may only set up the second factor that his role requires, and asked
// for something else. The refusal has an audit row.
func (s *SecondFactors) RefuseEnrolling(ctx context.Context, caller clinic.Caller) error {
	refusal := clinic.Forbidden("your role needs a second factor: enrol one at auth/totp/, confirm it, and refresh the access token").
		WithReason("totp_enrolment_required")
	return s.db.Refused(ctx, caller, clinic.Object{Kind: clinic.ObjectUser, ID: caller.UserID}, refusal)
}
