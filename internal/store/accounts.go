package store

import (
	"context"
	"fmt"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store/dbsqlc"
)

// Credentials are what a login is compared with.
type Credentials struct {
	User         clinic.User
	PasswordHash string
	Version      int64 // counts the changes of the password and the second factor, from 1
	SecondFactor bool  // whether a login needs a second factor
}

// Create makes an account with the profile of its role. It fails with CodeConflict
// when the username or the license number is taken. A doctor without a license
// number gets one derived from the profile's id. An unverified doctor's event is added.
func (h Accounts) Create(ctx context.Context, r clinic.Registration, passwordHash string, verified bool) (clinic.User, error) {
	id, err := h.q.EnterNewUser(ctx, h.db)
	if err != nil {
		return clinic.User{}, fmt.Errorf("numbering an account: %w", translate(err))
	}
	createdAt, err := h.q.CreateUser(ctx, h.db, dbsqlc.CreateUserParams{
		ID: id, Username: r.Username, Email: r.Email, FirstName: r.FirstName, LastName: r.LastName,
		PhoneNumber: r.PhoneNumber, Role: string(r.Role), PasswordHash: passwordHash,
	})
	if err == nil {
		err = h.createProfile(ctx, id, r, verified)
	}
	if err != nil {
		return clinic.User{}, fmt.Errorf("creating an account: %w", translate(err))
	}
	return clinic.User{
		ID: id, Username: r.Username, Email: r.Email, FirstName: r.FirstName, LastName: r.LastName,
		Role: r.Role, PhoneNumber: r.PhoneNumber, Active: true, CreatedAt: createdAt,
	}, nil
}

func (h Accounts) createProfile(ctx context.Context, userID int64, r clinic.Registration, verified bool) error {
	switch r.Role {
	case clinic.RolePatient:
		return h.q.CreatePatient(ctx, h.db, dbsqlc.CreatePatientParams{
			UserID: userID, DateOfBirth: r.DateOfBirth, BloodType: r.BloodType,
			Address: r.Address, EmergencyContact: r.EmergencyContact,
		})
	case clinic.RoleDoctor:
		err := h.q.CreateDoctor(ctx, h.db, dbsqlc.CreateDoctorParams{
			UserID: userID, Specialization: r.Specialization, LicenseNumber: r.LicenseNumber,
			YearsOfExperience: int32(r.YearsOfExperience), Verified: verified, //nolint:gosec // validated: 0 to 80
		})
		if err != nil || verified { // nobody has to verify the license
			return err
		}
		return h.q.TellOfRegistration(ctx, h.db, userID)
	case clinic.RoleAdmin: // has no profile
	}
	return nil
}

// Credentials returns the credentials of the handle's account or caller. It fails
// with CodeNotFound where the account does not exist.
func (h Accounts) Credentials(ctx context.Context) (Credentials, error) {
	row, err := h.q.GetCredentials(ctx, h.db)
	if err != nil {
		return Credentials{}, fmt.Errorf("finding a user: %w", orNotFound(err, "user"))
	}
	return Credentials{User: userOf(row.Account), PasswordHash: row.PasswordHash, Version: row.CredentialsVersion, SecondFactor: row.SecondFactor}, nil
}

// ChangePassword gives the caller another password. It fails with CodeConflict when
// the version of the caller's credentials has changed.
func (h Accounts) ChangePassword(ctx context.Context, version int64, hash string) error {
	n, err := h.q.ChangePassword(ctx, h.db, dbsqlc.ChangePasswordParams{ID: h.Who.UserID, CredentialsVersion: version, PasswordHash: hash})
	if err != nil {
		return fmt.Errorf("changing a password: %w", translate(err))
	}
	if n == 0 {
		return clinic.Conflict("password_changed", "the password or the second factor was changed at the same time; log in and try again")
	}
	return nil
}

// KeepRegistrationKey records that the user registered under the key. It fails with
// CodeConflict when another user did.
func (h Accounts) KeepRegistrationKey(ctx context.Context, userID int64, key string, hash []byte) error {
	err := h.q.KeepRegistrationKey(ctx, h.db, dbsqlc.KeepRegistrationKeyParams{UserID: userID, Key: key, RequestHash: hash})
	if err != nil {
		return fmt.Errorf("keeping a registration's key: %w", translate(err))
	}
	return nil
}

// RegisteredUnder returns the user who registered under the key of the handle's
// account, and the hash of the request. It fails with CodeNotFound when nobody did.
func (h Accounts) RegisteredUnder(ctx context.Context, key string) (Credentials, []byte, error) {
	row, err := h.q.CredentialsByRegistrationKey(ctx, h.db, key)
	if err != nil {
		return Credentials{}, nil, fmt.Errorf("finding a registration: %w", orNotFound(err, "registration"))
	}
	return Credentials{User: userOf(row.Account), PasswordHash: row.PasswordHash, Version: row.CredentialsVersion, SecondFactor: row.SecondFactor}, row.RequestHash, nil
}

// UpgradePasswordHash replaces the hash of a password that has not changed.
func (h Accounts) UpgradePasswordHash(ctx context.Context, userID int64, before, after string) error {
	err := h.q.UpgradePasswordHash(ctx, h.db, dbsqlc.UpgradePasswordHashParams{ID: userID, OldHash: before, NewHash: after})
	if err != nil {
		return fmt.Errorf("upgrading a password hash: %w", translate(err))
	}
	return nil
}

// LockAdmins keeps the active administrators from changing until the
// transaction ends, and returns them.
func (h Accounts) LockAdmins(ctx context.Context) ([]int64, error) {
	ids, err := h.q.LockAdmins(ctx, h.db)
	if err != nil {
		return nil, fmt.Errorf("locking the administrators: %w", translate(err))
	}
	return ids, nil
}

