package rest

import (
	"context"
	"net/http"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/server/internal/web"
)

const pendingNames = "If a doctor is verified, or was ever assigned to a patient, an administrator must approve a new name. Until then it is in " +
	"`pending_name`, and the current name is shown. The answer to another new name is then 409 with the code `name_pending`. " +
	"Other doctors' names change at once."

// The notes on these operations.
const (
	replaceProfileNote = "Replaces `email`, `first_name`, `last_name` and `phone_number`. " + roleFieldsNote + writeBackNote + pendingNames +
		" The current name changes nothing."
	changeProfileNote = mergePatchNote + roleFieldsNote + writeBackNote + pendingNames + " So is the answer to the current name, unless the request " +
		"also contains `pending_name`, as a profile does that you send back: only an administrator can reject a pending name."
	roleFieldsNote = "The fields that only patients or only doctors have are in `patient_profile` and `doctor_profile`, as in the answer; you can " +
		"also send them outside of these objects. Omitted ones keep their values, and an empty text or null clears one. " +
		"If `patient_profile` or `doctor_profile` is null, nothing in it changes. "
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
	Status int
	ETag   string `header:"ETag" doc:"Identifies the current version of the profile, for If-Match and If-None-Match."`
	Body   profile
}

func newProfile(p clinic.Profile) profile {
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
	return body
}

func answerProfile(p clinic.Profile) *profileResponse {
	body := newProfile(p)
	return &profileResponse{Status: http.StatusOK, ETag: web.DigestETag(body), Body: body}
}

type getProfileRequest struct {
	IfNoneMatch string `header:"If-None-Match" doc:"The ETags that the client has. If one of them is current, the answer is 304."`
}

func (h *handlers) getProfile(ctx context.Context, request *getProfileRequest) (*profileResponse, error) {
	p, err := h.service.Accounts.Profile(ctx, web.CallerOf(ctx))
	if err != nil {
		return nil, err
	}
	response := answerProfile(p)
	if web.NotModified(request.IfNoneMatch, response.ETag) {
		response.Status = http.StatusNotModified
	}
	return response, nil
}
