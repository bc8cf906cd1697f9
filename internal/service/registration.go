package service

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
)

const defaultSpecialization = "General Medicine"

// Register makes an account with its profile and logs it in. A taken username
// fails with CodeConflict and reason "username_taken".
//
// Nobody is logged in yet, so the keys of registrations are one space for
// everybody, and a repetition has to prove its password: it gets
// the same user and new tokens. idem.Hash is not used: the stored hash is that of
// the registration without its password, so it does not help anybody guess it.
func (s *Accounts) Register(ctx context.Context, r clinic.Registration, idem clinic.Idempotency) (clinic.Tokens, error) {
	if err := validRegistration(&r); err != nil {
		return clinic.Tokens{}, err
	}
	if err := s.auth.throttle.Register(ctx); err != nil {
		return clinic.Tokens{}, err
	}
	if r.Role == clinic.RoleDoctor && r.Specialization == "" {
		r.Specialization = defaultSpecialization
	}
	if idem.Key == "" {
		return s.register(ctx, r, func(store.Handle, int64) error { return nil })
	}
	hash, err := registrationHash(r)
	if err != nil {
		return clinic.Tokens{}, err
	}
	session, err := s.register(ctx, r, func(h store.Handle, userID int64) error {
		return h.Accounts().KeepRegistrationKey(ctx, userID, idem.Key, hash)
	})
	if clinic.CodeOf(err) == clinic.CodeConflict {
		return s.registerAgain(ctx, r, idem.Key, hash, err)
	}
	return session, err
}

// register makes the account, runs keep, and starts the account's first session in
// one transaction. It hashes the password first in every case, so
// that a taken name takes as long as a free one.
func (s *Accounts) register(ctx context.Context, r clinic.Registration, keep func(store.Handle, int64) error) (clinic.Tokens, error) {
	hash, err := s.auth.passwords.Hash(ctx, r.Password)
	if err != nil {
		return clinic.Tokens{}, err
	}
	var session clinic.Tokens
	err = s.db.Tx(ctx, nil, func(h store.Handle) error {
		user, err := h.Accounts().Create(ctx, r, hash, s.autoVerify)
		if err != nil {
			return err
		}
		if err := keep(h, user.ID); err != nil {
			return err
		}
		session, err = s.sessions.start(ctx, h, store.Credentials{User: user, Version: 1})
		return err
	})
	if err != nil {
		return clinic.Tokens{}, fmt.Errorf("registering: %w", err)
	}
	if r.Role == clinic.RoleDoctor {
		directoryChanged(ctx, s.directory)
	}
	return session, nil
}

// registerAgain answers a registration that met a conflict. It answers as the first time
// where this is a repetition of the registration under the key.
func (s *Accounts) registerAgain(ctx context.Context, r clinic.Registration, key string, hash []byte, conflict error) (clinic.Tokens, error) {
	first, firstHash, err := s.db.Account(store.ByRegistrationKey(key)).Accounts().RegisteredUnder(ctx, key)
	switch {
	case clinic.CodeOf(err) == clinic.CodeNotFound:
		return clinic.Tokens{}, conflict
	case err != nil:
		return clinic.Tokens{}, err
	case !bytes.Equal(firstHash, hash):
		return clinic.Tokens{}, errKeyReused()
	}
	err = s.auth.throttled(ctx, first.User.Username, func() error { return s.auth.checkPassword(ctx, first, r.Password) })
	if clinic.CodeOf(err) == clinic.CodeUnauthenticated {
		return clinic.Tokens{}, errKeyReused()
	}
	if err != nil {
		return clinic.Tokens{}, err
	}
	if err := s.auth.checkSecondFactor(ctx, first, clinic.SecondFactor{}); err != nil { // enrolled since
		return clinic.Tokens{}, err
	}
	return s.sessions.start(ctx, s.db.Account(store.ByUserID(first.User.ID)), first)
}

func registrationHash(r clinic.Registration) ([]byte, error) {
	r.Password = ""
	encoded, err := json.Marshal(r) //nolint:gosec // the password was taken out
	if err != nil {
		return nil, fmt.Errorf("encoding a registration: %w", clinic.Internal(err))
	}
	sum := sha256.Sum256(encoded)
	return sum[:], nil
}

// validRegistration also checks the role, which Registration does not: only
// here do users choose it themselves.
func validRegistration(r *clinic.Registration) error {
	err := r.Validate()
	if r.Role == clinic.RolePatient || r.Role == clinic.RoleDoctor {
		return err
	}
	var invalid *clinic.Error
	fault := clinic.FieldError{Field: "user_type", Message: "use PATIENT or DOCTOR"}
	if errors.As(err, &invalid) {
		return clinic.InvalidFields(append(invalid.Fields, fault))
	}
	return clinic.InvalidFields([]clinic.FieldError{fault})
}
