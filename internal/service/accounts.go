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
// is CodeConflict with reason "username_taken".
//
// Nobody is logged in yet, so the keys of registrations are one space for
// everybody, and a repetition has to prove its password: it is answered with
// the same user and new tokens. idem.Hash is not used: what is kept is a hash of
// the registration without its password, which is no help in guessing it.
func (s *Service) Register(ctx context.Context, r clinic.Registration, idem clinic.Idempotency) (clinic.Tokens, error) {
	if err := validRegistration(&r); err != nil {
		return clinic.Tokens{}, err
	}
	if err := s.throttle.Register(ctx); err != nil {
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
		return h.KeepRegistrationKey(ctx, userID, idem.Key, hash)
	})
	if clinic.CodeOf(err) == clinic.CodeConflict {
		return s.registerAgain(ctx, r, idem.Key, hash, err)
	}
	return session, err
}

// register makes the account, what keep adds to it, and its first session in
// one transaction. The password is hashed first and whatever comes of it, so
// that a taken name takes as long as a free one.
func (s *Service) register(ctx context.Context, r clinic.Registration, keep func(store.Handle, int64) error) (clinic.Tokens, error) {
	hash, err := s.passwords.Hash(ctx, r.Password)
	if err != nil {
		return clinic.Tokens{}, err
	}
	var session clinic.Tokens
	err = s.db.Tx(ctx, nil, func(h store.Handle) error {
		user, err := h.CreateUser(ctx, r, hash, s.autoVerify)
		if err != nil {
			return err
		}
		if err := keep(h, user.ID); err != nil {
			return err
		}
		session, err = s.startSession(ctx, h, store.Credentials{User: user, Version: 1})
		return err
	})
	if err != nil {
		return clinic.Tokens{}, fmt.Errorf("registering: %w", err)
	}
	if r.Role == clinic.RoleDoctor {
		s.directoryChanged(ctx)
	}
	return session, nil
}

// registerAgain answers a registration that met a conflict: as the first time
// when it is the repetition of the one that was made under the key.
func (s *Service) registerAgain(ctx context.Context, r clinic.Registration, key string, hash []byte, conflict error) (clinic.Tokens, error) {
	first, firstHash, err := s.db.Account(store.ByRegistrationKey(key)).RegisteredUnder(ctx, key)
	switch {
	case clinic.CodeOf(err) == clinic.CodeNotFound:
		return clinic.Tokens{}, conflict
	case err != nil:
		return clinic.Tokens{}, err
	case !bytes.Equal(firstHash, hash):
		return clinic.Tokens{}, errKeyReused()
	}
	err = s.guess(ctx, first.User.Username, func() error { return s.checkPassword(ctx, first, r.Password) })
	if clinic.CodeOf(err) == clinic.CodeUnauthenticated {
		return clinic.Tokens{}, errKeyReused()
	}
	if err != nil {
		return clinic.Tokens{}, err
	}
	if err := s.checkSecondFactor(ctx, first, clinic.SecondFactor{}); err != nil { // enrolled since
		return clinic.Tokens{}, err
	}
	return s.startSession(ctx, s.db.Account(store.ByUserID(first.User.ID)), first)
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
// here is it chosen by the user.
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

// CreateAdmin makes an administrator; for the command line, never reachable over
// the network. When the username is taken it is CodeConflict with reason
// "username_taken", and the user is the one who has it.
func (s *Service) CreateAdmin(ctx context.Context, r clinic.Registration) (clinic.User, error) {
	r.Role = clinic.RoleAdmin
	if err := r.Validate(); err != nil {
		return clinic.User{}, err
	}
	hash, err := s.passwords.Hash(ctx, r.Password)
	if err != nil {
		return clinic.User{}, err
	}
	user, err := s.db.System().CreateUser(ctx, r, hash, false)
	if err == nil {
		return user, nil
	}
	if clinic.ReasonOf(err) == "username_taken" {
		known, errFind := s.db.Account(store.ByUsername(r.Username)).Credentials(ctx)
		user, err = known.User, errors.Join(err, errFind)
	}
	return user, fmt.Errorf("creating an administrator: %w", err)
}

// Profile returns the caller's own profile.
func (s *Service) Profile(ctx context.Context, caller clinic.Caller) (clinic.Profile, error) {
	return s.db.As(caller).Profile(ctx)
}

// UpdateProfile sets the given fields of the caller's own profile. A doctor who
// changes the license number is unverified again, unless doctors are verified
// at registration. The new name of a doctor who is verified, or was ever assigned,
// is pending until an administrator decides; until then another one is CodeConflict
// with reason "name_pending".
func (s *Service) UpdateProfile(ctx context.Context, caller clinic.Caller, change clinic.ProfileChange) (clinic.Profile, error) {
	if err := change.Validate(caller.Role); err != nil {
		return clinic.Profile{}, err
	}
	var profile clinic.Profile
	err := s.db.Audited(ctx, caller, clinic.Object{Kind: clinic.ObjectProfile}, func(h store.Handle) error {
		if h.Who.PatientID != 0 {
			h.Saw(h.Who.PatientID, 0, false)
		}
		err := s.updateProfile(ctx, h, change)
		if err == nil {
			profile, err = h.Profile(ctx)
		}
		return err
	})
	if err != nil {
		return clinic.Profile{}, fmt.Errorf("updating a profile: %w", err)
	}
	if caller.Role == clinic.RoleDoctor {
		s.directoryChanged(ctx)
	}
	return profile, nil
}

func (s *Service) updateProfile(ctx context.Context, h store.Handle, change clinic.ProfileChange) error {
	switch h.Who.Role {
	case clinic.RolePatient:
		if err := h.UpdatePatient(ctx, change); err != nil {
			return err
		}
	case clinic.RoleDoctor: // first, since that keeps others from verifying the doctor meanwhile
		known, err := h.UpdateDoctor(ctx, change, s.autoVerify)
		if err == nil && known {
			change, err = askForName(ctx, h, change)
		}
		if err != nil {
			return err
		}
	case clinic.RoleAdmin: // has no profile
	}
	return h.UpdateUser(ctx, change)
}

// askForName keeps the name that a doctor whom others know wants to have, and returns what
// is left of the change. A name that waits already stays: an administrator decides
// on the one that they have seen. The present name takes nothing back, so that a
// profile can be written as it was read; one of before is brought to its normal form by it.
func askForName(ctx context.Context, h store.Handle, change clinic.ProfileChange) (clinic.ProfileChange, error) {
	profile, err := h.Profile(ctx)
	if err != nil {
		return change, err
	}
	present, pending := clinic.Name{First: profile.User.FirstName, Last: profile.User.LastName}.Normal(), profile.Doctor.PendingName
	wanted := change.Name(present)
	if wanted == present {
		return change, nil
	}
	change.FirstName, change.LastName = nil, nil
	switch {
	case pending == nil:
		return change, h.AskForName(ctx, wanted)
	case wanted != *pending:
		return change, clinic.Conflict("name_pending", "another new name of yours waits for an administrator's decision")
	}
	return change, nil
}
