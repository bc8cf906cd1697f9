package server

import (
	"context"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

type userIDRequest struct {
	ID int64 `path:"id" doc:"The user's id, not the profile's."`
}

type userActivityResponse struct {
	Body struct {
		User     user `json:"user"`
		IsActive bool `json:"is_active" example:"false"`
	} `nameHint:"UserActivity"`
}

func (h *handlers) disableUser(ctx context.Context, request *userIDRequest) (*userActivityResponse, error) {
	return newUserActivity(h.service.Accounts.Disable(ctx, callerOf(ctx), request.ID))
}

func (h *handlers) enableUser(ctx context.Context, request *userIDRequest) (*userActivityResponse, error) {
	return newUserActivity(h.service.Accounts.Enable(ctx, callerOf(ctx), request.ID))
}

func newUserActivity(u clinic.User, err error) (*userActivityResponse, error) {
	if err != nil {
		return nil, err
	}
	response := &userActivityResponse{}
	response.Body.User, response.Body.IsActive = newUser(u), u.Active
	return response, nil
}
