package service

import (
	"context"
	"errors"
	"fmt"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
)

// AccountsOptions are the parts of Accounts. DB, Authenticator and Sessions are required.
type AccountsOptions struct {
	DB                *store.DB
	Authenticator     *Authenticator
	Sessions          *Sessions      // logs in new accounts
	Directory         DirectoryCache // nil: no cache
	AutoVerifyDoctors bool           // verify a doctor's license at registration (development)
}

func (o *AccountsOptions) validate() error {
	if o.DB == nil || o.Authenticator == nil || o.Sessions == nil {
		return errors.New("accounts need a database, an authenticator and sessions")
	}
	return nil
}

// Accounts are the use cases of accounts: registration, the caller's own profile and password,
// and the administrators' changes to other accounts.
type Accounts struct {
	db         *store.DB
	auth       *Authenticator
	sessions   *Sessions
	directory  DirectoryCache
	autoVerify bool
}

// NewAccounts checks the options and returns the use cases.
func NewAccounts(opts AccountsOptions) (*Accounts, error) {
	if err := opts.validate(); err != nil {
		return nil, err
	}
	return &Accounts{
		db: opts.DB, auth: opts.Authenticator, sessions: opts.Sessions, directory: opts.Directory, autoVerify: opts.AutoVerifyDoctors,
	}, nil
}

// Profile returns the caller's own profile.
func (s *Accounts) Profile(ctx context.Context, caller clinic.Caller) (clinic.Profile, error) {
	return s.db.As(caller).Accounts().Profile(ctx)
}

// UpdateProfile sets the given fields of the caller's own profile. With expect, it fails with CodePreconditionFailed
// unless expect accepts the profile before the change. A change without an effect writes nothing. A doctor who changes
// the license number is unverified again, unless doctors are verified at registration. A new name of a doctor who is
// verified, or was ever assigned, is pending until an administrator decides. Until then another new name fails with
// CodeConflict and reason "name_pending".
func (s *Accounts) UpdateProfile(ctx context.Context, caller clinic.Caller, change clinic.ProfileChange, expect func(clinic.Profile) bool) (clinic.Profile, error) {
	var profile clinic.Profile
	err := s.db.Audited(ctx, caller, clinic.Object{Kind: clinic.ObjectProfile}, func(h store.Handle) error {
		if h.Who.PatientID != 0 {
			h.AuditPatient(h.Who.PatientID, 0, false)
		}
		present, err := lockProfile(ctx, h, expect)
		if err != nil {
			return err
		}
		change = change.Without(present)
		if err := change.Validate(caller.Role); err != nil {
			return err
		}
		if profile = present; change == (clinic.ProfileChange{NameWanted: change.NameWanted}) {
			return nil
		}
		if err := s.updateProfile(ctx, h, change); err != nil {
			return err
		}
		profile, err = h.Accounts().Profile(ctx)
		return err
	})
	if err != nil {
		return clinic.Profile{}, fmt.Errorf("updating a profile: %w", err)
	}
	if caller.Role == clinic.RoleDoctor {
		directoryChanged(ctx, s.directory)
	}
	return profile, nil
}

// lockProfile locks the caller's profile and returns it, if it is as expected; nil expects any.
func lockProfile(ctx context.Context, h store.Handle, expect func(clinic.Profile) bool) (clinic.Profile, error) {
	if err := h.Accounts().LockProfile(ctx); err != nil {
		return clinic.Profile{}, err
	}
	present, err := h.Accounts().Profile(ctx)
	if err == nil && expect != nil && !expect(present) {
		err = clinic.PreconditionFailed()
	}
	return present, err
}

func (s *Accounts) updateProfile(ctx context.Context, h store.Handle, change clinic.ProfileChange) error {
	switch h.Who.Role {
	case clinic.RolePatient:
		if err := h.Accounts().UpdatePatient(ctx, change); err != nil {
			return err
		}
	case clinic.RoleDoctor:
		known, err := h.Accounts().UpdateDoctor(ctx, change, s.autoVerify)
		if err == nil && known {
			change, err = askForName(ctx, h, change)
		}
		if err != nil {
			return err
		}
	case clinic.RoleAdmin: // has no profile
	}
	return h.Accounts().UpdateUser(ctx, change)
}

// askForName stores the name that a doctor known to others asks for, and returns the rest of
// the change. A name that is pending already stays, because an administrator must decide on
// the name that they have seen: not even the doctor can withdraw it. The present name changes nothing, so that a
// profile can be written as it was read; an older name gets its normal form by this. But where
// the present name is wanted, this fails, as any other name does.
func askForName(ctx context.Context, h store.Handle, change clinic.ProfileChange) (clinic.ProfileChange, error) {
	named := change.FirstName != nil || change.LastName != nil
	profile, err := h.Accounts().Profile(ctx)
	if err != nil {
		return change, err
	}
	present, pending := clinic.Name{First: profile.User.FirstName, Last: profile.User.LastName}.Normal(), profile.Doctor.PendingName
	wanted := change.Name(present)
	if wanted == present && (pending == nil || !named || !change.NameWanted) {
		return change, nil
	}
	change.FirstName, change.LastName = nil, nil
	switch {
	case pending == nil:
		return change, h.Accounts().AskForName(ctx, wanted)
	case wanted != *pending:
		return change, clinic.Conflict("name_pending", "a new name of yours is waiting for an administrator, who approves or rejects it; you cannot withdraw or replace it until then")
	}
	return change, nil
}
