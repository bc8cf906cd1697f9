package server

import (
	"context"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

type registerRequest struct {
	Repeatable
	Body registration
}

type registration struct {
	Username          string      `json:"username" minLength:"1" maxLength:"150" example:"patient1"`
	Email             string      `json:"email,omitempty" maxLength:"254" example:"patient@example.com"`
	Password          string      `json:"password" minLength:"8" maxLength:"128" example:"securepass123"`
	PasswordConfirm   string      `json:"password_confirm" maxLength:"128" doc:"The same as password." example:"securepass123"`
	FirstName         string      `json:"first_name,omitempty" maxLength:"150" example:"John"`
	LastName          string      `json:"last_name,omitempty" maxLength:"150" example:"Doe"`
	UserType          clinic.Role `json:"user_type" enum:"PATIENT,DOCTOR" example:"PATIENT"`
	PhoneNumber       string      `json:"phone_number,omitempty" maxLength:"20" example:"+1234567890"`
	Specialization    string      `json:"specialization,omitempty" maxLength:"150" doc:"Doctors."`
	LicenseNumber     string      `json:"license_number,omitempty" maxLength:"50" doc:"Doctors."`
	YearsOfExperience int         `json:"years_of_experience,omitempty" minimum:"0" maximum:"80" doc:"Doctors."`
	DateOfBirth       string      `json:"date_of_birth,omitempty" format:"date" doc:"Patients."`
	BloodType         string      `json:"blood_type,omitempty" enum:"A+,A-,B+,B-,AB+,AB-,O+,O-" doc:"Patients."`
	Address           string      `json:"address,omitempty" maxLength:"500" doc:"Patients."`
	EmergencyContact  string      `json:"emergency_contact,omitempty" maxLength:"500" doc:"Patients."`
}

type tokens struct {
	Refresh string `json:"refresh" doc:"Works once, at auth/token/refresh/."`
	Access  string `json:"access" doc:"For the Authorization header; lives 5 minutes."`
}

type registerResponse struct {
	Body struct {
		User   user   `json:"user"`
		Tokens tokens `json:"tokens"`
	} `nameHint:"Registered"`
}

func (h *handlers) register(ctx context.Context, request *registerRequest) (*registerResponse, error) {
	body := request.Body
	if body.Password != body.PasswordConfirm {
		return nil, clinic.Invalid("password_confirm", "the two passwords differ")
	}
	birth, err := parseDate("date_of_birth", body.DateOfBirth)
	if err != nil {
		return nil, err
	}
	once, err := request.once(ctx) // the service compares the registration itself: no fast hash of a password is kept
	if err != nil {
		return nil, err
	}
	session, err := h.service.Accounts.Register(ctx, clinic.Registration{
		Username: body.Username, Email: body.Email, Password: body.Password, FirstName: body.FirstName, LastName: body.LastName,
		PhoneNumber: body.PhoneNumber, Role: body.UserType, Specialization: body.Specialization, LicenseNumber: body.LicenseNumber,
		YearsOfExperience: body.YearsOfExperience, DateOfBirth: birth, BloodType: body.BloodType, Address: body.Address,
		EmergencyContact: body.EmergencyContact,
	}, once)
	if err != nil {
		return nil, err
	}
	response := &registerResponse{}
	response.Body.User = newUser(session.User)
	response.Body.Tokens = tokens{Refresh: session.Refresh, Access: session.Access}
	return response, nil
}

type loginRequest struct {
	Body struct {
		Username     string `json:"username" maxLength:"150" example:"patient1"`
		Password     string `json:"password" maxLength:"128" example:"securepass123"`
		TOTPCode     string `json:"totp_code,omitempty" maxLength:"6" doc:"Of the authenticator, where a second factor is in use." example:"123456"`
		RecoveryCode string `json:"recovery_code,omitempty" maxLength:"40" doc:"Instead of totp_code; works once."`
	} `nameHint:"Login"`
}

type loginResponse struct {
	Body struct {
		User    user   `json:"user"`
		Tokens  tokens `json:"tokens"`
		Refresh string `json:"refresh"`
		Access  string `json:"access"`
	} `nameHint:"LoggedIn"`
}

func (h *handlers) login(ctx context.Context, request *loginRequest) (*loginResponse, error) {
	body := request.Body
	session, err := h.service.Sessions.Login(ctx, body.Username, body.Password, clinic.SecondFactor{TOTPCode: body.TOTPCode, RecoveryCode: body.RecoveryCode})
	if err != nil {
		return nil, err
	}
	response := &loginResponse{}
	response.Body.User = newUser(session.User)
	response.Body.Tokens = tokens{Refresh: session.Refresh, Access: session.Access}
	response.Body.Refresh, response.Body.Access = session.Refresh, session.Access
	return response, nil
}

type refreshRequest struct {
	Body struct {
		Refresh string `json:"refresh" maxLength:"4096"`
	} `nameHint:"Refresh"`
}

type refreshResponse struct {
	Body tokens
}

func (h *handlers) refreshToken(ctx context.Context, request *refreshRequest) (*refreshResponse, error) {
	session, err := h.service.Sessions.Refresh(ctx, request.Body.Refresh)
	if err != nil {
		return nil, err
	}
	return &refreshResponse{Body: tokens{Refresh: session.Refresh, Access: session.Access}}, nil
}

// parseDate reads YYYY-MM-DD; "" is no date.
func parseDate(field, s string) (*time.Time, error) {
	if s == "" {
		return nil, nil //nolint:nilnil // no date is not a fault
	}
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return nil, clinic.Invalid(field, "enter a date as YYYY-MM-DD")
	}
	return &t, nil
}

type changePasswordRequest struct {
	Body struct {
		CurrentPassword string `json:"current_password" maxLength:"128" example:"securepass123"`
		NewPassword     string `json:"new_password" minLength:"8" maxLength:"128" example:"correct horse battery"`
	} `nameHint:"PasswordChange"`
}

func (h *handlers) changePassword(ctx context.Context, request *changePasswordRequest) (*noContent, error) {
	return &noContent{}, h.service.Accounts.ChangePassword(ctx, callerOf(ctx), request.Body.CurrentPassword, request.Body.NewPassword)
}
