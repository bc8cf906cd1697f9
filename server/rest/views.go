package rest

import (
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// The types in this file are parts of several answers.

// noContent is an answer without a body.
type noContent struct{}

type user struct {
	ID        int64       `json:"id" example:"1"`
	Username  string      `json:"username" example:"patient1"`
	Email     string      `json:"email" example:"patient@example.com"`
	FirstName string      `json:"first_name" example:"John"`
	LastName  string      `json:"last_name" example:"Doe"`
	UserType  clinic.Role `json:"user_type" enum:"PATIENT,DOCTOR,ADMIN" example:"PATIENT"`
}

func newUser(u clinic.User) user {
	return user{ID: u.ID, Username: u.Username, Email: u.Email, FirstName: u.FirstName, LastName: u.LastName, UserType: u.Role}
}

// doctor is a doctor's profile as a comment shows it.
type doctor struct {
	ID                int64  `json:"id" doc:"The id of the profile, not of the user." example:"1"`
	Name              string `json:"name" doc:"The current name, or the username if the doctor has no name." example:"Jane Smith"`
	Specialization    string `json:"specialization" example:"General Medicine"`
	LicenseNumber     string `json:"license_number" example:"DOC000001"`
	YearsOfExperience int    `json:"years_of_experience" example:"5"`
}

func newDoctor(d clinic.Doctor) doctor {
	return doctor{ID: d.ID, Name: d.User.FullName(), Specialization: d.Specialization, LicenseNumber: d.LicenseNumber, YearsOfExperience: d.YearsOfExperience}
}

// directoryDoctor is a doctor's profile with the user.
type directoryDoctor struct {
	ID                int64  `json:"id" doc:"The id of the profile, not of the user." example:"1"`
	User              user   `json:"user"`
	Specialization    string `json:"specialization" example:"General Medicine"`
	LicenseNumber     string `json:"license_number" example:"DOC000001"`
	YearsOfExperience int    `json:"years_of_experience" example:"5"`
	IsVerified        bool   `json:"is_verified" doc:"Whether an administrator has verified the license." example:"true"`
	PendingName       *name  `json:"pending_name,omitempty" doc:"A new name that waits for approval. Shown to administrators only."`
}

func newDirectoryDoctor(d clinic.Doctor) directoryDoctor {
	return directoryDoctor{
		ID: d.ID, User: newUser(d.User), Specialization: d.Specialization, LicenseNumber: d.LicenseNumber,
		YearsOfExperience: d.YearsOfExperience, IsVerified: d.VerifiedAt != nil, PendingName: newName(d.PendingName),
	}
}

// name is a doctor's new name.
type name struct {
	FirstName string `json:"first_name" example:"Jane"`
	LastName  string `json:"last_name" example:"Smith"`
}

func newName(n *clinic.Name) *name {
	if n == nil {
		return nil
	}
	return &name{FirstName: n.First, LastName: n.Last}
}

// patient identifies a patient and contains no health data.
type patient struct {
	ID          int64  `json:"id" doc:"The id of the profile, not of the user." example:"1"`
	User        *user  `json:"user,omitempty" doc:"Omitted for a doctor who may no longer see the patient."`
	PhoneNumber string `json:"phone_number" example:"+1234567890"`
}

func newPatient(p clinic.Patient) patient {
	view := patient{ID: p.ID, PhoneNumber: p.User.PhoneNumber}
	if p.User.ID != 0 {
		u := newUser(p.User)
		view.User = &u
	}
	return view
}

// optionalUTC returns the instant in UTC, so that it is written with a Z as all instants of the API are.
func optionalUTC(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC()
	return &u
}

// orNull returns nil for the zero value, which means "none" in the domain.
func orNull[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}
