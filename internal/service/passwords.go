package service

import (
	"context"
	"fmt"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
)

// ChangePassword gives the caller another password and ends all of his sessions
// but the one that he calls by. A wrong present password is CodeInvalid with
// reason "wrong_password".
func (s *Service) ChangePassword(ctx context.Context, caller clinic.Caller, current, changed string) error {
	known, err := s.confirmPassword(ctx, caller, "current_password", current)
	if err != nil {
		return err
	}
	if err := clinic.ValidatePassword("new_password", changed, known.User.Username, known.User.Email); err != nil {
		return err
	}
	hash, err := s.passwords.Hash(ctx, changed)
	if err != nil {
		return err
	}
	err = s.db.Tx(ctx, &caller, func(h store.Handle) error {
		if err := h.ChangePassword(ctx, known.Version, hash); err != nil {
			return err
		}
		return h.EndOtherSessions(ctx)
	})
	if err != nil {
		return fmt.Errorf("changing a password: %w", err)
	}
	return nil
}

// confirmPassword asks the caller for his password again, told as field, for
// what an access token alone must not be enough.
func (s *Service) confirmPassword(ctx context.Context, caller clinic.Caller, field, password string) (store.Credentials, error) {
	known, err := s.db.As(caller).Credentials(ctx)
	if err != nil {
		return store.Credentials{}, err
	}
	wrong := clinic.Invalid(field, "the password is wrong").WithReason("wrong_password")
	return known, s.confirm(ctx, caller, wrong, func() (bool, error) {
		right, _, err := s.passwords.Verify(ctx, known.PasswordHash, password)
		return right, err
	})
}

// checkPassword is CodeUnauthenticated unless the password is that of the account.
func (s *Service) checkPassword(ctx context.Context, known store.Credentials, password string) error {
	ok, _, err := s.passwords.Verify(ctx, known.PasswordHash, password)
	if err == nil && !ok {
		err = errBadCredentials()
	}
	return err
}
