package rest

import (
	"context"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/server/internal/web"
)

// The notes on these operations.
const (
	disableUserNote = "Ends all sessions of the account. Its requests are refused from the next one on. Administrators cannot disable their own " +
		"account: the answer is 409 with the code `own_account`."
	enableUserNote = "The user has to log in again."
)

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
