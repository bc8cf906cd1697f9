package store

import (
	"context"
	"fmt"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store/dbsqlc"
)

// Enroll stores a sealed secret for the caller, who has to confirm it. It fails with
// CodeConflict when the caller has a confirmed one.
func (h SecondFactors) Enroll(ctx context.Context, secret []byte) error {
	n, err := h.q.EnrollTOTP(ctx, h.db, dbsqlc.EnrollTOTPParams{UserID: h.Who.UserID, Secret: secret})
	if err != nil {
		return fmt.Errorf("enrolling a second factor: %w", translate(err))
	}
	if n == 0 {
		return clinic.Conflict("totp_enabled", "the second factor is in use already; disable it first")
	}
	return nil
}

// Status describes the caller's factor. It fails with CodeNotFound when the caller has
// none, not even an unconfirmed one.
func (h SecondFactors) Status(ctx context.Context) (clinic.TOTPStatus, error) {
	row, err := h.q.TOTPStatus(ctx, h.db, h.Who.UserID)
	if err != nil {
		return clinic.TOTPStatus{}, fmt.Errorf("reading a second factor: %w", orNotFound(err, "second factor"))
	}
	return clinic.TOTPStatus{Enabled: row.Enabled, RecoveryCodes: int(row.RecoveryCodes)}, nil
}

// Try counts an attempt and returns the sealed secret of the user's factor,
// a confirmed or an unconfirmed one. It fails with CodeNotFound when the user has no such
// factor, or made too many wrong attempts.
func (h SecondFactors) Try(ctx context.Context, userID int64, confirmed bool) (secret []byte, err error) {
	secret, err = h.q.TryTOTP(ctx, h.db, dbsqlc.TryTOTPParams{UserID: userID, Confirmed: confirmed})
	if err != nil {
		return nil, fmt.Errorf("trying a second factor: %w", orNotFound(err, "second factor"))
	}
	return secret, nil
}

// Secret returns the sealed secret of the caller's confirmed factor, and
// CodeNotFound when there is none. It counts no attempt.
func (h SecondFactors) Secret(ctx context.Context) (secret []byte, err error) {
	secret, err = h.q.SecondFactor(ctx, h.db, h.Who.UserID)
	if err != nil {
		return nil, fmt.Errorf("reading a second factor: %w", orNotFound(err, "second factor"))
	}
	return secret, nil
}

// TOTPCode is a code that was verified.
type TOTPCode struct {
	UserID int64
	Secret []byte // sealed: that of the code's factor
	Step   int64  // the code's time step
}

// TakeCode uses the code up. It reports whether its step is later than that of every code
// used before, and its factor is the present one.
func (h SecondFactors) TakeCode(ctx context.Context, code TOTPCode) (taken bool, err error) {
	n, err := h.q.TakeTOTP(ctx, h.db, dbsqlc.TakeTOTPParams{UserID: code.UserID, Secret: code.Secret, Step: code.Step})
	if err != nil {
		return false, fmt.Errorf("taking a code: %w", translate(err))
	}
	return n == 1, nil
}

// TakeRecoveryCode uses the code up, and reports whether it existed.
func (h SecondFactors) TakeRecoveryCode(ctx context.Context, userID int64, hash []byte) (taken bool, err error) {
	n, err := h.q.TakeRecoveryCode(ctx, h.db, dbsqlc.TakeRecoveryCodeParams{UserID: userID, CodeHash: hash})
	if err != nil {
		return false, fmt.Errorf("taking a recovery code: %w", translate(err))
	}
	return n == 1, nil
}

// Confirm keeps the caller's recovery codes. Logins that were checked without the
// factor can no longer start a session.
func (h SecondFactors) Confirm(ctx context.Context, recoveryHashes [][]byte) error {
	err := h.q.KeepRecoveryCodes(ctx, h.db, dbsqlc.KeepRecoveryCodesParams{UserID: h.Who.UserID, Hashes: recoveryHashes})
	if err == nil {
		err = h.q.CredentialsChanged(ctx, h.db, h.Who.UserID)
	}
	if err != nil {
		return fmt.Errorf("confirming a second factor: %w", translate(err))
	}
	return nil
}

// Disable removes the caller's factor and its recovery codes. It fails with CodeConflict
// when the caller has none.
func (h SecondFactors) Disable(ctx context.Context) error {
	return removeSecondFactor(ctx, h.handle, h.Who.UserID)
}

func removeSecondFactor(ctx context.Context, h handle, userID int64) error {
	n, err := h.q.DisableTOTP(ctx, h.db, userID)
	if err != nil {
		return fmt.Errorf("disabling a second factor: %w", translate(err))
	}
	if n == 0 {
		return clinic.Conflict("totp_not_enrolled", "this account has no second factor to disable")
	}
	return nil
}