// SetActive disables or enables an account and returns it. It fails with CodeNotFound
// when the account does not exist. The account's sessions end with the change.
func (h Accounts) SetActive(ctx context.Context, id int64, active bool) (clinic.User, error) {
	n, err := h.q.SetUserActive(ctx, h.db, dbsqlc.SetUserActiveParams{ID: id, Active: active})
	if err != nil {
		return clinic.User{}, fmt.Errorf("changing an account's activity: %w", translate(err))
	}
	if n == 0 {
		return clinic.User{}, clinic.NotFound("user")
	}
	row, err := h.q.GetAccount(ctx, h.db, id)
	if err != nil {
		return clinic.User{}, fmt.Errorf("reading an account: %w", translate(err))
	}
	return userOf(*row), nil
}

// Profile returns the caller with the profile of their role.
func (h Accounts) Profile(ctx context.Context) (clinic.Profile, error) {
	profile, err := h.profile(ctx)
	if err != nil {
		return clinic.Profile{}, fmt.Errorf("reading a profile: %w", orNotFound(err, "profile"))
	}
	return profile, nil
}

func (h Accounts) profile(ctx context.Context) (clinic.Profile, error) {
	switch h.Who.Role {
	case clinic.RoleDoctor:
		row, err := h.q.DoctorByUser(ctx, h.db, h.Who.UserID)
		if err != nil {
			return clinic.Profile{}, err
		}
		doctor := withPendingName(doctorOf(row.DoctorProfile, row.Account), row.PendingFirst, row.PendingLast)
		return clinic.Profile{User: doctor.User, Doctor: &doctor}, nil
	case clinic.RolePatient:
		row, err := h.q.PatientByUser(ctx, h.auditing(clinic.Object{Kind: clinic.ObjectProfile}, 0).db, h.Who.UserID)
		if err != nil {
			return clinic.Profile{}, err
		}
		patient := patientOf(row.PatientProfile, row.Account)
		return clinic.Profile{User: patient.User, Patient: &patient}, nil
	case clinic.RoleAdmin: // has no profile
	}
	row, err := h.q.GetAccount(ctx, h.db, h.Who.UserID)
	if err != nil {
		return clinic.Profile{}, err
	}
	return clinic.Profile{User: userOf(*row)}, nil
}

// LockProfile keeps the caller's profile from changing until the transaction ends.
func (h Accounts) LockProfile(ctx context.Context) error {
	lock := h.q.LockUser
	switch h.Who.Role {
	case clinic.RolePatient:
		lock = h.q.LockPatientOfUser
	case clinic.RoleDoctor:
		lock = h.q.LockDoctorOfUser
	case clinic.RoleAdmin: // has no profile
	}
	if err := lock(ctx, h.db, h.Who.UserID); err != nil {
		return fmt.Errorf("locking a profile: %w", translate(err))
	}
	return nil
}

// UpdateUser sets the given fields that every account has.
func (h Accounts) UpdateUser(ctx context.Context, c clinic.ProfileChange) error {
	err := h.q.UpdateUser(ctx, h.db, dbsqlc.UpdateUserParams{
		ID: h.Who.UserID, Email: c.Email, FirstName: c.FirstName, LastName: c.LastName, PhoneNumber: c.PhoneNumber,
	})
	if err != nil {
		return fmt.Errorf("changing an account: %w", translate(err))
	}
	return nil
}

// UpdatePatient sets the given fields of the calling patient's profile.
func (h Accounts) UpdatePatient(ctx context.Context, c clinic.ProfileChange) error {
	p := dbsqlc.UpdatePatientParams{
		UserID: h.Who.UserID, BloodType: c.BloodType, Address: c.Address, EmergencyContact: c.EmergencyContact,
	}
	if c.DateOfBirth != nil {
		p.SetDateOfBirth, p.DateOfBirth = true, *c.DateOfBirth
	}
	if err := h.q.UpdatePatient(ctx, h.db, p); err != nil {
		return fmt.Errorf("changing a patient's profile: %w", translate(err))
	}
	return nil
}

// UpdateDoctor sets the given fields of the calling doctor's profile. It reports
// whether others know the doctor by name, which is so for doctors who are verified or
// were ever assigned to a patient; this does not change until the transaction ends.
// Another license number ends the verification, unless keepVerified, and adds the event of that.
func (h Accounts) UpdateDoctor(ctx context.Context, c clinic.ProfileChange, keepVerified bool) (known bool, err error) {
	p := dbsqlc.UpdateDoctorParams{
		UserID: h.Who.UserID, Specialization: c.Specialization, LicenseNumber: c.LicenseNumber, KeepVerified: keepVerified,
	}
	if c.YearsOfExperience != nil {
		p.YearsOfExperience = new(int32(*c.YearsOfExperience)) //nolint:gosec // validated: 0 to 80
	}
	if known, err = h.q.UpdateDoctor(ctx, h.db, p); err != nil {
		return false, fmt.Errorf("changing a doctor's profile: %w", orNotFound(err, "profile"))
	}
	return known, nil
}

// AskForName stores the name that the calling doctor asks for, and adds the event. It waits for an
// administrator's decision.
func (h Accounts) AskForName(ctx context.Context, name clinic.Name) error {
	err := h.q.AskForName(ctx, h.db, dbsqlc.AskForNameParams{UserID: h.Who.UserID, DoctorID: h.Who.DoctorID, FirstName: name.First, LastName: name.Last})
	if err != nil {
		return fmt.Errorf("asking for a name: %w", translate(err))
	}
	return nil
}
