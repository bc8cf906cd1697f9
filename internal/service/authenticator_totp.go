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

// maxTOTPWait is the longest that wrong codes keep from another try: see TryTOTP's query.
const maxTOTPWait = 15 * time.Minute

var errNoTOTPKey = errors.New("there is no key for second factors")

// checkSecondFactor lets pass who has none, or proves it. It is
// CodeUnauthenticated with reason "totp_required" without a code, and
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
func (s *Authenticator) confirmTOTPCode(ctx context.Context, caller clinic.Caller, field, code string) error {
	sealed, err := s.db.As(caller).SecondFactors().Secret(ctx)
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
			right, err = s.db.System().SecondFactors().TakeCode(ctx, store.TOTPCode{UserID: caller.UserID, Secret: sealed, Step: step})
		}
		return right, err
	})
}

// tryTOTP checks a code, and counts it as wrong until it is taken. When too many
// were, it is CodeTooMany with reason "totp_throttled": the wait ends by itself,
// and only who knows the password can make it begin.
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
