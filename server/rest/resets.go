package rest

import (
	"context"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/server/internal/web"
)

// The notes on these operations.
const (
	issueResetCodeNote = "Hand the code to the user, who sets a new password with it at `/api/auth/password/reset/`. The answer contains the code, " +
		"which is not shown again; repeat the request for another one. A new code replaces the former one. Until the code is used, the " +
		"password and the sessions of the account stay. The user and the other administrators are notified. Administrators cannot issue a " +
		"code for their own account: the answer is 409 with the code `own_account`; for a disabled account, it is 409 with the code `account_disabled`."
	resetPasswordNote = "Requires a code that an administrator issued for this username. Each code works once, and ends all sessions of the account. " +
		"Log in with the new password afterwards; a second factor stays in use. For a code that is wrong, used, replaced or expired, and for an " +
		"unknown username, the answer is the same 401 with the code `reset_code_invalid`. " + passwordRules
)

type issueResetCodeResponse struct {
	Body struct {
		Code      string    `json:"code" doc:"The code. It works once, and is not shown again." example:"ABCD-EFGH-IJKL-MNOP-QRST-UVWX-YZ23"`
		ExpiresAt time.Time `json:"expires_at" example:"2025-05-28T10:30:00Z"`
	} `nameHint:"ResetCode"`
}

func (h *handlers) issueResetCode(ctx context.Context, request *userIDRequest) (*issueResetCodeResponse, error) {
	code, err := h.service.Resets.Issue(ctx, web.CallerOf(ctx), request.ID)
	if err != nil {
		return nil, err
	}
	response := &issueResetCodeResponse{}
	response.Body.Code, response.Body.ExpiresAt = code.Code, code.ExpiresAt.UTC()
	return response, nil
}

type resetPasswordRequest struct {
	Body struct {
		Username           string `json:"username" maxLength:"150" example:"patient1"`
		Code               string `json:"code" maxLength:"64" doc:"The code, in upper or lower case, with or without its hyphens." example:"ABCD-EFGH-IJKL-MNOP-QRST-UVWX-YZ23"`
		NewPassword        string `json:"new_password" minLength:"8" maxLength:"128" example:"correct horse battery"`
		NewPasswordConfirm string `json:"new_password_confirm" maxLength:"128" doc:"Must equal new_password." example:"correct horse battery"`
	} `nameHint:"PasswordReset"`
}

func (h *handlers) resetPassword(ctx context.Context, request *resetPasswordRequest) (*noContent, error) {
	body := request.Body
	if body.NewPassword != body.NewPasswordConfirm {
		return nil, clinic.Invalid("new_password_confirm", "must be the same as new_password")
	}
	return &noContent{}, h.service.Resets.Use(ctx, body.Username, body.Code, body.NewPassword)
}
