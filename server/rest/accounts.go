package rest

import (
	"context"

	"github.com/danielgtaylor/huma/v2"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/server/internal/web"
)

const passwordRules = "A password has 8 to 128 characters of any kind. Common passwords, and passwords that resemble the username or the " +
	"email address, are refused."

// The notes on these operations.
const (
	registerNote = "Registration also logs the user in. A doctor sees no patients until an administrator has verified their license. " +
		"A repeated request with the same `Idempotency-Key` must contain the same password. " + passwordRules
	loginNote = "The answer contains the tokens twice: in `tokens`, as at registration, and as `access` and `refresh`. " +
		"Users with a second factor also send `totp_code` or `recovery_code`. Without either, the answer is 401 with the code " +
		"`totp_required`. After several wrong TOTP codes, further ones are refused for up to 15 minutes; recovery codes still work."
	refreshTokenNote = "A refresh token works once: use the new one from then on. If the same token is sent again within 10 seconds, " +
		"the answer is the same new token, unless that one has already been used. Any other reuse ends the session. " +
		"An access token is valid for 5 minutes."
	changePasswordNote = "Requires the current password, and ends all other sessions of the caller. " + passwordRules
)

type registerRequest struct {
	web.Repeatable
	Body registration
}

type registration struct {
	Username          string      `json:"username" minLength:"1" maxLength:"150" example:"patient1"`
	Email             string      `json:"email,omitempty" maxLength:"254" example:"patient@example.com"`
	Password          string      `json:"password" minLength:"8" maxLength:"128" example:"securepass123"`
	PasswordConfirm   string      `json:"password_confirm" maxLength:"128" doc:"Must equal password." example:"securepass123"`
	FirstName         string      `json:"first_name,omitempty" maxLength:"150" example:"John"`
	LastName          string      `json:"last_name,omitempty" maxLength:"150" example:"Doe"`
	UserType          clinic.Role `json:"user_type" enum:"PATIENT,DOCTOR" example:"PATIENT"`
	PhoneNumber       string      `json:"phone_number,omitempty" maxLength:"20" example:"+1234567890"`
	Specialization    string      `json:"specialization,omitempty" maxLength:"150" doc:"For doctors."`
	LicenseNumber     string      `json:"license_number,omitempty" maxLength:"50" doc:"For doctors."`
	YearsOfExperience int         `json:"years_of_experience,omitempty" minimum:"0" maximum:"80" doc:"For doctors."`
	DateOfBirth       string      `json:"date_of_birth,omitempty" format:"date" doc:"For patients."`
	BloodType         string      `json:"blood_type,omitempty" enum:"A+,A-,B+,B-,AB+,AB-,O+,O-" doc:"For patients."`
	Address           string      `json:"address,omitempty" maxLength:"500" doc:"For patients."`
	EmergencyContact  string      `json:"emergency_contact,omitempty" maxLength:"500" doc:"For patients."`
}

// Resolve implements huma.Resolver.
func (r *registration) Resolve(ctx huma.Context) []error {
	return web.Rules(ctx, func() error {
		registration, err := r.domain()
		return together(err, registration.Validate())
	})
}

func (r registration) domain() (clinic.Registration, error) {
	birth, err := parseDate("date_of_birth", r.DateOfBirth)
	if r.Password != r.PasswordConfirm {
		err = together(err, clinic.Invalid("password_confirm", "must be the same as password"))
	}
	return clinic.Registration{
		Username: r.Username, Email: r.Email, Password: r.Password, FirstName: r.FirstName, LastName: r.LastName,
		PhoneNumber: r.PhoneNumber, Role: r.UserType, Specialization: r.Specialization, LicenseNumber: r.LicenseNumber,
		YearsOfExperience: r.YearsOfExperience, DateOfBirth: birth, BloodType: r.BloodType, Address: r.Address,
		EmergencyContact: r.EmergencyContact,
	}, err
}

type tokens struct {
	Refresh string `json:"refresh" doc:"The refresh token. It works once, at /api/auth/token/refresh/."`
	Access  string `json:"access" doc:"The access token, for the Authorization header. It is valid for 5 minutes."`
}

type registerResponse struct {
	Body struct {
		User   user   `json:"user"`
		Tokens tokens `json:"tokens"`
	} `nameHint:"Registered"`
}

func (h *handlers) register(ctx context.Context, request *registerRequest) (*registerResponse, error) {
	r, err := request.Body.domain()
	if err != nil {
		return nil, together(err, r.Validate())
	}
	once, err := request.Once(ctx) // without the body, so that no fast hash of a password is stored: the service compares the registration
	if err != nil {
		return nil, err
	}
	session, err := h.service.Accounts.Register(ctx, r, once)
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
		TOTPCode     string `json:"totp_code,omitempty" maxLength:"6" doc:"The current code from the authenticator app, for users with a second factor." example:"123456"`
		RecoveryCode string `json:"recovery_code,omitempty" maxLength:"40" doc:"A recovery code, in place of totp_code. Each works once."`
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
		Refresh string `json:"refresh" maxLength:"4096" doc:"The refresh token from the login or the last refresh." example:"paste-here-the-refresh-token-from-the-login"`
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

type changePasswordRequest struct {
	Body struct {
		CurrentPassword string `json:"current_password" maxLength:"128" example:"securepass123"`
		NewPassword     string `json:"new_password" minLength:"8" maxLength:"128" example:"correct horse battery"`
	} `nameHint:"PasswordChange"`
}

func (h *handlers) changePassword(ctx context.Context, request *changePasswordRequest) (*noContent, error) {
	return &noContent{}, h.service.Accounts.ChangePassword(ctx, web.CallerOf(ctx), request.Body.CurrentPassword, request.Body.NewPassword)
}
