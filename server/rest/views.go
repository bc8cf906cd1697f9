package rest

import (
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// The shapes that several answers share.

// noContent is the answer of an operation that has nothing to say.
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

// doctor is a doctor's profile as it stands under a comment.
type doctor struct {
	ID                int64  `json:"id" doc:"The profile's id, not the user's." example:"1"`
	Specialization    string `json:"specialization" example:"General Medicine"`
	LicenseNumber     string `json:"license_number" example:"DOC000001"`
	YearsOfExperience int    `json:"years_of_experience" example:"5"`
}

func newDoctor(d clinic.Doctor) doctor {
	return doctor{ID: d.ID, Specialization: d.Specialization, LicenseNumber: d.LicenseNumber, YearsOfExperience: d.YearsOfExperience}
}

// directoryDoctor is a doctor with the person.
type directoryDoctor struct {
	ID                int64  `json:"id" doc:"The profile's id, not the user's." example:"1"`
	User              user   `json:"user"`
	Specialization    string `json:"specialization" example:"General Medicine"`
	LicenseNumber     string `json:"license_number" example:"DOC000001"`
	YearsOfExperience int    `json:"years_of_experience" example:"5"`
	IsVerified        bool   `json:"is_verified" doc:"An administrator has verified the license." example:"true"`
	PendingName       *name  `json:"pending_name,omitempty" doc:"For administrators: the name that waits for their decision."`
}

func newDirectoryDoctor(d clinic.Doctor) directoryDoctor {
	return directoryDoctor{
		ID: d.ID, User: newUser(d.User), Specialization: d.Specialization, LicenseNumber: d.LicenseNumber,
		YearsOfExperience: d.YearsOfExperience, IsVerified: d.VerifiedAt != nil, PendingName: newName(d.PendingName),
	}
}

// name is what a doctor wants to be called.
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

// patient is who a patient is; nothing of his health.
type patient struct {
	ID          int64  `json:"id" doc:"The profile's id, not the user's." example:"1"`
	User        *user  `json:"user,omitempty" doc:"Not for a doctor who may not see the patient any more."`
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

// optionalUTC returns the instant as the API writes all of them: RFC 3339 with a Z.
func optionalUTC(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC()
	return &u
}

// orNull is nil for the zero value, which stands for "none" in the domain.
func orNull[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}
