package service

import (
	"context"
	"errors"
	"fmt"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
	"github.com/healthrecords/healthrecords/internal/token"
)

// Administrators are the use cases of `healthrecords admin`: making administrators, and helping users
// who cannot log in. None of them is reachable over the network.
type Administrators struct {
	db        *store.DB
	passwords *token.Hasher
}

// NewAdministrators returns the use cases.
func NewAdministrators(db *store.DB, passwords *token.Hasher) *Administrators {
	return &Administrators{db: db, passwords: passwords}
}

// Create makes an administrator. It is for the command line and never reachable over
// the network. When the username is taken it fails with CodeConflict and reason
// "username_taken", and returns the user who has it.
func (s *Administrators) Create(ctx context.Context, r clinic.Registration) (clinic.User, error) {
	r.Role = clinic.RoleAdmin
	if err := r.Validate(); err != nil {
		return clinic.User{}, err
	}
	hash, err := s.passwords.Hash(ctx, r.Password)
	if err != nil {
		return clinic.User{}, err
	}
	user, err := s.db.System().Accounts().Create(ctx, r, hash, false)
	if err == nil {
		return user, nil
	}
	if clinic.ReasonOf(err) == "username_taken" {
		known, errFind := s.db.Account(store.ByUsername(r.Username)).Accounts().Credentials(ctx)
		user, err = known.User, errors.Join(err, errFind)
	}
	return user, fmt.Errorf("creating an administrator: %w", err)
}
