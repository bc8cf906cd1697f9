package service

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
	"github.com/healthrecords/healthrecords/internal/token"
)

// maxTOTPWait is the longest wait after wrong codes: see TryTOTP's query.
const maxTOTPWait = 15 * time.Minute

var errNoTOTPKey = errors.New("no key for second factors is set")

// checkSecondFactor succeeds for an account without a factor and for a right code. It fails
// with CodeUnauthenticated and reason "totp_required" without a code, and
// "totp_invalid" with a wrong one.
func (s *Authenticator) checkSecondFactor(ctx context.Context, known store.Credentials, second clinic.SecondFactor) error {
	if !known.SecondFactor {
		return nil
	}
	h := s.db.System()
	var ok bool
	var err error
	switch {
	case second.RecoveryCode != "":
		ok, err = h.SecondFactors().TakeRecoveryCode(ctx, known.User.ID, token.HashRecoveryCode(second.RecoveryCode))
	case second.TOTPCode != "":
		var right store.TOTPCode
		if right, ok, err = s.tryTOTP(ctx, known.User.ID, second.TOTPCode, true); ok {
			ok, err = h.SecondFactors().TakeCode(ctx, right)
		}
	default:
		return clinic.Unauthenticated("send a code from your authenticator as totp_code, or a recovery code as recovery_code").WithReason("totp_required")
	}
	if err == nil && !ok {
		err = clinic.Unauthenticated("the second factor's code is not valid").WithReason("totp_invalid")
	}
	return err
}

// confirmTOTPCode checks a code of the caller's second factor, the field of that name, within
// their session. A code is accepted once, as at a login. A wrong one slows
// down no login: the session's quota counts it.
func (s *Authenticator) confirmTOTPCode(ctx context.Context, caller clinic.Caller, field, code string) error {
	sealed, err := s.db.As(caller).SecondFactors().Secret(ctx)
	if err != nil && clinic.CodeOf(err) != clinic.CodeNotFound {
		return err
	}
	wrong := clinic.Invalid(field, "this code is not valid").WithReason("totp_invalid")
	return s.confirm(ctx, caller, wrong, func() (right bool, err error) {
		if sealed == nil || s.totp == nil { // without a factor no code is right
			return false, nil
		}
		step, right, err := s.totp.Check(caller.UserID, sealed, code)
		if err == nil && right {
			right, err = s.db.System().SecondFactors().TakeCode(ctx, store.TOTPCode{UserID: caller.UserID, Secret: sealed, Step: step})
		}
		return right, err
	})
}

// tryTOTP checks a code, and counts it as wrong until it is accepted. After too many
// wrong ones it fails with CodeTooMany and reason "totp_throttled". The wait ends by itself,
// and only somebody who knows the password can cause it.
func (s *Authenticator) tryTOTP(ctx context.Context, userID int64, code string, confirmed bool) (right store.TOTPCode, ok bool, err error) {
	if s.totp == nil {
		return store.TOTPCode{}, false, fmt.Errorf("checking a second factor: %w", clinic.Internal(errNoTOTPKey))
	}
	sealed, err := s.db.System().SecondFactors().Try(ctx, userID, confirmed)
	if clinic.CodeOf(err) == clinic.CodeNotFound {
		return store.TOTPCode{}, false, clinic.TooMany(maxTOTPWait).WithReason("totp_throttled")
	}
	if err != nil {
		return store.TOTPCode{}, false, err
	}
	step, ok, err := s.totp.Check(userID, sealed, code)
	return store.TOTPCode{UserID: userID, Secret: sealed, Step: step}, ok, err
}
