package store

import (
	"context"
	"fmt"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store/dbsqlc"
)

// Enroll keeps a sealed secret for the caller, to be confirmed. It is
// CodeConflict when he has a confirmed one.
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

// Status tells of the caller's factor; CodeNotFound when he has none, not
// even one to be confirmed.
func (h SecondFactors) Status(ctx context.Context) (clinic.TOTPStatus, error) {
	row, err := h.q.TOTPStatus(ctx, h.db, h.Who.UserID)
	if err != nil {
		return clinic.TOTPStatus{}, fmt.Errorf("reading a second factor: %w", orNotFound(err, "second factor"))
	}
	return clinic.TOTPStatus{Enabled: row.Enabled, RecoveryCodes: int(row.RecoveryCodes)}, nil
}

// Try counts an attempt and returns the sealed secret of the user's factor,
// a confirmed one or one to be confirmed. It is CodeNotFound when there is none
// such, or when too many attempts were wrong.
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

// TOTPCode is a code that was found right.
type TOTPCode struct {
	UserID int64
	Secret []byte // sealed: the factor that it is of
	Step   int64  // the time step that it is of
}

// TakeCode takes a code, and reports whether it was the first of its step or a
// later one, and of the factor that there is now.
func (h SecondFactors) TakeCode(ctx context.Context, code TOTPCode) (taken bool, err error) {
	n, err := h.q.TakeTOTP(ctx, h.db, dbsqlc.TakeTOTPParams{UserID: code.UserID, Secret: code.Secret, Step: code.Step})
	if err != nil {
		return false, fmt.Errorf("taking a code: %w", translate(err))
	}
	return n == 1, nil
}

// TakeRecoveryCode uses the code up, and reports whether it was there.
func (h SecondFactors) TakeRecoveryCode(ctx context.Context, userID int64, hash []byte) (taken bool, err error) {
	n, err := h.q.TakeRecoveryCode(ctx, h.db, dbsqlc.TakeRecoveryCodeParams{UserID: userID, CodeHash: hash})
	if err != nil {
		return false, fmt.Errorf("taking a recovery code: %w", translate(err))
	}
	return n == 1, nil
}

// Confirm keeps the caller's recovery codes and lets logins that
// were checked without the factor start no session any more.
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

// Disable removes the caller's factor and its recovery codes; CodeConflict
// when he has none.
func (h SecondFactors) Disable(ctx context.Context) error {
	n, err := h.q.DisableTOTP(ctx, h.db, h.Who.UserID)
	if err != nil {
		return fmt.Errorf("disabling a second factor: %w", translate(err))
	}
	if n == 0 {
		return clinic.Conflict("totp_not_enrolled", "there is no second factor to disable")
	}
	return nil
}
