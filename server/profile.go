package server

import (
	"context"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

type profile struct {
	ID             int64           `json:"id" example:"1"`
	Username       string          `json:"username" example:"patient1"`
	Email          string          `json:"email" example:"patient@example.com"`
	FirstName      string          `json:"first_name" example:"John"`
	LastName       string          `json:"last_name" example:"Doe"`
	UserType       clinic.Role     `json:"user_type" enum:"PATIENT,DOCTOR,ADMIN" example:"PATIENT"`
	PhoneNumber    string          `json:"phone_number" example:"+1234567890"`
	PatientProfile *patientProfile `json:"patient_profile,omitempty" doc:"Patients."`
	DoctorProfile  *doctorProfile  `json:"doctor_profile,omitempty" doc:"Doctors."`
}

type patientProfile struct {
	ID               int64   `json:"id" doc:"The id that records and assignments call patient." example:"1"`
	DateOfBirth      *string `json:"date_of_birth" format:"date" example:"1980-02-29"`
	BloodType        string  `json:"blood_type" example:"A+"`
	Address          string  `json:"address"`
	EmergencyContact string  `json:"emergency_contact"`
}

type doctorProfile struct {
	ID                int64  `json:"id" doc:"The id that comments and assignments call doctor." example:"1"`
	Specialization    string `json:"specialization" example:"General Medicine"`
	LicenseNumber     string `json:"license_number" example:"DOC000001"`
	YearsOfExperience int    `json:"years_of_experience" example:"5"`
	IsVerified        bool   `json:"is_verified" doc:"An administrator has verified the license." example:"true"`
	PendingName       *name  `json:"pending_name,omitempty" doc:"The new name, until an administrator decides; left out where none waits."`
}

type profileResponse struct {
	Body profile
}

func answerProfile(p clinic.Profile, err error) (*profileResponse, error) {
	if err != nil {
		return nil, err
	}
	u := newUser(p.User)
	body := profile{
		ID: u.ID, Username: u.Username, Email: u.Email, FirstName: u.FirstName, LastName: u.LastName,
		UserType: u.UserType, PhoneNumber: p.User.PhoneNumber,
	}
	if p.Patient != nil {
		body.PatientProfile = &patientProfile{
			ID: p.Patient.ID, BloodType: p.Patient.BloodType, Address: p.Patient.Address, EmergencyContact: p.Patient.EmergencyContact,
		}
		if p.Patient.DateOfBirth != nil {
			birth := p.Patient.DateOfBirth.UTC().Format(time.DateOnly)
			body.PatientProfile.DateOfBirth = &birth
		}
	}
	if p.Doctor != nil {
		body.DoctorProfile = &doctorProfile{
			ID: p.Doctor.ID, Specialization: p.Doctor.Specialization, LicenseNumber: p.Doctor.LicenseNumber,
			YearsOfExperience: p.Doctor.YearsOfExperience, IsVerified: p.Doctor.VerifiedAt != nil, PendingName: newName(p.Doctor.PendingName),
		}
	}
	return &profileResponse{Body: body}, nil
}

func (h *handlers) getProfile(ctx context.Context, _ *struct{}) (*profileResponse, error) {
	return answerProfile(h.service.Accounts.Profile(ctx, callerOf(ctx)))
}

// RoleFields are the fields of a profile that belong to one role. It is
// exported for huma, which does not see into embedded types otherwise.
type RoleFields struct {
	Specialization    patch[string] `json:"specialization,omitzero" maxLength:"150" doc:"Doctors."`
	LicenseNumber     patch[string] `json:"license_number,omitzero" maxLength:"50" doc:"Doctors."`
	YearsOfExperience patch[int]    `json:"years_of_experience,omitzero" minimum:"0" maximum:"80" doc:"Doctors."`
	DateOfBirth       patch[string] `json:"date_of_birth,omitzero" format:"date" doc:"Patients."`
	BloodType         patch[string] `json:"blood_type,omitzero" doc:"Patients: one of A+, A-, B+, B-, AB+, AB-, O+, O-." example:"A+"`
	Address           patch[string] `json:"address,omitzero" maxLength:"500" doc:"Patients."`
	EmergencyContact  patch[string] `json:"emergency_contact,omitzero" maxLength:"500" doc:"Patients."`
}

func (f RoleFields) change() (clinic.ProfileChange, error) {
	change := clinic.ProfileChange{
		Specialization: f.Specialization.change(), LicenseNumber: f.LicenseNumber.change(), YearsOfExperience: f.YearsOfExperience.change(),
		BloodType: f.BloodType.change(), Address: f.Address.change(), EmergencyContact: f.EmergencyContact.change(),
	}
	if f.DateOfBirth.sent {
		birth, err := parseDate("date_of_birth", f.DateOfBirth.value)
		if err != nil {
			return change, err
		}
		change.DateOfBirth = &birth
	}
	return change, nil
}

type replaceProfileRequest struct {
	Body profileReplacement
}

type profileReplacement struct {
	Email       string `json:"email" maxLength:"254" example:"patient@example.com"`
	FirstName   string `json:"first_name" maxLength:"150" example:"John"`
	LastName    string `json:"last_name" maxLength:"150" example:"Doe"`
	PhoneNumber string `json:"phone_number" maxLength:"20" example:"+1234567890"`
	RoleFields
}

func (h *handlers) replaceProfile(ctx context.Context, request *replaceProfileRequest) (*profileResponse, error) {
	body := request.Body
	change, err := body.change()
	if err != nil {
		return nil, err
	}
	change.Email, change.FirstName, change.LastName, change.PhoneNumber = &body.Email, &body.FirstName, &body.LastName, &body.PhoneNumber
	return answerProfile(h.service.Accounts.UpdateProfile(ctx, callerOf(ctx), change))
}

type changeProfileRequest struct {
	Body profileChange
}

type profileChange struct {
	Email       patch[string] `json:"email,omitzero" maxLength:"254" example:"patient@example.com"`
	FirstName   patch[string] `json:"first_name,omitzero" maxLength:"150" example:"John"`
	LastName    patch[string] `json:"last_name,omitzero" maxLength:"150" example:"Doe"`
	PhoneNumber patch[string] `json:"phone_number,omitzero" maxLength:"20" example:"+1234567890"`
	RoleFields
}

func (h *handlers) changeProfile(ctx context.Context, request *changeProfileRequest) (*profileResponse, error) {
	body := request.Body
	change, err := body.change()
	if err != nil {
		return nil, err
	}
	change.Email, change.FirstName = body.Email.change(), body.FirstName.change()
	change.LastName, change.PhoneNumber = body.LastName.change(), body.PhoneNumber.change()
	return answerProfile(h.service.Accounts.UpdateProfile(ctx, callerOf(ctx), change))
}
