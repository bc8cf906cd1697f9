package rest

import (
	"context"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/server/internal/web"
)

// The notes on these operations.
const (
	listUsersNote   = "Ordered by id. `id` is the user's id, by which accounts are disabled and enabled; `doctor_id` is the id by which a doctor is verified."
	disableUserNote = "Ends all sessions of the account. Its requests are refused from the next one on. Administrators cannot disable their own " +
		"account: the answer is 409 with the code `own_account`."
	enableUserNote = "The user has to log in again. The account of a patient whose data was erased stays disabled: the answer is 409 with the code `erased`."
)

type listedUser struct {
	ID         int64       `json:"id" example:"1"`
	Username   string      `json:"username" example:"patient1"`
	Email      string      `json:"email" example:"patient@example.com"`
	FirstName  string      `json:"first_name" example:"John"`
	LastName   string      `json:"last_name" example:"Doe"`
	UserType   clinic.Role `json:"user_type" enum:"PATIENT,DOCTOR,ADMIN" example:"PATIENT"`
	IsActive   bool        `json:"is_active" doc:"false for a disabled account." example:"true"`
	CreatedAt  time.Time   `json:"created_at" example:"2025-05-27T10:30:00Z"`
	PatientID  *int64      `json:"patient_id" doc:"The id of the patient's profile, or null." example:"1"`
	DoctorID   *int64      `json:"doctor_id" doc:"The id of the doctor's profile, or null." example:"1"`
	IsVerified *bool       `json:"is_verified" doc:"Whether the doctor's license is verified; null for other users." example:"true"`
}

func newListedUser(u clinic.ListedUser) listedUser {
	view := listedUser{
		ID: u.ID, Username: u.Username, Email: u.Email, FirstName: u.FirstName, LastName: u.LastName, UserType: u.Role,
		IsActive: u.Active, CreatedAt: u.CreatedAt.UTC(), PatientID: orNull(u.PatientID), DoctorID: orNull(u.DoctorID),
	}
	if u.DoctorID != 0 {
		view.IsVerified = new(u.VerifiedAt != nil)
	}
	return view
}

type listUsersRequest struct {
	web.Paging
	Search     string      `query:"search" maxLength:"150" doc:"Part of a name, a username or an email address."`
	UserType   clinic.Role `query:"user_type" enum:"PATIENT,DOCTOR,ADMIN"`
	IsActive   string      `query:"is_active" enum:"true,false" doc:"false: only disabled accounts. true: only the others."`
	IsVerified string      `query:"is_verified" enum:"true,false" doc:"true: only doctors whose license is verified. false: only doctors whose license is not."`
}

func (h *handlers) listUsers(ctx context.Context, request *listUsersRequest) (*web.PageResponse[listedUser], error) {
	filter := clinic.UserFilter{
		Search: request.Search, Role: request.UserType, Active: parseBool(request.IsActive), Verified: parseBool(request.IsVerified),
	}
	found, err := h.service.Users.List(ctx, web.CallerOf(ctx), filter, request.PageRequest())
	if err != nil {
		return nil, err
	}
	return web.AnswerPage(request.Paging, h.here(ctx), found, newListedUser)
}

type userIDRequest struct {
	ID int64 `path:"id" doc:"The id of the user, not of their profile."`
}

type userActivityResponse struct {
	Body struct {
		User     user `json:"user"`
		IsActive bool `json:"is_active" example:"false"`
	} `nameHint:"UserActivity"`
}

func (h *handlers) disableUser(ctx context.Context, request *userIDRequest) (*userActivityResponse, error) {
	return newUserActivity(h.service.Accounts.Disable(ctx, web.CallerOf(ctx), request.ID))
}

func (h *handlers) enableUser(ctx context.Context, request *userIDRequest) (*userActivityResponse, error) {
	return newUserActivity(h.service.Accounts.Enable(ctx, web.CallerOf(ctx), request.ID))
}

func newUserActivity(u clinic.User, err error) (*userActivityResponse, error) {
	if err != nil {
		return nil, err
	}
	response := &userActivityResponse{}
	response.Body.User, response.Body.IsActive = newUser(u), u.Active
	return response, nil
}
