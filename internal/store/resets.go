package store

import (
	"context"
	"fmt"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store/dbsqlc"
)

// Lock keeps the account from being disabled, and its credentials from changing, until the transaction
// ends. It fails with CodeNotFound when the account does not exist, and with CodeConflict and
// reason "account_disabled" when it is not active.
func (h Resets) Lock(ctx context.Context, userID int64) error {
	active, err := h.q.LockAccount(ctx, h.db, userID)
	switch {
	case err != nil:
		return fmt.Errorf("locking an account: %w", orNotFound(err, "user"))
	case !active:
		return clinic.AccountDisabled()
	}
	return nil
}

// KeepCode keeps the hash of the account's new code, in place of a former one, and returns when it expires.
func (h Resets) KeepCode(ctx context.Context, userID int64, hash []byte, lifetime time.Duration) (expiresAt time.Time, err error) {
	expiresAt, err = h.q.KeepResetCode(ctx, h.db, dbsqlc.KeepResetCodeParams{UserID: userID, CodeHash: hash, Lifetime: lifetime.Seconds()})
	if err != nil {
		return time.Time{}, fmt.Errorf("keeping a reset code: %w", translate(err))
	}
	return expiresAt, nil
}

// Credentials returns the credentials of the handle's account. It fails with CodeNotFound unless the code with
// the hash is valid for it.
func (h Resets) Credentials(ctx context.Context, hash []byte) (Credentials, error) {
	row, err := h.q.CredentialsByResetCode(ctx, h.db, hash)
	if err != nil {
		return Credentials{}, fmt.Errorf("finding a reset code: %w", orNotFound(err, "reset code"))
	}
	return Credentials{User: userOf(row.Account), PasswordHash: row.PasswordHash, Version: row.CredentialsVersion, SecondFactor: row.SecondFactor}, nil
}

// TakeCode uses the code up, and reports whether it was valid.
func (h Resets) TakeCode(ctx context.Context, userID int64, hash []byte) (taken bool, err error) {
	n, err := h.q.TakeResetCode(ctx, h.db, dbsqlc.TakeResetCodeParams{UserID: userID, CodeHash: hash})
	if err != nil {
		return false, fmt.Errorf("taking a reset code: %w", translate(err))
	}
	return n == 1, nil
}

// DropCode makes the account's code invalid, if it has one.
func (h Resets) DropCode(ctx context.Context, userID int64) error {
	if err := h.q.DropResetCode(ctx, h.db, userID); err != nil {
		return fmt.Errorf("dropping a reset code: %w", translate(err))
	}
	return nil
}

// SetPassword gives the account another password. It reports whether this is the first one of
// an imported account, which nobody could log in to before.
func (h Resets) SetPassword(ctx context.Context, userID int64, passwordHash string) (first bool, err error) {
	first, err = h.q.ResetPassword(ctx, h.db, dbsqlc.ResetPasswordParams{ID: userID, PasswordHash: passwordHash})
	if err != nil {
		return false, fmt.Errorf("setting a password: %w", orNotFound(err, "user"))
	}
	return first, nil
}

// RemoveSecondFactor removes the account's second factor, confirmed or not, and its recovery codes. It fails with
// CodeConflict when the account has none.
func (h Resets) RemoveSecondFactor(ctx context.Context, userID int64) error {
	return removeSecondFactor(ctx, h.handle, userID)
}

// EndSessions ends all sessions of the account.
func (h Resets) EndSessions(ctx context.Context, userID int64) error {
	if err := h.q.EndSessions(ctx, h.db, userID); err != nil {
		return fmt.Errorf("ending sessions: %w", translate(err))
	}
	return nil
}

// AddEvent adds an event about the account; 0: about no single one. An administrator who is the
// caller, and not the user, is its actor.
func (h Resets) AddEvent(ctx context.Context, kind clinic.EventType, userID int64) error {
	actor := h.Who.UserID
	if actor == userID {
		actor = 0
	}
	err := h.q.AddAccountEvent(ctx, h.db, dbsqlc.AddAccountEventParams{Type: string(kind), UserID: orNil(userID), ActorID: orNil(actor)})
	if err != nil {
		return fmt.Errorf("adding an event about an account: %w", translate(err))
	}
	return nil
}

// WithoutPassword returns imported accounts that never had a password, by their ids, which are larger than
// after. With keep, accounts with a valid code are left out. Only ID and Username of the users are set.
func (h Resets) WithoutPassword(ctx context.Context, after int64, keep bool, most int) ([]clinic.User, error) {
	rows, err := h.q.AccountsWithoutPassword(ctx, h.db, dbsqlc.AccountsWithoutPasswordParams{After: after, Keep: keep, Most: int32(most)}) // #nosec G115 -- a batch size
	if err != nil {
		return nil, fmt.Errorf("listing accounts without a password: %w", translate(err))
	}
	users := make([]clinic.User, 0, len(rows))
	for _, r := range rows {
		users = append(users, clinic.User{ID: r.ID, Username: r.Username})
	}
	return users, nil
}

// Trim deletes expired codes, up to most, and returns how many.
func (h Resets) Trim(ctx context.Context, most int) (int, error) {
	n, err := h.q.TrimResetCodes(ctx, h.db, int64(most))
	if err != nil {
		return 0, fmt.Errorf("trimming reset codes: %w", translate(err))
	}
	return int(n), nil
}
