package service

import (
	"context"
	"fmt"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
)

// ChangePassword gives the caller another password, and ends their reset code and all of their
// sessions except the one of this call. A wrong present password fails with CodeInvalid and
// reason "wrong_password".
func (s *Accounts) ChangePassword(ctx context.Context, caller clinic.Caller, current, changed string) error {
	known, err := s.auth.confirmPassword(ctx, caller, "current_password", current)
	if err != nil {
		return err
	}
	if err := clinic.ValidatePassword("new_password", changed, known.User.Username, known.User.Email); err != nil {
		return err
	}
	hash, err := s.auth.passwords.Hash(ctx, changed)
	if err != nil {
		return err
	}
	err = s.db.Tx(ctx, &caller, func(h store.Handle) error {
		if err := h.Accounts().ChangePassword(ctx, known.Version, hash); err != nil {
			return err
		}
		if err := h.Resets().DropCode(ctx, caller.UserID); err != nil { // whoever holds one must not undo this
			return err
		}
		return h.Sessions().EndOthers(ctx)
	})
	if err != nil {
		return fmt.Errorf("changing a password: %w", err)
	}
	return nil
}
