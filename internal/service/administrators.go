package service

import (
	"context"
	"errors"
	"fmt"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
	"github.com/healthrecords/healthrecords/internal/token"
)

// Administrators are the use cases of the command line that make administrators.
type Administrators struct {
	db        *store.DB
	passwords *token.Hasher
}

// NewAdministrators returns the use cases.
func NewAdministrators(db *store.DB, passwords *token.Hasher) *Administrators {
	return &Administrators{db: db, passwords: passwords}
}

// Create makes an administrator; for the command line, never reachable over
// the network. When the username is taken it is CodeConflict with reason
// "username_taken", and the user is the one who has it.
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
