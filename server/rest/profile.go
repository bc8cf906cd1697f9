package rest

import (
	"context"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/server/internal/web"
)

const pendingNames = "If a doctor is verified, or was ever assigned to a patient, an administrator must approve a new name. Until then it is in " +
	"`pending_name`, and the current name is shown. The answer to another new name is then 409 with the code `name_pending`. " +
	"Other doctors' names change at once."

// The notes on these operations.
const (
	replaceProfileNote = "Replaces `email`, `first_name`, `last_name` and `phone_number`. The fields that only doctors or only patients have " +
		"change if they are sent. " + pendingNames
	changeProfileNote = mergePatchNote + pendingNames
)

type profile struct {
	ID             int64           `json:"id" example:"1"`
	Username       string          `json:"username" example:"patient1"`
	Email          string          `json:"email" example:"patient@example.com"`
	FirstName      string          `json:"first_name" example:"John"`
	LastName       string          `json:"last_name" example:"Doe"`
	UserType       clinic.Role     `json:"user_type" enum:"PATIENT,DOCTOR,ADMIN" example:"PATIENT"`
	PhoneNumber    string          `json:"phone_number" example:"+1234567890"`
	PatientProfile *patientProfile `json:"patient_profile,omitempty" doc:"For patients."`
	DoctorProfile  *doctorProfile  `json:"doctor_profile,omitempty" doc:"For doctors."`
}

type patientProfile struct {
	ID               int64   `json:"id" doc:"The patient's id in records and assignments; not the user's id." example:"1"`
	DateOfBirth      *string `json:"date_of_birth" format:"date" example:"1980-02-29"`
	BloodType        string  `json:"blood_type" example:"A+"`
	Address          string  `json:"address"`
	EmergencyContact string  `json:"emergency_contact"`
}

type doctorProfile struct {
	ID                int64  `json:"id" doc:"The doctor's id in comments and assignments; not the user's id." example:"1"`
	Specialization    string `json:"specialization" example:"General Medicine"`
	LicenseNumber     string `json:"license_number" example:"DOC000001"`
	YearsOfExperience int    `json:"years_of_experience" example:"5"`
	IsVerified        bool   `json:"is_verified" doc:"Whether an administrator has verified the license." example:"true"`
	PendingName       *name  `json:"pending_name,omitempty" doc:"A new name that waits for an administrator's approval. Omitted if there is none."`
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
	return answerProfile(h.service.Accounts.Profile(ctx, web.CallerOf(ctx)))
}

// RoleFields are the fields of a profile that belong to one role. The type is
// exported because huma ignores the fields of embedded types that are not.
type RoleFields struct {
	Specialization    patch[string] `json:"specialization,omitzero" maxLength:"150" doc:"For doctors."`
	LicenseNumber     patch[string] `json:"license_number,omitzero" maxLength:"50" doc:"For doctors."`
	YearsOfExperience patch[int]    `json:"years_of_experience,omitzero" minimum:"0" maximum:"80" doc:"For doctors."`
	DateOfBirth       patch[string] `json:"date_of_birth,omitzero" format:"date" doc:"For patients."`
	BloodType         patch[string] `json:"blood_type,omitzero" doc:"For patients. One of A+, A-, B+, B-, AB+, AB-, O+, O-." example:"A+"`
	Address           patch[string] `json:"address,omitzero" maxLength:"500" doc:"For patients."`
	EmergencyContact  patch[string] `json:"emergency_contact,omitzero" maxLength:"500" doc:"For patients."`
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
	return answerProfile(h.service.Accounts.UpdateProfile(ctx, web.CallerOf(ctx), change))
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
	return answerProfile(h.service.Accounts.UpdateProfile(ctx, web.CallerOf(ctx), change))
}
